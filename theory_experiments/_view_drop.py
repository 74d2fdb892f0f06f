"""Views dropped from synthetic patches: what an ensemble gains with fewer views to share out.

Of L views a class only the first L' are kept; the others are projected out of training and test
patches alike. A network knows one view of each class whatever is left, so its error on single-view
samples stays 1 - 1/L; an ensemble gets none right whose strong view is gone. Its gain is that of
``multiview.theory.kept_coverage``: it falls with the fraction of views kept and is 0 with one left.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.data import MultiViewSpec, PatchBatch
from multiview.data.views import without_views
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.theory import kept_coverage, lost_error, single_view_error
from multiview.train import TrainSpec
from theory_experiments._averages import measured
from theory_experiments._contrast import Progress, within
from theory_experiments._patch_nets import (
    SMALL_SPEC,
    SPEC,
    STUDENT,
    TeachingCell,
    draw_features,
    draw_train,
    fit,
    logits_of,
    new_nets,
    paper_lesson,
)

# Few classes are cheap, and so many features of others in a sample that almost every lost view is
# an error. These are loud in training samples, from where a student learns them, and quiet in
# single-view ones, where they must not outshine a view that a quarter of the ensemble knows.
FOUR_VIEWS = replace(
    SPEC,
    num_classes=6,
    num_views=4,
    patch_dim=80,
    num_patches=14,
    sparsity=3.0,
    gamma_other=0.3,
    sigma_p=80**-0.5,
    other_strength=(0.4, 0.5),
)


@dataclass(frozen=True, kw_only=True)
class ViewDropCell(TeachingCell):
    """Networks and their ensemble's student, with all views and with fewer.

    The defaults were compared on the seeds 1000 and 1001, which no preset uses. At a knee of 5
    students come further, but the features of other classes then reach the linear region: single
    networks err less and ensembles more than by their coverage.
    """

    part: str = "synthetic"
    spec: MultiViewSpec = FOUR_VIEWS
    num_train: int = 600
    members: int = 12
    relu_knee: float = 10.0
    sigma_init: float = 0.2
    tau: float = 0.2
    scale: float = 40.0
    kept: tuple[int, ...] = (4, 2, 1)  # L', how many views of each class
    num_test: int = 2000  # of single-view and of multi-view samples each
    probes_per_view: int = 20

    def __post_init__(self) -> None:
        views = self.spec.num_views
        if not all(1 <= each <= views for each in self.kept):
            raise ValueError(f"kept={self.kept} are numbers of views: use 1 to num_views={views}.")
        if not self.kept or len({*self.kept}) < len(self.kept):
            raise ValueError(f"kept={self.kept} must hold a number of views, and each only once.")


SMOKE = ViewDropCell(
    spec=replace(SMALL_SPEC, num_views=4),
    num_train=150,
    num_test=300,
    members=3,
    width=6,
    train=TrainSpec(relative_step=0.6, loss_bound=0.05, max_steps=60),
    student=replace(STUDENT, max_steps=40),
)


def run_view_drop(cell: ViewDropCell, progress: Progress) -> dict[str, Any]:
    """Networks, their ensemble and its student, trained afresh for each number of views kept.

    Samples, initial weights and test samples are the same throughout, but for the views dropped.

    Returns:
        Lists in the order of ``kept``. ``fractions``, kept / L. For each of ``one`` (mean over the
        members), ``ensemble`` and ``distilled``: ``<who>``, its error on single-view test samples,
        ``_multi`` on multi-view and ``_train`` on training samples; ``_coverage``, the fraction of
        all views learned, of those dropped too, ``_both``, of the classes with all L. Of each
        member ``one_each`` and ``one_each_multi``; ``gain`` and ``gain_multi``, one - ensemble. By
        theory, on single-view samples: ``theory_one``, ``theory_ensemble`` and ``theory_gain``.
    """
    features = draw_features(cell)
    columns: dict[str, list[Any]] = {
        "fractions": [kept / cell.spec.num_views for kept in cell.kept]
    }
    for i, kept in enumerate(cell.kept):
        part = within(progress, i / len(cell.kept), (i + 1) / len(cell.kept))
        for name, value in _with_views(cell, features, kept, part).items():
            columns.setdefault(name, []).append(value)
    return columns


def _with_views(
    cell: ViewDropCell, features: Float[Tensor, "k L d"], kept: int, progress: Progress
) -> dict[str, Any]:
    """The columns for one number of views kept."""
    dropped = torch.arange(cell.spec.num_views).expand(features.shape[:2]) >= kept

    def seen(batch: PatchBatch) -> PatchBatch:
        return replace(batch, patches=without_views(batch.patches, features, dropped))

    train = draw_train(cell, features)
    members, student = _train(cell, seen(train), within(progress, 0.0, 0.9), f"{kept} views")

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        batch = seen(batch)
        single = logits_of(members, batch)
        taught = logits_of(student, batch).squeeze(1)
        return {"one": single, "ensemble": mean_logits(single), "distilled": taught}

    found = measured(cell, features, train, outputs, cell.num_test, cell.probes_per_view)
    progress(f"{kept} views: tested", 1.0)
    columns: dict[str, Any] = {name: float(values.mean()) for name, values in found.items()}
    for ending in ("", "_multi"):
        columns[f"one_each{ending}"] = found[f"one{ending}"].tolist()
        columns[f"gain{ending}"] = columns[f"one{ending}"] - columns[f"ensemble{ending}"]
    return columns | _theory(cell, kept)


def _train(
    cell: ViewDropCell, train: PatchBatch, progress: Progress, name: str
) -> tuple[PatchNet, PatchNet]:
    """The members and the student of their ensemble."""
    start = new_nets(cell, "members", cell.members)
    members = fit(f"{name}, members", start, train, cell.train, progress, 0.0, 0.7).net
    lesson = paper_lesson(cell, train, mean_logits(logits_of(members, train)))
    student = fit(
        f"{name}, student",
        new_nets(cell, "student", 1),
        train,
        cell.student,
        progress,
        0.7,
        1.0,
        objective=lesson,
    )
    return members, student.net


def _theory(cell: ViewDropCell, kept: int) -> dict[str, float]:
    """Errors and gain at one view a class and network, where a distractor must occur to err."""
    views = cell.spec.num_views
    known = {
        "theory_one": kept_coverage(1, kept, views),
        "theory_ensemble": kept_coverage(cell.members, kept, views),
    }
    errors = {
        who: single_view_error(coverage, lost_error(cell.spec, views * coverage))
        for who, coverage in known.items()
    }
    return errors | {"theory_gain": errors["theory_one"] - errors["theory_ensemble"]}
