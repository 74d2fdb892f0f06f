"""Where, at finite size, the theorems begin to hold.

Theorem 1 of Allen-Zhu & Li (arXiv 2012.09816) is a limit: many classes, a start that vanishes, few
single-view samples. One network's error on single-view samples is measured here against each of
these, one axis at a time around a base cell, with two, three and four views a class; on the plane
of start and knee, which parts into regimes (one view learned, more views learned, memorised, not
trained); and as the start vanishes, from where it is extrapolated. Claims, and the margin of 0.05,
were decided before any run on the seeds 10 and up, with results on the seeds 0 to 4 known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from multiview.bench import Cell, Flow, check, run
from multiview.measures import Averages, PatchErrors, Views
from multiview.methods import Members
from multiview.runs.claims import Claim, at_least, at_most
from multiview.runs.estimates import measured, select
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, measure
from multiview.train import TrainSpec
from theory_experiments.settings import BY_FLOW, SMALL_SPEC, WEAK_SPEC
from theory_experiments.views.closed_forms import by_cell
from theory_experiments.views.regimes import with_regime
from theory_experiments.views.trends import at_zero, per_doubling
from theory_experiments.views.units import MARGIN, SAME, counted_in_views


def by_steps(**changes: float | bool) -> Flow:
    """Training along the flow for 3000 steps; nothing is taught."""
    spec = replace(TrainSpec(relative_step=0.6, loss_bound=0.05, max_steps=3000), **changes)
    return Flow(labels=spec, students=spec)


def measures(num_test: int = 4000) -> tuple[PatchErrors, Views]:
    """Errors of networks and of their averages, and the views they have learned."""
    return PatchErrors(num_test=num_test, averages=(Averages(),)), Views(probes_per_view=20)


BASE = Cell(
    part="base",
    setting=replace(BY_FLOW, members=2, training=by_steps()),
    methods={"member": Members()},
    measures=measures(),
)
# Features of other classes in the power region, and more and stronger ones in the test samples.
WEAK = BASE.changed("extrapolation", spec=WEAK_SPEC, relu_knee=10.0)
SMOKE = replace(
    BASE.changed(spec=SMALL_SPEC, num_train=150, width=6, training=by_steps(max_steps=60)),
    measures=measures(num_test=300),
)


def with_classes(base: Cell, k: int) -> Cell:
    """k classes with 30 samples each, 0.3 of them single-view for each view, on few neurons.

    Steps are coarser than elsewhere and from 100 classes on it is one network, by bfloat16
    products, to save time.
    """
    own, many = base.setting, k >= 100
    dims = max(own.spec.patch_dim, 2 * k + 20)
    labels = replace(own.training.labels, relative_step=1.0, bfloat16=many)
    return base.changed(
        "classes",
        spec=replace(own.spec, num_classes=k, patch_dim=dims, sigma_p=dims**-0.5, mu=0.02),
        num_train=30 * k,
        members=1 if many else own.members,
        width=6,
        training=Flow(labels=labels, students=labels),
    )


def with_views(base: Cell, views: int) -> Cell:
    """``views`` views a class, with room for them and four members to average."""
    patches = 9 + 4 * (views - 2)
    spec = replace(base.setting.spec, num_views=views, num_patches=patches)
    return base.changed("views", spec=spec, members=4)


def cells(
    base: Cell,
    weak: Cell,
    *,
    classes: tuple[int, ...],
    starts: tuple[float, ...] = (0.08, 0.04, 0.01, 0.005),
    widths: tuple[int, ...] = (3, 5, 20),
    vanishing: tuple[float, ...] = (0.04, 0.02, 0.01, 0.005, 0.0025),
) -> Iterator[Cell]:
    """The base cell, then every axis; starts are relative to the knee."""
    spec, knee = base.setting.spec, base.setting.relu_knee
    yield base
    for start in starts:
        yield base.changed("start", sigma_init=start * knee)
    for q in (2.0, 3.0, 5.0):
        yield base.changed("q", q=q)
    for k in classes:
        yield with_classes(base, k)
    for mu in (0.0, 0.005, 0.02, 0.05, 0.1):
        yield base.changed("single_samples", spec=replace(spec, mu=mu))
    for norm in (0.1, 0.5, 1.5, 2.0):
        sigma = norm * spec.patch_dim**-0.5
        yield base.changed("noise", spec=replace(spec, sigma_p=sigma))
    for views in (2, 3, 4):
        yield with_views(base, views)
    for width in widths:
        yield base.changed("width", width=width)
    for knee in (0.3, 1.0, 3.0, 10.0):
        for start in (0.005, 0.02, 0.08, 0.3, 1.0):
            yield base.changed("phase", relu_knee=knee, sigma_init=start * knee)
    for start in vanishing:
        yield weak.changed(sigma_init=start * weak.setting.relu_knee)


def paper_size(cell: Cell) -> Cell:
    """More networks and test samples."""
    return replace(cell.changed(members=5), measures=measures(num_test=20_000))


SMOKE_CELLS = cells(
    SMOKE,
    SMOKE.changed("extrapolation", relu_knee=10.0),
    classes=(3, 4),
    starts=(0.04,),
    widths=(3,),
    vanishing=(0.04, 0.01),
)
PAPER_CELLS = cells(
    paper_size(BASE),
    paper_size(WEAK),
    classes=(5, 10, 20, 50, 100, 200),
    vanishing=(0.04, 0.02, 0.01, 0.005, 0.0025, 0.00125, 0.0006),
)
HALF = (0.49, 0.51)


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """Claims about each axis, and about more than two views a class."""
    starts = [cell.setting.sigma_init for cell in cells if cell.part == "extrapolation"]
    yield from claims_of_vanishing(min(starts), max(starts))
    most = max(cell.setting.spec.num_classes for cell in cells)
    by_mu = [
        measured("single", "member", axis="single_samples", **{"spec.mu": mu}) for mu in (0.1, 0.0)
    ]
    doubled = per_doubling("single", "spec.num_classes", axis="classes", method="member")
    statement = "one network's error does not fall as classes double"
    yield Claim("more classes", "Theorem 1", statement, at_least(0.0), doubled)
    estimate = measured("single", "member", axis="classes", **{"spec.num_classes": most})
    statement = f"with {most} classes one network errs on 0.49 to 0.51"
    yield Claim(f"{most} classes", "Theorem 1", statement, HALF, estimate)
    estimate = measured("single", "member", axis="q", q=2.0)
    statement = f"with q = 2 both views are learned: an error of at most {MARGIN}"
    yield Claim("no lottery at q = 2", "Section 4", statement, at_most(MARGIN), estimate)
    name, source = "many single-view samples", "Section 2: N_s small"
    half = "the error is at most half of that with none"
    statement = f"with a tenth of the samples single-view {half}"
    yield Claim(name, source, statement, at_most(0.5), by_mu[0] / by_mu[1])
    estimate = per_doubling("single", "width", axis="width", method="member")
    statement = f"doubling the width moves the error by at most {MARGIN}"
    yield Claim("any width", "Theorem 1: any m", statement, SAME, estimate)
    for views in (3, 4):
        yield from claims_of_views(views)


def claims_of_vanishing(least: float, most: float) -> Iterator[Claim]:
    """The error and the cost as the start vanishes; the error bends least at the smaller starts."""
    error = at_zero("single", "relative_start", 0.021, axis="extrapolation", method="member")
    statement = "extrapolated to a start of 0, one network errs on 0.49 to 0.51"
    yield Claim("vanishing start", "Theorem 1", statement, HALF, error)
    costs = [
        measured("gradients", "member", axis="extrapolation", sigma_init=start)
        for start in (least, most)
    ]
    name = "cost of a small start"
    statement = "the smallest start costs at most 1.5 times the gradients of the largest"
    yield Claim(name, "trainer", statement, at_most(1.5), costs[0] / costs[1], kind="check")


def claims_of_views(views: int) -> Iterator[Claim]:
    """Theorems 1 and 2 where a class has this many views."""
    here = {"axis": "views", "spec.num_views": views}
    one, theory, predicted = (
        measured(name, "member", **here) for name in ("single", "theory", "predicted")
    )
    four, of_four = (measured(name, "ensemble_4", **here) for name in ("single", "predicted"))
    for what, theorem, statement, estimate in (
        (
            "one network",
            1,
            f"one network errs on 1 - 1/{views} of the samples with a distractor",
            one - theory,
        ),
        (
            "corrected",
            1,
            "one network's error is (1 - coverage) x lost_error",
            one - predicted,
        ),
        (
            "ensemble of 4",
            2,
            "four averaged networks err by (1 - coverage)^4 x lost_error",
            four - of_four,
        ),
    ):
        name, source = f"{views} views, {what}", f"Theorem {theorem}, L views"
        yield Claim(name, source, f"{statement}, to {MARGIN}", SAME, estimate)


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
    """The table with closed forms, and the base cell's lines on every ``axis`` through it.

    ``relative_start`` is sigma_init / knee, ``noise_norm`` that of a patch; errors of averages of
    all members are shares of views.
    """
    table = by_cell(table, with_regime).assign(
        axis=table["part"],
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
    run=run,
    presets={
        "smoke": Preset(cells=list(SMOKE_CELLS), seeds=2, claimed=False),
        "laptop": Preset(
            cells=list(cells(BASE, WEAK, classes=(5, 10, 30, 100))), seeds=5, first_seed=10
        ),
        "paper": Preset(cells=list(PAPER_CELLS), seeds=10, first_seed=10),
    },
    claims=claims,
    check=check,
    derived=derived,
    tables=tables,
    figure="finite_size",
)

if __name__ == "__main__":
    main(EXPERIMENT)
