"""The classifiers of ``ensemble_vs_ntk`` on the paper's synthetic patches.

The patch network and the tangent kernel of the same architecture, each as one model, as an
ensemble, as a sum trained directly and distilled from the ensemble; the network also distilled by
Hinton's loss, and into itself. The kernels' networks are wider and start larger (``kernel_width``,
``kernel_sigma_init``): at the networks' own start few neurons carry the kernel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch, sample_patches
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.ntk import centred_one_hot, kernel_methods, patch_net_gram
from multiview.probes import coverage_of, coverage_probes, lottery_winners, view_norms, view_signal
from multiview.theory import ensemble_error, lost_error, mixed_error, single_view_error
from multiview.train import TrainResult, per_member
from theory_experiments._contrast import Outputs, Progress, error, error_columns, within
from theory_experiments._patch_nets import (
    TeachingCell,
    draw_features,
    draw_train,
    fit,
    hinton_lesson,
    logits_of,
    new_nets,
    paper_lesson,
)


@dataclass(frozen=True, kw_only=True)
class PatchCell(TeachingCell):
    """One repetition: features, samples and initialisations all depend on ``seed``."""

    data: str = "patches"
    num_test: int = 1000  # of single-view and of multi-view samples each
    num_kernel_test: int = 200  # of these, the first ones test the kernels
    probes_per_view: int = 20
    kernel_width: int = 14  # m of the kernels' networks
    kernel_sigma_init: float = 3.0  # their start; lazy training needs a large one
    ridge: float = 1e-3  # of the kernels, relative to their mean diagonal

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")
        if self.num_kernel_test > self.num_test:
            raise ValueError(
                f"num_kernel_test={self.num_kernel_test} are among num_test={self.num_test}: "
                "use no more."
            )


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What one repetition trains and tests on."""

    features: Float[Tensor, "k L d"]
    train: PatchBatch
    single: PatchBatch  # test samples, all single-view
    multi: PatchBatch  # test samples, all multi-view
    probes: PatchBatch


# A fresh net taught by the ensemble with the paper's update; one with Hinton's loss; and member 0
# taught further by member 1 with the paper's update, the second phase of self-distillation.
STUDENTS = ("distilled", "hinton", "self")


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The trained networks of one repetition."""

    members: TrainResult
    summed: TrainResult
    students: TrainResult  # in the order of STUDENTS


def run_patches(
    cell: PatchCell, progress: Progress = lambda message, fraction: None
) -> dict[str, Any]:
    """Errors, coverage and lottery of networks and kernels on one draw of everything.

    Returns:
        The columns of ``error_columns`` for ``network`` and ``ntk``: errors on single-view test
        samples; with ``_multi`` at the end those on multi-view test samples, with ``_mixed`` on
        the distribution D, with ``_train`` on the training samples (networks only). A network's
        ``_distilled`` is the student of the paper's update, ``_hinton`` that of Hinton's loss,
        ``_self`` the paper's two-phase self-distillation. ``coverage_<who>`` are boolean arrays
        (k, L), with the members first for ``one``. The rest: see ``_explanation``.
    """
    samples = _draw(cell)
    start = new_nets(cell, "members", cell.members)
    networks = _train(cell, samples.train, start, within(progress, 0.0, 0.75))
    logits = partial(_network_logits, networks)
    columns: dict[str, Any] = {}
    for ending, batch in (
        ("", samples.single),
        ("_multi", samples.multi),
        ("_train", samples.train),
    ):
        columns |= _endings(ending, _network_errors(logits(batch), batch))
    covered = {
        who: coverage_of(output, samples.probes).covered
        for who, output in logits(samples.probes).items()
    }
    columns |= _kernels(cell, samples, within(progress, 0.75, 1.0))
    columns |= _on_mixed(cell.spec.mu, columns)
    columns |= {f"coverage_{who}": views for who, views in covered.items()}
    columns |= _explanation(cell, samples, start, networks.members, covered["one"])
    return columns


def _draw(cell: PatchCell) -> Samples:
    spec, seed = cell.spec, cell.seed
    features = draw_features(cell)
    sample = partial(sample_patches, spec, features, cell.num_test)
    return Samples(
        features=features,
        train=draw_train(cell, features),
        single=sample(stream(seed, "test", "single"), kind="single"),
        multi=sample(stream(seed, "test", "multi"), kind="multi"),
        probes=coverage_probes(spec, features, stream(seed, "probes"), cell.probes_per_view),
    )


def _train(cell: PatchCell, train: PatchBatch, start: PatchNet, progress: Progress) -> Networks:
    """Train members, sum and students, each from a start of its own."""
    members = fit("members", start, train, cell.train, progress, 0.0, 0.4)
    sum_start, sum_spec = new_nets(cell, "sum", cell.members), replace(cell.train, summed=True)
    summed = fit("sum", sum_start, train, sum_spec, progress, 0.4, 0.7)

    teachers = logits_of(members.net, train)
    ensemble = mean_logits(teachers)
    objective = per_member(
        paper_lesson(cell, train, ensemble),
        hinton_lesson(cell.temperature, train, ensemble),
        paper_lesson(cell, train, teachers[:, 1]),
    )
    fresh = new_nets(cell, "student", 1).weight
    begin = start.with_weight(torch.cat([fresh, fresh, members.net.weight[:1]]))
    students = fit("students", begin, train, cell.student, progress, 0.7, 1.0, objective=objective)
    return Networks(members=members, summed=summed, students=students)


def _network_logits(networks: Networks, batch: PatchBatch) -> dict[str, Tensor]:
    """Logits (n, k) of each classifier on ``batch``; of ``one``, (n, members, k)."""
    members = logits_of(networks.members.net, batch)
    return {
        "one": members,
        "ensemble": mean_logits(members),
        "sum": logits_of(networks.summed.net, batch).sum(1),
        **dict(zip(STUDENTS, logits_of(networks.students.net, batch).unbind(1), strict=True)),
    }


def _network_errors(logits: dict[str, Tensor], batch: PatchBatch) -> dict[str, Any]:
    outputs = Outputs(single=logits["one"], summed=logits["sum"], distilled=logits["distilled"])
    further = {f"network_{who}": error(logits[who], batch.labels) for who in ("hinton", "self")}
    return {**error_columns("network", outputs, batch.labels), **further}


def _endings(ending: str, columns: dict[str, Any]) -> dict[str, Any]:
    return {name + ending: value for name, value in columns.items()}


def _on_mixed(mu: float, columns: dict[str, Any]) -> dict[str, Any]:
    """Errors on D: mu of it is single-view."""
    pairs = [
        (name, columns[name], columns[f"{name}_multi"])
        for name in columns
        if f"{name}_multi" in columns and isinstance(columns[name], float)
    ]
    return {f"{name}_mixed": mixed_error(mu, single, multi) for name, single, multi in pairs}


def _kernels(cell: PatchCell, samples: Samples, progress: Progress) -> dict[str, Any]:
    """Errors and coverage of the kernel models of networks at initialisation."""
    n, train = cell.num_kernel_test, samples.train
    single, multi, probes = samples.single[:n], samples.multi[:n], samples.probes
    start = new_nets(
        cell,
        "kernels",
        cell.members,
        width=cell.kernel_width,
        sigma_init=cell.kernel_sigma_init,
    )
    test = torch.cat([single.patches, multi.patches, probes.patches])
    gram: Callable[..., Tensor] = partial(patch_net_gram, q=cell.q, relu_knee=cell.relu_knee)

    def kernels() -> Iterator[tuple[Tensor, Tensor]]:
        for e, weight in enumerate(start.weight):
            progress(f"kernel {e + 1}/{cell.members}", e / cell.members)
            # float32 products: wrong by 1e-6 of the diagonal, a thousandth of the ridge.
            yield (
                gram(weight, train.patches, dtype=torch.float32),
                gram(weight, test, train.patches, dtype=torch.float32),
            )

    targets = centred_one_hot(train.labels, cell.spec.num_classes)
    outputs = kernel_methods(kernels(), targets, cell.ridge)
    columns: dict[str, Any] = {"ntk_jitter": outputs.jitter}
    parts = [
        Outputs(single=one, summed=summed, distilled=distilled)
        for one, summed, distilled in zip(
            outputs.single.split([n, n, len(probes)]),
            outputs.summed.split([n, n, len(probes)]),
            outputs.distilled.split([n, n, len(probes)]),
            strict=True,
        )
    ]
    columns |= error_columns("ntk", parts[0], single.labels)
    columns |= _endings("_multi", error_columns("ntk", parts[1], multi.labels))
    for who, output in (
        ("one", parts[2].single),
        ("ensemble", mean_logits(parts[2].single)),
        ("sum", parts[2].summed),
        ("distilled", parts[2].distilled),
    ):
        columns[f"coverage_ntk_{who}"] = coverage_of(output, probes).covered
    return columns


def _explanation(
    cell: PatchCell,
    samples: Samples,
    start: PatchNet,
    members: TrainResult,
    covered: Bool[Tensor, "members k L"],
) -> dict[str, Any]:
    """Why one network's error is what it is.

    Returns:
        ``both_learned``, the fraction of classes of which a network covers every view;
        ``distractor``, the chance that a learned feature of another class outshines a lost one;
        ``predicted_one``, the error that the measured coverage and distractors predict;
        ``theory_by_size``, the theory's error of 1, 2, ... averaged networks;
        ``lottery``, the fraction of classes whose strongest view was predicted from the start;
        ``steps`` of the members and the fraction ``converged``.
    """
    spec = cell.spec
    coverage = float(covered.double().mean())
    distractor = lost_error(spec, spec.num_views * coverage)
    winners = lottery_winners(start, samples.features, view_signal(samples.train, cell.q)).winner
    learned = view_norms(members.net, samples.features).argmax(-1)
    return {
        "both_learned": float(covered.all(-1).double().mean()),
        "distractor": distractor,
        "predicted_one": single_view_error(coverage, distractor),
        "theory_by_size": [
            ensemble_error(size, 1 / spec.num_views) for size in range(1, cell.members + 1)
        ],
        "lottery": float((winners == learned).double().mean()),
        "steps": members.steps.tolist(),
        "converged": float(members.converged.double().mean()),
    }
