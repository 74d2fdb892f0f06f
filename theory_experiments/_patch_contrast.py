"""The classifiers of ``ensemble_vs_ntk`` on the paper's synthetic patches.

The patch network and the tangent kernel of the same architecture, each as one model, as an
ensemble, as a sum trained directly and distilled from the ensemble; the network also distilled by
Hinton's loss, and into itself. The kernels' networks are wider and start larger (``kernel_width``,
``kernel_sigma_init``): at the networks' own start few neurons carry the kernel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch, sample_patches
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.ntk import centred_one_hot, fit_kernels, patch_net_gram
from multiview.ntk.members import Kind
from multiview.probes import (
    coverage_of,
    coverage_probes,
    lottery_winners,
    missed_views,
    view_norms,
    view_signal,
)
from multiview.theory import lost_error, single_view_error
from multiview.train import TrainResult, per_member
from theory_experiments._contrast import (
    Outputs,
    Progress,
    Row,
    ensembles,
    error,
    errors_by_method,
    merged,
    of_model,
    within,
)
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
    num_students: int = 4  # of the ensemble, by the paper's update, from starts of their own

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")
        if self.num_students < 1:
            raise ValueError(f"num_students={self.num_students}: train at least 1.")
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


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The trained networks of one repetition."""

    members: TrainResult
    summed: TrainResult
    students: TrainResult
    roles: dict[str, slice]  # which students are what


def run_patches(cell: PatchCell, progress: Progress = lambda message, fraction: None) -> Row:
    """Errors, coverage and winners of networks and kernels on one draw of everything.

    Returns:
        The methods of ``errors_by_method`` for networks, and with ``kernel_`` before their names
        for kernels: ``single`` and ``multi``, errors on single-view and multi-view test samples;
        ``train``, on the training samples (networks only). The networks ``distilled`` are students
        of the paper's update, ``hinton`` is one of Hinton's loss, ``self`` are of the paper's
        two-phase self-distillation; ``kernel_distilled`` are all members' features. Of many, each
        number is the mean. ``covered``: the views each has learned, (k, L), with an axis before of
        members or students; ``coverage`` is their fraction and ``both`` that of the classes of
        which all views are; ``union`` the fraction of views that at least one of so many members
        covers, as in ``missed_views``. The rest: see ``_explanation``.
    """
    samples = _draw(cell)
    start = new_nets(cell, "members", cell.members)
    networks = _train(cell, samples.train, start, within(progress, 0.0, 0.75))
    logits = partial(_network_logits, networks)
    batches = {"single": samples.single, "multi": samples.multi, "train": samples.train}
    errors = [_network_errors(logits(batch), batch, name) for name, batch in batches.items()]
    row = of_model("network", merged(*errors, _views(logits(samples.probes), samples.probes)))
    kernels, jitter = _kernels(cell, samples, within(progress, 0.75, 1.0))
    row |= of_model("kernel", kernels, "kernel_")
    row["member"] |= _explanation(cell, samples, start, networks.members, row["member"])
    row["data"] = {"kernel_jitter": jitter}
    for prefix in ("", "kernel_"):
        covered = row[f"{prefix}member"]["covered"]
        union = [1 - missed_views(covered, size) for size in range(1, len(covered) + 1)]
        for method, value in zip(ensembles(cell.members), union, strict=True):
            row[prefix + method]["union"] = value
    return row


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
    """Train members and sum, each from a start of its own, and all students side by side.

    Fresh nets are taught by the ensemble with the paper's update; the first of them also with
    Hinton's loss; and each member further by the next with the paper's update, the second phase of
    self-distillation. So the number of a repetition is a mean and not the luck of one student.
    """
    members = fit("members", start, train, cell.train, progress, 0.0, 0.4)
    sum_start, sum_spec = new_nets(cell, "sum", cell.members), replace(cell.train, summed=True)
    summed = fit("sum", sum_start, train, sum_spec, progress, 0.4, 0.7)

    teachers = logits_of(members.net, train)
    ensemble = mean_logits(teachers)
    n, following = cell.num_students, teachers.roll(-1, dims=1)
    objective = per_member(
        *(paper_lesson(cell, train, ensemble) for _ in range(n)),
        hinton_lesson(cell.temperature, train, ensemble),
        *(paper_lesson(cell, train, teacher) for teacher in following.unbind(1)),
    )
    fresh = new_nets(cell, "student", n).weight
    begin = start.with_weight(torch.cat([fresh, fresh[:1], members.net.weight]))
    students = fit("students", begin, train, cell.student, progress, 0.7, 1.0, objective=objective)
    roles = {"distilled": slice(n), "hinton": slice(n, n + 1), "self": slice(n + 1, None)}
    return Networks(members=members, summed=summed, students=students, roles=roles)


def _network_logits(networks: Networks, batch: PatchBatch) -> dict[str, Tensor]:
    """Logits (n, k) of each classifier on ``batch``, or (n, many, k)."""
    members = logits_of(networks.members.net, batch)
    students = logits_of(networks.students.net, batch)
    return {
        "member": members,
        "ensemble": mean_logits(members),
        "summed": logits_of(networks.summed.net, batch).sum(1),
        **{role: students[:, which] for role, which in networks.roles.items()},
    }


def _network_errors(logits: dict[str, Tensor], batch: PatchBatch, measure: str) -> Row:
    outputs = Outputs(
        single=logits["member"], summed=logits["summed"], distilled=logits["distilled"]
    )
    further = {who: {measure: error(logits[who], batch.labels)} for who in ("hinton", "self")}
    return errors_by_method(outputs, batch.labels, measure) | further


def _views(logits: dict[str, Tensor], probes: PatchBatch) -> Row:
    """The views that each classifier covers."""
    found = {who: coverage_of(outputs, probes).covered for who, outputs in logits.items()}
    return {
        who: {
            "covered": covered,  # (k, L), or (many, k, L)
            "coverage": float(covered.double().mean()),
            "both": float(covered.all(-1).double().mean()),
        }
        for who, covered in found.items()
    }


def _kernels(cell: PatchCell, samples: Samples, progress: Progress) -> tuple[Row, float]:
    """Errors and coverage of the kernel models of networks at initialisation; their jitter."""
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

    pairs = []
    for e, weight in enumerate(start.weight):
        progress(f"kernel {e + 1}/{cell.members}", e / cell.members)
        # float32 products: wrong by 1e-6 of the diagonal, a thousandth of the ridge.
        own = gram(weight, train.patches, dtype=torch.float32)
        pairs.append((own, gram(weight, test, train.patches, dtype=torch.float32)))
    grams, cross = zip(*pairs, strict=True)
    targets = centred_one_hot(train.labels, cell.spec.num_classes)
    kinds: tuple[Kind, ...] = ("single", "summed", "distilled")
    fits = [fit_kernels(kind, grams, targets, cell.ridge) for kind in kinds]
    on_single, on_multi, on_probes = (
        Outputs(single=one, summed=summed, distilled=distilled)
        for one, summed, distilled in zip(
            *(fit(cross).split([n, n, len(probes)]) for fit in fits), strict=True
        )
    )
    classifiers = {
        "member": on_probes.single,
        "ensemble": mean_logits(on_probes.single),
        "summed": on_probes.summed,
        "distilled": on_probes.distilled,
    }
    row = merged(
        errors_by_method(on_single, single.labels, "single"),
        errors_by_method(on_multi, multi.labels, "multi"),
        _views(classifiers, probes),
    )
    return row, max(fit.jitter for fit in fits)


def _explanation(
    cell: PatchCell,
    samples: Samples,
    start: PatchNet,
    members: TrainResult,
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """Why one network's error is what it is.

    Args:
        measured: Of the members: their ``coverage``.

    Returns:
        ``lost_error``, the chance that a learned feature of another class outshines a lost one;
        ``predicted``, the error that the measured coverage and ``lost_error`` predict;
        ``winners_predicted``, the fraction of classes whose strongest view the start told;
        ``steps`` of the members and the fraction ``converged``.
    """
    spec, coverage = cell.spec, measured["coverage"]
    lost = lost_error(spec, spec.num_views * coverage)
    winners = lottery_winners(start, samples.features, view_signal(samples.train, cell.q)).winner
    learned = view_norms(members.net, samples.features).argmax(-1)
    return {
        "lost_error": lost,
        "predicted": single_view_error(coverage, lost),
        "winners_predicted": float((winners == learned).double().mean()),
        "steps": members.steps.tolist(),
        "converged": float(members.converged.double().mean()),
    }
