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
from theory_experiments._averages import means, measured
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
# an error. These are strong in training samples, from where a student learns them, and weak in
# single-view ones, where they must not exceed a view that a quarter of the ensemble knows.
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

    @property
    def fractions(self) -> list[float]:
        """``kept`` as fractions of all views."""
        return [kept / self.spec.num_views for kept in self.kept]


SMOKE = ViewDropCell(
    spec=replace(SMALL_SPEC, num_views=4),
    num_train=150,
    num_test=300,
    members=3,
    width=6,
    train=TrainSpec(relative_step=0.6, loss_bound=0.05, max_steps=60),
    student=replace(STUDENT, max_steps=40),
)


def run_view_drop(cell: ViewDropCell, progress: Progress) -> dict[str, dict[str, Any]]:
    """Networks, their ensemble and its student, trained afresh for each number of views kept.

    Samples, initial weights and test samples are the same throughout, but for the views dropped.

    Returns:
        For each number of views kept, ``fraction`` of them all, what is ``measured`` of three kinds
        of ``classifier``: ``member`` (mean over the members, and the errors of each), ``ensemble``
        and ``distilled``; ``coverage`` is of all views, of those dropped too. Of the ensemble also
        ``gain`` and ``gain_multi`` over a member on single-view and on multi-view samples, and by
        theory ``predicted_gain``; ``predicted`` is the theory's error on single-view samples.
    """
    features = draw_features(cell)
    row: dict[str, dict[str, Any]] = {}
    for i, (kept, fraction) in enumerate(zip(cell.kept, cell.fractions, strict=True)):
        part = within(progress, i / len(cell.kept), (i + 1) / len(cell.kept))
        for who, measures in _with_views(cell, features, kept, part).items():
            row[f"{who}_{kept}"] = {"classifier": who, "fraction": fraction, **measures}
    return row


def _with_views(
    cell: ViewDropCell, features: Float[Tensor, "k L d"], kept: int, progress: Progress
) -> dict[str, dict[str, Any]]:
    """What is measured of each classifier with one number of views kept."""
    dropped = torch.arange(cell.spec.num_views).expand(features.shape[:2]) >= kept

    def seen(batch: PatchBatch) -> PatchBatch:
        return replace(batch, patches=without_views(batch.patches, features, dropped))

    train = draw_train(cell, features)
    members, student = _train(cell, seen(train), within(progress, 0.0, 0.9), f"{kept} views")

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        batch = seen(batch)
        single = logits_of(members, batch)
        taught = logits_of(student.single(), batch)
        return {"member": single, "ensemble": mean_logits(single), "distilled": taught}

    found = measured(cell, features, train, outputs, cell.num_test, cell.probes_per_view)
    progress(f"{kept} views: tested", 1.0)
    measures: dict[str, dict[str, Any]] = {**means(found)}
    member, ensemble = measures["member"], measures["ensemble"]
    member["single_each"] = found["member"]["single"].tolist()
    member["multi_each"] = found["member"]["multi"].tolist()
    ensemble["gain"] = member["single"] - ensemble["single"]
    ensemble["gain_multi"] = member["multi"] - ensemble["multi"]
    member["predicted"], ensemble["predicted"] = (
        _predicted(cell, kept, number) for number in (1, cell.members)
    )
    ensemble["predicted_gain"] = member["predicted"] - ensemble["predicted"]
    return measures


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


def _predicted(cell: ViewDropCell, kept: int, networks: int) -> float:
    """Single-view error at one view a class and network, where a distractor must occur to err."""
    coverage = kept_coverage(networks, kept, cell.spec.num_views)
    return single_view_error(coverage, lost_error(cell.spec, cell.spec.num_views * coverage))
