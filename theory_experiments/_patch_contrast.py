"""The classifiers of ``ensemble_vs_ntk`` on the paper's synthetic patches.

The patch network and the tangent kernel of the same architecture, each as one model, as an
ensemble, as a sum trained directly and distilled from the ensemble; the network also distilled by
Hinton's loss, and into itself. The kernels' networks are wider and start larger (``kernel_width``,
``kernel_sigma_init``): at the networks' own start few neurons carry the kernel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from multiview import stream
from multiview.data import MultiViewSpec, PatchBatch, make_features, sample_patches
from multiview.distill import DistillationLoss, distillation_objective, hinton_kd, paper_kd
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.ntk import centred_one_hot, kernel_methods, patch_net_gram
from multiview.probes import coverage_of, coverage_probes, lottery_winners, view_norms, view_signal
from multiview.theory import distractor_probability, ensemble_error, single_view_error
from multiview.train import TrainResult, TrainSpec, per_member, train_patch_net
from multiview.train.patch_gradient import Objective
from theory_experiments._contrast import Outputs, Progress, error, error_columns, within


@dataclass(frozen=True, kw_only=True)
class PatchCell:
    """One repetition: features, samples and initialisations all depend on ``seed``."""

    seed: int = 0
    data: str = "patches"
    spec: MultiViewSpec = field(default_factory=MultiViewSpec)
    num_train: int = 1000
    num_test: int = 1000  # of single-view and of multi-view samples each
    num_kernel_test: int = 400  # of these, the first ones test the kernels
    probes_per_view: int = 50
    members: int = 10  # they share the samples, not the initialisation
    width: int = 10
    q: float = 4
    relu_knee: float = 3.0
    sigma_init: float = 0.06
    kernel_width: int = 14  # m of the kernels' networks
    kernel_sigma_init: float = 3.0  # their start; lazy training needs a large one
    train: TrainSpec = field(default_factory=lambda: TrainSpec(relative_step=0.6, loss_bound=0.05))
    student: TrainSpec = field(default_factory=lambda: TrainSpec(max_steps=300, loss_bound=0.0))
    temperature: float = 4.0  # of Hinton's loss
    tau: float = 1 / 3  # of the paper's update
    scale: float = 10.0  # the paper's factor on logits: F above 1 / (scale tau^2) is truncated
    push: float = 5.0  # eta' / eta, the weight of that update
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
    start = _net(cell, "members", cell.members)
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
    features = make_features(spec, stream(seed, "features"))
    sample = partial(sample_patches, spec, features)
    return Samples(
        features=features,
        train=sample(cell.num_train, stream(seed, "train")),
        single=sample(cell.num_test, stream(seed, "test", "single"), kind="single"),
        multi=sample(cell.num_test, stream(seed, "test", "multi"), kind="multi"),
        probes=coverage_probes(spec, features, stream(seed, "probes"), cell.probes_per_view),
    )


def _net(cell: PatchCell, name: str, members: int, **other: Any) -> PatchNet:
    settings = {"width": cell.width, "sigma_init": cell.sigma_init} | other
    return PatchNet(
        members=members,
        num_classes=cell.spec.num_classes,
        patch_dim=cell.spec.patch_dim,
        q=cell.q,
        relu_knee=cell.relu_knee,
        generator=stream(cell.seed, "init", name),
        **settings,
    )


def _train(cell: PatchCell, train: PatchBatch, start: PatchNet, progress: Progress) -> Networks:
    """Train members, sum and students, each from a start of its own."""

    def fit(
        name: str, net: PatchNet, spec: TrainSpec, begin: float, end: float, **given: Any
    ) -> TrainResult:
        inner = within(progress, begin, end)
        return train_patch_net(
            net,
            train.patches,
            train.labels,
            spec,
            progress=lambda line, fraction: inner(f"{name}: {line}", fraction),
            **given,
        )

    members = fit("members", start, cell.train, 0.0, 0.4)
    sum_start, sum_spec = _net(cell, "sum", cell.members), replace(cell.train, summed=True)
    summed = fit("sum", sum_start, sum_spec, 0.4, 0.7)

    teachers = _logits(members.net, train)
    ensemble = mean_logits(teachers)
    hinton = partial(hinton_kd, temperature=cell.temperature)
    paper = partial(paper_kd, tau=cell.tau, scale=cell.scale)

    def taught(teacher: Tensor, loss: DistillationLoss, weight: float = 1.0) -> Objective:
        return distillation_objective(train.labels, teacher, loss, weight)

    objective = per_member(
        taught(ensemble, paper, cell.push),
        taught(ensemble, hinton),
        taught(teachers[:, 1], paper, cell.push),
    )
    fresh = _net(cell, "student", 1).weight
    begin = start.with_weight(torch.cat([fresh, fresh, members.net.weight[:1]]))
    students = fit("students", begin, cell.student, 0.7, 1.0, objective=objective)
    return Networks(members=members, summed=summed, students=students)


def _logits(net: PatchNet, batch: PatchBatch) -> Float[Tensor, "n members k"]:
    with torch.no_grad():
        return net(batch.patches)


def _network_logits(networks: Networks, batch: PatchBatch) -> dict[str, Tensor]:
    """Logits (n, k) of each classifier on ``batch``; of ``one``, (n, members, k)."""
    members = _logits(networks.members.net, batch)
    return {
        "one": members,
        "ensemble": mean_logits(members),
        "sum": _logits(networks.summed.net, batch).sum(1),
        **dict(zip(STUDENTS, _logits(networks.students.net, batch).unbind(1), strict=True)),
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
    return {f"{name}_mixed": mu * single + (1 - mu) * multi for name, single, multi in pairs}


def _kernels(cell: PatchCell, samples: Samples, progress: Progress) -> dict[str, Any]:
    """Errors and coverage of the kernel models of networks at initialisation."""
    n, train = cell.num_kernel_test, samples.train
    single, multi, probes = samples.single[:n], samples.multi[:n], samples.probes
    start = _net(
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
        ``distractor``, the chance that a learned feature of another class occurs in a sample;
        ``predicted_one``, the error that the measured coverage and distractors predict;
        ``theory_by_size``, the theory's error of 1, 2, ... averaged networks;
        ``lottery``, the fraction of classes whose strongest view was predicted from the start;
        ``steps`` of the members and the fraction ``converged``.
    """
    spec = cell.spec
    coverage = float(covered.double().mean())
    distractor = distractor_probability(
        spec.inclusion_probability, spec.num_classes, spec.num_views * coverage
    )
    winners = lottery_winners(start, samples.features, view_signal(samples.train, cell.q)).winner
    learned = view_norms(members.net, samples.features).argmax(-1)
    return {
        "both_learned": float(covered.all(-1).double().mean()),
        "distractor": distractor,
        "predicted_one": single_view_error(coverage, distractor),
        "theory_by_size": [
            ensemble_error(size, spec.num_views) for size in range(1, cell.members + 1)
        ],
        "lottery": float((winners == learned).double().mean()),
        "steps": members.steps.tolist(),
        "converged": float(members.converged.double().mean()),
    }
