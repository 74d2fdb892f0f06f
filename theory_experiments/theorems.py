"""Theorems 1-4 as measurements: error / mu of one network, an ensemble and two kinds of students.

For many classes the theory says that one network errs on half of the single-view samples, an
ensemble and a student taught by it on none, and a self-distilled network on a quarter (Allen-Zhu &
Li, arXiv 2012.09816, Theorems 1-4). Here each error is divided by mu and measured against mu, the
number of members K and the number of classes k, in two settings that differ in what the theory
takes for granted when k grows. "quiet": other classes' features stay deep in the power region of
the activation, so that losing views stay lost; but what keeps them lost also hides them from
students, whose teacher hardly answers to them. "audible": they are loud enough to teach. Closed
forms corrected for what was learned (``multiview.theory``) stand beside the measurements.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd
import torch
from rich.table import Table
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch
from multiview.ensemble import mean_logits
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid
from multiview.runs.script import main
from multiview.theory import (
    ensemble_error,
    lost_error,
    mixed_error,
    single_view_error,
    student_coverage,
)
from multiview.train import TrainSpec, per_member
from multiview.train.metrics import wrong
from theory_experiments._estimates import (
    claims_from,
    number,
)
from theory_experiments._patch_nets import (
    QUIET,
    STUDENT,
    TeachingCell,
    draw_features,
    draw_train,
    fit,
    logits_of,
    new_nets,
    only_cpu,
    paper_lesson,
    sliding_means,
    streamed_errors,
)
from theory_experiments._theorems_claims import theorem_claims

STUDENTS = ("distilled", "self")


@dataclass(frozen=True, kw_only=True)
class TheoremCell(TeachingCell):
    """Members, an ensemble's student and a self-distilled network on one draw of everything."""

    setting: Literal["quiet", "audible"] = "audible"
    axis: Literal["base", "mu", "num_classes"] = "base"  # what differs from the base cell
    num_test: int = 20_000  # of single-view and of multi-view samples each, streamed
    probes_per_view: int = 40

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")


AUDIBLE_BASE = TheoremCell(setting="audible")
QUIET_BASE = TheoremCell(setting="quiet", spec=QUIET, relu_knee=10.0, sigma_init=0.1)
BASES = {"quiet": QUIET_BASE, "audible": AUDIBLE_BASE}


def run(cell: TheoremCell, context: Context) -> dict[str, Any]:
    """Train, and measure errors, coverage and what the closed forms make of it.

    Returns:
        For ``one``, ``ensemble``, ``distilled`` and ``self``: ``<who>_single`` and ``_multi``, the
        errors on either kind of test samples, ``_train`` on the training samples, ``_per_mu`` the
        error on D over mu, ``_coverage`` the fraction of views covered. ``by_size_*`` are those of
        1, 2, ... averaged members. ``predicted_*`` follow from the measured coverage of the
        members, ``theory_*`` from nothing.
    """
    spec, features = cell.spec, draw_features(cell)
    train = draw_train(cell, features)
    start = new_nets(cell, "members", cell.members)
    members = fit("members", start, train, cell.train, context.progress, 0.0, 0.6).net
    taught = logits_of(members, train)
    lessons = per_member(
        paper_lesson(cell, train, mean_logits(taught)), paper_lesson(cell, train, taught[:, 1])
    )
    fresh = new_nets(cell, "student", 1).weight
    begin = start.with_weight(torch.cat([fresh, members.weight[:1]]))
    students = fit(
        "students", begin, train, cell.student, context.progress, 0.6, 1.0, objective=lessons
    ).net

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        logits = logits_of(members, batch)
        named = dict(zip(STUDENTS, logits_of(students, batch).unbind(1), strict=True))
        return {"one": logits, "by_size": sliding_means(logits), **named}

    row: dict[str, Any] = {}
    for kind in ("single", "multi"):
        errors = streamed_errors(cell, features, kind, cell.num_test, outputs)
        row[f"by_size_{kind}"] = errors["by_size"].mean(0).tolist()
        row[f"one_each_{kind}"] = errors["one"].tolist()
        row[f"one_{kind}"] = float(errors["one"].mean())
        row[f"ensemble_{kind}"] = row[f"by_size_{kind}"][-1]
        row |= {f"{who}_{kind}": float(errors[who]) for who in STUDENTS}
    probes = coverage_probes(spec, features, stream(cell.seed, "probes"), cell.probes_per_view)
    on_train, on_probes = outputs(train), outputs(probes)
    covered = coverage_of(on_probes["one"], probes).covered
    for who in STUDENTS:
        row[f"{who}_train"] = float(wrong(on_train[who], train.labels).double().mean())
        row[f"{who}_coverage"] = float(coverage_of(on_probes[who], probes).fraction)
    row["one_train"] = float(wrong(on_train["one"], train.labels).double().mean())
    ensemble = coverage_of(mean_logits(on_probes["one"]), probes)
    row["one_coverage"] = float(covered.double().mean())
    row["ensemble_coverage"] = float(ensemble.fraction)
    row["all_learned"] = float(covered.all(-1).double().mean())
    for who in ("one", "ensemble", *STUDENTS):
        row[f"{who}_per_mu"] = mixed_error(spec.mu, row[f"{who}_single"], row[f"{who}_multi"])
        row[f"{who}_per_mu"] /= spec.mu
    return row | predictions(cell, row)


def predictions(cell: TheoremCell, row: dict[str, Any]) -> dict[str, Any]:
    """What the theory says, and what it says once the members' coverage is known."""
    views, sizes = cell.spec.num_views, range(1, cell.members + 1)
    lost = lost_error(cell.spec, views * row["one_coverage"])
    student = student_coverage(row["ensemble_coverage"], row["one_coverage"])
    alone = student_coverage(row["one_coverage"], row["one_coverage"])
    return {
        "lost": lost,
        "predicted_one": single_view_error(row["one_coverage"], lost),
        "predicted_by_size": [lost * ensemble_error(size, row["one_coverage"]) for size in sizes],
        "predicted_distilled": single_view_error(student, lost),
        "predicted_self": single_view_error(alone, lost),
        "theory_by_size": [ensemble_error(size, 1 / views) for size in sizes],
    }


def cells(base: dict[str, TheoremCell], *, sizes: tuple[int, ...]) -> Callable[..., Iterator]:
    """The base cell of each setting; mu halved and doubled; other numbers of classes.

    As in the paper N = const / mu, so that the number of single-view samples stays, and N is
    proportional to k. Ensembles are smaller off the base cell, to save time.
    """

    def of_seed(seed: int, options: Any) -> Iterator[TheoremCell]:
        for setting in base.values():
            each = replace(setting, seed=seed)
            yield each
            for factor in (0.5, 2.0):
                spec = replace(each.spec, mu=factor * each.spec.mu)
                yield replace(
                    each,
                    spec=spec,
                    num_train=int(each.num_train / factor),
                    members=min(each.members, 4),
                    axis="mu",
                )
            for k in sizes:
                yield replace(
                    each,
                    spec=replace(each.spec, num_classes=k),
                    num_train=each.num_train * k // each.spec.num_classes,
                    members=min(each.members, 4),
                    axis="num_classes",
                )

    return of_seed


def paper_sizes(base: TheoremCell) -> TheoremCell:
    """Wider networks in a larger space, more samples of each class, fewer of them single-view."""
    return replace(
        base,
        spec=replace(base.spec, patch_dim=300, sigma_p=300**-0.5, mu=base.spec.mu / 2),
        num_train=2000,
        width=20,
        num_test=100_000,
        student=replace(STUDENT, max_steps=1000),
    )


def smoke_size(base: TheoremCell) -> TheoremCell:
    """Few classes, members, samples and steps."""
    return replace(
        base,
        spec=replace(
            base.spec, num_classes=4, patch_dim=40, num_patches=8, sparsity=1.2, sigma_p=40**-0.5
        ),
        num_train=120,
        members=3,
        num_test=500,
        probes_per_view=20,
        train=TrainSpec(max_steps=150),
        student=replace(STUDENT, max_steps=30),
    )


GRIDS = {
    "smoke": Grid(
        cells=cells({name: smoke_size(base) for name, base in BASES.items()}, sizes=(3,)), seeds=2
    ),
    "laptop": Grid(cells=cells(BASES, sizes=(5, 20)), seeds=5),
    "paper": Grid(
        cells=cells({name: paper_sizes(base) for name, base in BASES.items()}, sizes=(5, 20, 40)),
        seeds=10,
    ),
}


def claims(preset: str, options: Any) -> list[Claim]:
    """The four theorems at the base cell of each setting, and the corrected closed forms."""
    if preset == "smoke":
        return []
    return claims_from(theorem_claims(BASES))


WHO = {"one": "one network", "ensemble": "ensemble", "distilled": "student", "self": "self"}


def summary(table: pd.DataFrame) -> Table:
    """Error / mu of everything in every cell, with what one network should err."""
    printed = Table(
        title=f"Error on D over mu, mean [95% interval], n={table['seed'].nunique()}",
        title_justify="left",
    )
    for heading in ("setting", "k", "mu", "K", *WHO.values(), "one, predicted"):
        printed.add_column(heading, justify="left" if heading == "setting" else "right")
    keys = ["setting", "spec.num_classes", "spec.mu", "members"]
    for key, rows in table.groupby(keys, sort=False):
        setting, k, mu, members = pd.Series(key)
        printed.add_row(
            setting,
            f"{k}",
            f"{mu:g}",
            f"{members}",
            *(number(rows[f"{who}_per_mu"]) for who in WHO),
            number(rows["predicted_one"]),
        )
    return printed


EXPERIMENT = Experiment(
    name="theorems",
    run=run,
    grids=GRIDS,
    claims=claims,
    check=only_cpu,
    summary=summary,
    figure="theorems",
)

if __name__ == "__main__":
    main(EXPERIMENT)
