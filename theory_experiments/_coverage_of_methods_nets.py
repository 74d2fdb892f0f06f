"""Each method of ``coverage_of_methods`` as a short function from the bench to a classifier."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from multiview import stream
from multiview.distill import Hinton, KDLoss, PaperUpdate, Squares, distillation_loss
from multiview.distill.dropout import dropout_distillation, monte_carlo
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.sparsity import GatedPatchNet, L0Spec, pruned, sparsify
from multiview.sparsity.layers import gated_layers
from multiview.train.compute import frozen
from multiview.train.stochastic import without_dropout
from theory_experiments._coverage_of_methods_bench import Bench, Classifier
from theory_experiments._patch_sgd import Alone

Kind = Literal["neuron", "patch"]


class Summed(nn.Module):
    """F = sum of a patch net's members, one classifier."""

    def __init__(self, nets: PatchNet) -> None:
        super().__init__()
        self.nets = nets

    def forward(self, patches: Tensor) -> Tensor:
        """Logits (n, k)."""
        return self.nets(patches).sum(1)


def one(bench: Bench) -> Classifier:
    """Each member by itself: logits (n, members, k)."""
    return frozen(bench.members)


def labels(bench: Bench) -> Classifier:
    """A net of the students' start, trained on labels alone for as many steps as they take."""
    return frozen(bench.taught(Alone(bench.fresh())))


def ensemble(bench: Bench) -> Classifier:
    """The members' mean logits."""
    members = frozen(bench.members)
    return lambda patches: mean_logits(members(patches))


def summed(bench: Bench) -> Classifier:
    """As many nets as members, trained as one by the gradient of their summed outputs."""
    return frozen(bench.on_labels(Summed(bench.fresh("sum", bench.cell.members)), "sum"))


def student_of(
    bench: Bench, student: nn.Module, teacher: Tensor, kd_loss: KDLoss, weight: float = 1.0
) -> Classifier:
    """A student of labels and these logits on the training samples."""
    loss = distillation_loss(bench.train.labels, teacher, kd_loss, weight=weight)
    return frozen(bench.taught(student, loss))


def hinton(bench: Bench) -> Classifier:
    """A student taught by the ensemble with Hinton's loss."""
    kd_loss = Hinton(bench.cell.temperature)
    return student_of(bench, Alone(bench.fresh()), bench.ensemble, kd_loss)


def paper(bench: Bench) -> Classifier:
    """A student taught by the ensemble with the paper's update."""
    return student_of(
        bench, Alone(bench.fresh()), bench.ensemble, _update(bench), weight=bench.cell.push
    )


def squares(bench: Bench) -> Classifier:
    """A student by squared differences of centred logits over k, Hinton's loss for hot T."""
    return student_of(bench, Alone(bench.fresh()), bench.ensemble, Squares())


def self_fresh(bench: Bench) -> Classifier:
    """A student taught by one network of another start, the second member, with Hinton's loss."""
    kd_loss = Hinton(bench.cell.temperature)
    return student_of(bench, Alone(bench.fresh()), bench.logits[:, 1], kd_loss)


def self_continued(bench: Bench) -> Classifier:
    """The first member goes on, taught by the second with the paper's update: two phases."""
    student = Alone(bench.members.member(0))
    return student_of(bench, student, bench.logits[:, 1], _update(bench), weight=bench.cell.push)


def _update(bench: Bench) -> PaperUpdate:
    return PaperUpdate(tau=bench.cell.tau, scale=bench.cell.scale)


def dropped(kind: Kind) -> Callable[[Bench], Classifier]:
    """Standard prediction of a network trained with dropout of this kind."""
    return lambda bench: frozen(bench.dropped(kind))


def masks(kind: Kind) -> Callable[[Bench], Classifier]:
    """The mean probabilities over the masks of the same network."""

    def train(bench: Bench) -> Classifier:
        draws = stream(bench.cell.seed, "masks", kind)
        return monte_carlo(bench.dropped(kind), bench.cell.num_masks, generator=draws)

    return train


def distilled(kind: Kind) -> Callable[[Bench], Classifier]:
    """A copy of that network without dropout, taught by its masks: dropout distillation."""

    def train(bench: Bench) -> Classifier:
        student = without_dropout(bench.dropped(kind))
        dropout_distillation(
            student,
            bench.dropped(kind),
            bench.train.patches,
            spec=bench.cell.student,
            generator=bench.order(),
        )
        return frozen(student)

    return train


def rocket(bench: Bench) -> Classifier:
    """The light net of a rocket whose nets share nothing."""
    return frozen(bench.unshared.light)


def rocket_booster(bench: Bench) -> Classifier:
    """The booster of that rocket: labels alone, since the hint's gradient is blocked."""
    (booster,) = bench.unshared.boosters
    return frozen(booster)


def rocket_unblocked(bench: Bench) -> Classifier:
    """The light net of a rocket that shares nothing and whose hint moves the booster too."""
    return frozen(bench.launched(block=False).light)


def rocket_kd(bench: Bench) -> Classifier:
    """The light net of a rocket that shares nothing, taught by a trained net, the second member."""
    result = bench.launched(
        teacher=frozen(Alone(bench.members.member(1))),
        teacher_weight=1.0,
        kd_loss=Hinton(bench.cell.temperature),
    )
    return frozen(result.light)


def rocket_late(bench: Bench) -> Classifier:
    """The light net of a rocket that shares nothing and whose hint waits until the booster fits."""
    return frozen(bench.launched(delay=bench.cell.delay).light)


def rocket_half(bench: Bench) -> Classifier:
    """A light net that shares half of its neurons with its booster.

    Their gradient is that of both nets' labels, about twice what a neuron of one net gets.
    """
    return frozen(bench.launched(bench.cell.width // 2).light)


def rocket_shared(bench: Bench) -> Classifier:
    """A light net that shares all neurons with its booster, which leaves one network and no hint.

    Its gradient is doubled, light net's and booster's labels: labels alone at twice the rate.
    """
    return frozen(bench.launched(bench.cell.width).light)


def rocket_ensemble(bench: Bench) -> Classifier:
    """A light net whose boosters, of the members' starts, give the mean of their logits as hint."""
    return frozen(bench.by_many.light)


def rocket_boosters(bench: Bench) -> Classifier:
    """The mean logits of those boosters."""
    boosters = [frozen(each) for each in bench.by_many.boosters]
    return lambda patches: mean_logits(torch.stack([each(patches) for each in boosters], 1))


@dataclass(frozen=True)
class Pruned:
    """A classifier without its closed gates' neurons."""

    classify: Classifier
    left: float  # share of the neurons whose gates are open

    def __call__(self, patches: Tensor) -> Tensor:
        """Logits (n, k)."""
        return self.classify(patches)


def gates(*, strong: bool, soft: bool) -> Callable[[Bench], Pruned]:
    """Neurons behind hard-concrete gates, those closed at the end removed.

    Args:
        strong: The penalty that closes most gates, or that which closes hardly any.
        soft: Taught by the ensemble's soft targets too.
    """

    def train(bench: Bench) -> Pruned:
        cell, batch = bench.cell, bench.train
        draws = stream(cell.seed, "gates")
        net = Alone(GatedPatchNet(bench.fresh(), dropout=cell.gate_dropout, generator=draws))
        strength = cell.strong_penalty if strong else cell.light_penalty
        kd_loss = Hinton(cell.temperature)
        sparsify(
            net,
            batch.patches,
            batch.labels,
            spec=cell.student,
            penalty=L0Spec(strength=strength, delay=cell.penalty_delay),
            generator=bench.order(),
            loss=distillation_loss(batch.labels, bench.ensemble, kd_loss) if soft else None,
        )
        (gated,) = gated_layers(net).values()
        return Pruned(frozen(pruned(net)), float((gated.gates() != 0).double().mean()))

    return train


def kernel(which: Literal["single", "ensemble", "summed", "distilled"]) -> Callable:
    """A kernel model of networks at their start, by the name it has in ``KernelOutputs``."""

    def train(bench: Bench) -> Classifier:
        kernels = bench.kernels
        return lambda patches: getattr(kernels(patches), which)

    return train
