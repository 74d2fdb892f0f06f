"""Where, at finite size, the theorems begin to hold.

Theorem 1 of Allen-Zhu & Li (arXiv 2012.09816) is a limit: many classes, a start that vanishes, few
single-view samples. One network's error on single-view samples is measured here against each of
these, one axis at a time around a base cell, with two, three and four views a class; on the plane
of start and knee, which parts into regimes (one view learned, more views learned, learned by heart,
not trained); and as the start vanishes, from where it is extrapolated.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
from rich.table import Table

from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid
from multiview.runs.script import main
from multiview.train import TrainSpec
from theory_experiments._estimates import (
    claims_from,
    number,
)
from theory_experiments._finite_size import FiniteCell, measure
from theory_experiments._finite_size_claims import axis_claims, on_axis
from theory_experiments._patch_nets import QUIET, SPEC, only_cpu

STEPS = TrainSpec(relative_step=0.6, loss_bound=0.05, max_steps=3000)
BASE = FiniteCell(train=STEPS)
# Features of other classes in the power region, and more and louder of them in the test samples.
DEEP = replace(BASE, axis="extrapolation", spec=QUIET, relu_knee=10.0)
SMOKE = replace(
    BASE,
    spec=replace(
        SPEC, num_classes=4, patch_dim=40, num_patches=8, sparsity=1.2, mu=0.02, sigma_p=40**-0.5
    ),
    num_train=150,
    num_test=300,
    width=6,
    train=replace(STEPS, max_steps=60),
)


def with_classes(base: FiniteCell, k: int) -> FiniteCell:
    """k classes with 30 samples each, 0.3 of them single-view for each view, on few neurons.

    Steps are coarser than elsewhere and from 100 classes on it is one network, by bfloat16
    products, to save time.
    """
    dims = max(base.spec.patch_dim, 2 * k + 20)
    spec = replace(base.spec, num_classes=k, patch_dim=dims, sigma_p=dims**-0.5, mu=0.02)
    many = k >= 100
    return replace(
        base,
        axis="classes",
        spec=spec,
        num_train=30 * k,
        members=1 if many else base.members,
        width=6,
        train=replace(base.train, relative_step=1.0, bfloat16=many),
    )


def with_views(base: FiniteCell, views: int) -> FiniteCell:
    """``views`` views a class, with room for them and four members to average."""
    spec = replace(base.spec, num_views=views, num_patches=9 + 4 * (views - 2))
    return replace(base, axis="views", spec=spec, members=4)


def cells(
    base: FiniteCell,
    deep: FiniteCell,
    *,
    classes: tuple[int, ...],
    starts: tuple[float, ...] = (0.08, 0.04, 0.01, 0.005),
    widths: tuple[int, ...] = (3, 5, 20),
    vanishing: tuple[float, ...] = (0.04, 0.02, 0.01, 0.005, 0.0025),
) -> Callable[[int, Any], Iterator[FiniteCell]]:
    """The base cell, then every axis; starts are relative to the knee."""

    def of_seed(seed: int, options: Any) -> Iterator[FiniteCell]:
        here, spec = replace(base, seed=seed), base.spec
        yield here
        for start in starts:
            yield replace(here, axis="start", sigma_init=start * here.relu_knee)
        for q in (2.0, 3.0, 5.0):
            yield replace(here, axis="q", q=q)
        for k in classes:
            yield with_classes(here, k)
        for mu in (0.0, 0.005, 0.02, 0.05, 0.1):
            yield replace(here, axis="single_samples", spec=replace(spec, mu=mu))
        for norm in (0.1, 0.5, 1.5, 2.0):
            sigma = norm * spec.patch_dim**-0.5
            yield replace(here, axis="noise", spec=replace(spec, sigma_p=sigma))
        for views in (2, 3, 4):
            yield with_views(here, views)
        for width in widths:
            yield replace(here, axis="width", width=width)
        for knee in (0.3, 1.0, 3.0, 10.0):
            for start in (0.005, 0.02, 0.08, 0.3, 1.0):
                yield replace(here, axis="phase", relu_knee=knee, sigma_init=start * knee)
        for start in vanishing:
            yield replace(deep, seed=seed, sigma_init=start * deep.relu_knee)

    return of_seed


GRIDS = {
    "smoke": Grid(
        cells=cells(
            SMOKE,
            replace(SMOKE, axis="extrapolation", relu_knee=10.0),
            classes=(3, 4),
            starts=(0.04,),
            widths=(3,),
            vanishing=(0.04, 0.01),
        ),
        seeds=2,
    ),
    "laptop": Grid(cells=cells(BASE, DEEP, classes=(5, 10, 30, 100)), seeds=5),
    "paper": Grid(
        cells=cells(
            replace(BASE, members=5, num_test=20_000),
            replace(DEEP, members=5, num_test=20_000),
            classes=(5, 10, 20, 50, 100, 200),
            vanishing=(0.04, 0.02, 0.01, 0.005, 0.0025, 0.00125, 0.0006),
        ),
        seeds=10,
    ),
}


def run(cell: FiniteCell, context: Context) -> dict[str, Any]:
    """One cell; see ``measure``."""
    return measure(cell, context)


def claims(preset: str, options: Any) -> list[Claim]:
    """What the limit says of each axis, and the generalisation to more views."""
    if preset == "smoke":
        return []
    most = max(cell.spec.num_classes for cell in GRIDS[preset].cells(0, None))
    return claims_from(axis_claims(most))


# What each axis varies, as a column of the table, and what to call it.
AXES = {
    "start": ("relative_start", "start / knee"),
    "q": ("q", "power q"),
    "classes": ("spec.num_classes", "classes k"),
    "single_samples": ("spec.mu", "mu"),
    "noise": ("noise_norm", "noise norm"),
    "views": ("spec.num_views", "views L"),
    "width": ("width", "width m"),
    "extrapolation": ("relative_start", "start / knee, quiet"),
}


def summary(table: pd.DataFrame) -> Table:
    """One network's error and what it learned, by axis and value."""
    n = table["seed"].nunique()
    printed = Table(title=f"One network, mean [95% interval], n={n}", title_justify="left")
    for heading in ("axis", "value", "single-view error", "predicted", "all views learned"):
        printed.add_column(heading, justify="left" if heading == "axis" else "right")
    printed.add_column("gradients", justify="right")
    for axis, (varied, name) in AXES.items():
        for value, rows in on_axis(table, axis).groupby(varied):
            printed.add_row(
                name,
                f"{value:g}",
                *(number(rows[each]) for each in ("one_single", "predicted_one", "all_learned")),
                f"{rows['gradients'].mean():.0f}",
            )
    return printed


EXPERIMENT = Experiment(
    name="finite_size",
    run=run,
    grids=GRIDS,
    claims=claims,
    check=only_cpu,
    summary=summary,
    figure="finite_size",
)

if __name__ == "__main__":
    main(EXPERIMENT)
