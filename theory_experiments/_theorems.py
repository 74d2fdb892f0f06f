"""Networks, their ensemble and two students of theirs on one draw of everything: what they err."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.probes import coverage_of, coverage_probes, missed_views
from multiview.runs.experiment import Context
from multiview.theory import (
    ensemble_error,
    lost_error,
    mixed_error,
    single_view_error,
    student_coverage,
)
from multiview.train import per_member
from multiview.train.metrics import wrong
from theory_experiments._contrast import Progress
from theory_experiments._patch_nets import (
    KINDS,
    TeachingCell,
    draw_features,
    draw_train,
    fit,
    logits_of,
    new_nets,
    paper_lesson,
    sliding_means,
    streamed_errors,
)

STUDENTS = ("distilled", "self")
Row = dict[str, dict[str, Any]]
Outputs = Callable[[PatchBatch], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class TheoremCell(TeachingCell):
    """Members, an ensemble's student and a self-distilled network on one draw of everything."""

    setting: Literal["weak", "strong"] = "strong"  # how strong other classes' features are
    axis: Literal["base", "mu", "num_classes"] = "base"  # what differs from the base cell
    members: int = 16  # so that 2^-16 is far below the 0.001 of Theorem 2, as 2^-10 is not
    num_test: int = 20_000  # of single-view and of multi-view samples each, streamed
    probes_per_view: int = 40

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")


def run(cell: TheoremCell, context: Context) -> Row:
    """Train, and measure errors, coverage and what the closed forms make of it.

    Returns:
        Of ``member`` (mean over the members), ``ensemble``, ``distilled`` and ``self``: ``single``
        and ``multi``, the errors on either kind of test samples; ``per_mu``, the error on D over
        mu; ``coverage``, the fraction of views covered; but for the ensemble, ``train``, the error
        on the training samples, and ``predicted``, the single-view error that follows from the
        members' coverage. Of ``member`` also ``covered``, (members, k, L), and ``both``, the
        fraction of classes of which all views are covered. Of ``ensemble_1``, ``ensemble_2``, ...,
        the means over rings of ``size`` members: the errors, what is ``predicted``, and the
        ``theory``, which follows from nothing; and the mean over all choices of ``size`` members:
        ``missed``, the fraction of views that none of them covers, and ``missed_predicted``, that
        of as many independent networks. Of "data": ``lost``, the error on a view not known.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    members, students = train_all(cell, train, context.progress)

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        logits = logits_of(members, batch)
        taught = zip(STUDENTS, logits_of(students, batch).unbind(1), strict=True)
        return {"member": logits, "by_size": sliding_means(logits), **dict(taught)}

    row = errors(cell, features, outputs)
    for name, measures in coverages(cell, features, train, outputs).items():
        row[name] |= measures
    return predictions(cell, row)


def train_all(
    cell: TheoremCell, train: PatchBatch, progress: Progress
) -> tuple[PatchNet, PatchNet]:
    """The members, and their students: a new network of the ensemble, the first of the second."""
    start = new_nets(cell, "members", cell.members)
    members = fit("members", start, train, cell.train, progress, 0.0, 0.6).net
    taught = logits_of(members, train)
    lessons = per_member(
        paper_lesson(cell, train, mean_logits(taught)), paper_lesson(cell, train, taught[:, 1])
    )
    fresh = new_nets(cell, "student", 1).weight
    begin = start.with_weight(torch.cat([fresh, members.weight[:1]]))
    students = fit(
        "students", begin, train, cell.student, progress, 0.6, 1.0, objective=lessons
    ).net
    return members, students


def errors(cell: TheoremCell, features: Float[Tensor, "k L d"], outputs: Outputs) -> Row:
    """Errors on both kinds of test samples, and on D over mu."""
    sized = {f"ensemble_{size}": {"size": size} for size in range(1, cell.members + 1)}
    row: Row = {name: {} for name in ("member", "ensemble", *STUDENTS)} | sized
    for kind in KINDS:
        found = streamed_errors(cell, features, kind, cell.num_test, outputs)
        by_size = found["by_size"].mean(0).tolist()
        values = {
            "member": float(found["member"].mean()),
            "ensemble": by_size[-1],
            **{who: float(found[who]) for who in STUDENTS},
            **dict(zip(sized, by_size, strict=True)),
        }
        for name, error in values.items():
            row[name][kind] = error
        row["member"][f"{kind}_each"] = found["member"].tolist()
    for each in row.values():
        each["per_mu"] = mixed_error(cell.spec.mu, each["single"], each["multi"]) / cell.spec.mu
    return row


def coverages(
    cell: TheoremCell, features: Float[Tensor, "k L d"], train: PatchBatch, outputs: Outputs
) -> Row:
    """Views covered, and errors on the training samples."""
    probes = coverage_probes(cell.spec, features, stream(cell.seed, "probes"), cell.probes_per_view)
    on_train, on_probes = outputs(train), outputs(probes)
    covered = coverage_of(on_probes["member"], probes).covered
    ensemble = coverage_of(mean_logits(on_probes["member"]), probes)
    row: Row = {
        "member": {
            "coverage": float(covered.double().mean()),
            "both": float(covered.all(-1).double().mean()),
            "covered": covered,
        },
        "ensemble": {"coverage": float(ensemble.fraction)},
        **{
            who: {"coverage": float(coverage_of(on_probes[who], probes).fraction)}
            for who in STUDENTS
        },
    }
    for who in ("member", *STUDENTS):
        row[who]["train"] = float(wrong(on_train[who], train.labels).double().mean())
    return row


def predictions(cell: TheoremCell, row: Row) -> Row:
    """The row with what the theory says, and what it says once the members' coverage is known."""
    views, c = cell.spec.num_views, row["member"]["coverage"]
    lost = lost_error(cell.spec, views * c)
    known = {
        "member": c,
        "distilled": student_coverage(row["ensemble"]["coverage"], c),
        "self": student_coverage(c, c),
    }
    for who, coverage in known.items():
        row[who]["predicted"] = single_view_error(coverage, lost)
    for size in range(1, cell.members + 1):
        row[f"ensemble_{size}"] |= {
            "predicted": lost * ensemble_error(size, c),
            "theory": ensemble_error(size, 1 / views),
            "missed": missed_views(row["member"]["covered"], size),
            "missed_predicted": ensemble_error(size, c),
        }
    return row | {"data": {"lost": lost}}
