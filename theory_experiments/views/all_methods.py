"""Every method of this package with its name in tables and the c that theory predicts for it."""

from dataclasses import replace
from functools import partial

from multiview.bench import Entry, adds, averaged, constant, like
from multiview.distill import Hinton, PaperUpdate, Squares, Standardised
from multiview.methods import (
    Booster,
    Dropout,
    Ensemble,
    Gates,
    KernelModel,
    Kernels,
    Labels,
    Masks,
    MaskStudent,
    Member,
    Members,
    Rocket,
    Student,
    Summed,
)
from multiview.sparsity import L0Spec

# On the seed 1000 students covered 0.63 to 0.68 of the views at a weight of 1 and 0.83 to 0.85 at
# this one, where labels alone taught 0.5 and the teacher knew 0.9.
HINTON, WEIGHT = Hinton(16.0), 20.0
PAPER_WEIGHT = 10.0  # eta' / eta of the paper's update
taught = partial(Student, kd_loss=HINTON, weight=WEIGHT)
launch = partial(Rocket, weight=0.5)

one = partial(Entry, group="labels alone")
mean = partial(Entry, group="averaging")
student = partial(Entry, group="students")
drop = partial(Entry, group="dropout in training")
rocket = partial(Entry, group="rocket launching")
gates = partial(Entry, group="neurons behind gates")
kernel = partial(Entry, group="tangent kernels")


def all_methods(
    *,
    masks: int = 50,
    width: int = 10,
    kernel_width: int = 14,
    light: float = 0.005,
    strong: float = 0.2,
) -> dict[str, Entry]:
    """Every method, by its name in rows.

    Args:
        masks: Number of dropout masks that are averaged.
        width: Neurons of a class, all of which ``rocket_shared`` shares.
        kernel_width: Neurons of a class in the kernels' networks.
        light: lambda that closes hardly any gate.
        strong: lambda that closes most.
    """
    return {
        **labels_and_averages(),
        **students(),
        **with_dropout(masks),
        **rocket_launching(width),
        **behind_gates(light, strong),
        **tangent_kernels(kernel_width),
    }


def labels_and_averages() -> dict[str, Entry]:
    """Networks on labels alone, and ways to average several."""
    return {
        "member": one(Members(), "one network", theory=constant(1 / 2)),
        "labels": one(Labels(), "as many steps as students", theory=constant(1 / 2)),
        "ensemble": mean(Ensemble(), "ensemble", theory=averaged("member")),
        "summed": mean(Summed(), "trained as a sum", theory=like("member")),
    }


def students() -> dict[str, Entry]:
    """Students of an ensemble, and of one other network (self-distillation)."""
    paper = partial(Student, kd_loss=PaperUpdate(), weight=PAPER_WEIGHT)
    return {
        "hinton": student(taught(), "of the ensemble, Hinton's loss", theory=adds("ensemble")),
        "squares": student(
            taught(kd_loss=Squares()), "of the ensemble, squared logits", theory=adds("ensemble")
        ),
        "standardised": student(
            taught(kd_loss=Standardised()), "of it, standardised logits", theory=adds("ensemble")
        ),
        "paper": student(paper(), "of the ensemble, paper's update", theory=adds("ensemble")),
        "self_fresh": student(
            taught(teacher=Member(index=1)),
            "of one net (self), fresh start",
            theory=adds("member"),
        ),
        "self_continued": student(
            paper(start=Member(index=0), teacher=Member(index=1)),
            "of one net (self), two phases",
            theory=adds("member"),
        ),
    }


def with_dropout(masks: int) -> dict[str, Entry]:
    """Dropout of neurons and of patches: the network, the mean over its masks, their student."""
    neuron, patch = Dropout(kind="neuron", rate=0.25), Dropout(kind="patch", rate=0.5)
    return {
        "neuron": drop(neuron, "of neurons"),
        "neuron_masks": drop(
            Masks(of=neuron, number=masks), "mean over its masks", theory=like("neuron")
        ),
        "neuron_distilled": drop(
            MaskStudent(of=neuron), "its masks, distilled", theory=like("neuron")
        ),
        "patch": drop(patch, "of patches", theory=constant(1.0)),
        "patch_masks": drop(
            Masks(of=patch, number=masks), "mean over its masks", theory=like("patch")
        ),
        "patch_distilled": drop(
            MaskStudent(of=patch), "its masks, distilled", theory=like("patch")
        ),
    }


def rocket_launching(width: int) -> dict[str, Entry]:
    """Light networks and the boosters that are trained beside them."""
    launched = launch()
    many = launch(boosters=None, boosters_start="members")
    return {
        "rocket": rocket(launched, "light net, nothing shared", theory=adds("rocket_booster")),
        "rocket_booster": rocket(Booster(of=launched), "its booster", theory=constant(1 / 2)),
        "rocket_kd": rocket(
            launch(teacher=Member(index=1), kd_loss=HINTON, teacher_weight=WEIGHT),
            "light net, and a trained net",
            theory=adds("rocket_booster", "member"),
        ),
        "rocket_late": rocket(
            launch(delay=0.5), "light net, late hint", theory=adds("rocket_booster")
        ),
        "rocket_unblocked": rocket(launch(block=False), "light net, hint not blocked"),
        "rocket_half": rocket(launch(shared=width // 2), "light net, half of it shared"),
        "rocket_shared": rocket(
            launch(shared=width), "light net, all of it shared", theory=constant(1 / 2)
        ),
        "rocket_ensemble": rocket(
            many, "light net, ensemble boosts", theory=adds("rocket_boosters")
        ),
        "rocket_boosters": rocket(
            Booster(of=many), "mean of its boosters", theory=averaged("labels")
        ),
    }


def behind_gates(light: float, strong: float) -> dict[str, Entry]:
    """Networks pruned under a light and a strong L0 penalty, by labels and by soft targets."""
    light_gates, strong_gates = (
        Gates(penalty=L0Spec(strength=each, delay=0.5)) for each in (light, strong)
    )
    return {
        "dense": gates(light_gates, "light penalty, labels"),
        "dense_soft": gates(
            replace(light_gates, teacher=Ensemble(), kd_loss=HINTON, weight=WEIGHT),
            "light penalty, of the ensemble",
            theory=adds("ensemble"),
        ),
        "pruned": gates(strong_gates, "strong penalty, labels", theory=constant(1 / 2)),
        "pruned_soft": gates(
            replace(strong_gates, teacher=Ensemble(), kd_loss=HINTON, weight=WEIGHT),
            "strong penalty, of the ensemble",
        ),
    }


def tangent_kernels(width: int) -> dict[str, Entry]:
    """One kernel model, several averaged, summed and distilled."""
    kernels = Kernels(width=width, sigma_init=3.0)
    return {
        "kernel_member": kernel(kernels, "one kernel"),
        "kernel_ensemble": kernel(KernelModel(kind="ensemble", of=kernels), "ensemble"),
        "kernel_summed": kernel(
            KernelModel(kind="summed", of=kernels), "sum", theory=like("kernel_ensemble")
        ),
        "kernel_distilled": kernel(
            KernelModel(kind="distilled", of=kernels),
            "ensemble, distilled",
            theory=like("kernel_member"),
        ),
    }
