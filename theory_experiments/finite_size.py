"""Where, at finite size, the theorems begin to hold.

Theorem 1 of Allen-Zhu & Li (arXiv 2012.09816) is a limit: many classes, a start that vanishes, few
single-view samples. One network's error on single-view samples is measured here against each of
these, one axis at a time around a base cell, with two, three and four views a class; on the plane
of start and knee, which parts into regimes (one view learned, more views learned, memorised, not
trained); and as the start vanishes, from where it is extrapolated. Claims, and the margin of 0.05,
were decided before any run on the seeds 10 and up, with results on the seeds 0 to 4 known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from multiview.runs.estimates import select
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, measure
from multiview.train import TrainSpec
from theory_experiments import _finite_size as bench
from theory_experiments._finite_size import FiniteCell
from theory_experiments._finite_size_claims import axis_claims
from theory_experiments._patch_nets import QUIET, SPEC, only_cpu
from theory_experiments.views.units import counted_in_views

STEPS = TrainSpec(relative_step=0.6, loss_bound=0.05, max_steps=3000)
BASE = FiniteCell(train=STEPS)
# Features of other classes in the power region, and more and stronger ones in the test samples.
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
) -> Iterator[FiniteCell]:
    """The base cell, then every axis; starts are relative to the knee."""
    spec = base.spec
    yield base
    for start in starts:
        yield replace(base, axis="start", sigma_init=start * base.relu_knee)
    for q in (2.0, 3.0, 5.0):
        yield replace(base, axis="q", q=q)
    for k in classes:
        yield with_classes(base, k)
    for mu in (0.0, 0.005, 0.02, 0.05, 0.1):
        yield replace(base, axis="single_samples", spec=replace(spec, mu=mu))
    for norm in (0.1, 0.5, 1.5, 2.0):
        sigma = norm * spec.patch_dim**-0.5
        yield replace(base, axis="noise", spec=replace(spec, sigma_p=sigma))
    for views in (2, 3, 4):
        yield with_views(base, views)
    for width in widths:
        yield replace(base, axis="width", width=width)
    for knee in (0.3, 1.0, 3.0, 10.0):
        for start in (0.005, 0.02, 0.08, 0.3, 1.0):
            yield replace(base, axis="phase", relu_knee=knee, sigma_init=start * knee)
    for start in vanishing:
        yield replace(deep, sigma_init=start * deep.relu_knee)


SMOKE_CELLS = cells(
    SMOKE,
    replace(SMOKE, axis="extrapolation", relu_knee=10.0),
    classes=(3, 4),
    starts=(0.04,),
    widths=(3,),
    vanishing=(0.04, 0.01),
)
PAPER_CELLS = cells(
    replace(BASE, members=5, num_test=20_000),
    replace(DEEP, members=5, num_test=20_000),
    classes=(5, 10, 20, 50, 100, 200),
    vanishing=(0.04, 0.02, 0.01, 0.005, 0.0025, 0.00125, 0.0006),
)
# What each axis varies, as a column of the table, and what to call it.
AXES = {
    "start": ("relative_start", "start / knee"),
    "q": ("q", "power q"),
    "classes": ("spec.num_classes", "classes k"),
    "single_samples": ("spec.mu", "mu"),
    "noise": ("noise_norm", "noise norm"),
    "views": ("spec.num_views", "views L"),
    "width": ("width", "width m"),
    "extrapolation": ("relative_start", "start / knee, weak other classes"),
}
THROUGH_BASE = ("start", "q", "single_samples", "noise", "width")


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the base cell's lines on every axis through it, and what cells amount to.

    ``relative_start`` is sigma_init / knee, ``noise_norm`` that of a patch; errors of averages of
    all members are shares of views.
    """
    table = table.assign(
        relative_start=table["sigma_init"] / table["relu_knee"],
        noise_norm=table["spec.sigma_p"] * np.sqrt(table["spec.patch_dim"]),
    )
    base = select(table, axis="base")
    table = pd.concat([*(_on_axis(table, axis, base) for axis in THROUGH_BASE), table])
    table = counted_in_views(table, "single")
    return table.assign(single_of=table["single_of"].where(table["size"] == table["members"]))


def _on_axis(table: pd.DataFrame, axis: str, base: pd.DataFrame) -> pd.DataFrame:
    """The base cell's lines as ones of an axis, unless it has a cell of the same value."""
    varied, _ = AXES[axis]
    known = select(table, axis=axis)[varied].tolist()
    return base.loc[~base[varied].isin(known)].assign(axis=axis)


def tables(table: pd.DataFrame) -> Iterable[Listing]:
    """One network's error and what it learned, by axis and value."""
    lines = [
        Line(label=(name, f"{value:g}"), where={"axis": axis, "method": "member", varied: value})
        for axis, (varied, name) in AXES.items()
        for value in np.unique(select(table, axis=axis)[varied].to_numpy()).tolist()
    ]
    yield Listing(
        title="One network",
        labels=("axis", "value"),
        lines=lines,
        columns=[
            measure("single-view error, %", "single"),
            measure("predicted", "predicted"),
            measure("classes with all views learned", "all_learned"),
            measure("gradients", "gradients", unit="number", interval=False, digits=0),
        ],
    )


EXPERIMENT = Experiment(
    name="finite_size",
    description=__doc__ or "",
    run=bench.measure,
    presets={
        "smoke": Preset(cells=list(SMOKE_CELLS), seeds=2, claimed=False),
        "laptop": Preset(
            cells=list(cells(BASE, DEEP, classes=(5, 10, 30, 100))), seeds=5, first_seed=10
        ),
        "paper": Preset(cells=list(PAPER_CELLS), seeds=10, first_seed=10),
    },
    claims=axis_claims,
    check=only_cpu,
    derived=derived,
    tables=tables,
    figure="finite_size",
)

if __name__ == "__main__":
    main(EXPERIMENT)
