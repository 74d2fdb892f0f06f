"""What is read off pruned patch networks along their strengths: critical ones, and tables."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from multiview.runs.estimates import Estimate, by_repetition, select
from multiview.runs.tables import Cell, Column, Line, Listing, estimated, lines_of, measure
from multiview.theory import ensemble_error
from theory_experiments.views.parts import SYNTHETIC
from theory_experiments.views.pruned_patches import KEPT, LABELS
from theory_experiments.views.units import counted_in_views

LEVEL = 0.75  # c half way from both views to one
BELOW_FLOOR = (0.3, 0.95)  # neurons a class on average: some classes have none, not all
HALF_WAY = 0.25  # and the single-view error there, where unknown views are always wrong


def by_strength(text: str, group: str, compute: Callable[[pd.DataFrame], float]) -> Estimate:
    """A number of each repetition, from the networks of one group in the order of strengths."""

    def ascending(lines: pd.DataFrame) -> float:
        return compute(lines.sort_values("strength"))

    return by_repetition(text, ascending, part=SYNTHETIC, group=group)


def critical(group: str) -> Estimate:
    """The strength at which second views die; missing where it lies outside of what was tried."""
    return by_strength(f"strength at which c falls through {LEVEL:g}", group, critical_strength)


def numbers(lines: pd.DataFrame, *names: str) -> list[np.ndarray]:
    """Columns as arrays."""
    return [lines[name].to_numpy(float) for name in names]


def critical_strength(lines: pd.DataFrame) -> float:
    """The strength at which c first falls through the level, between two by their logarithms.

    NaN where it never does, or is below from the first: nothing beyond was tried.
    """
    strengths, c = numbers(lines, "strength", "coverage")
    below = c <= LEVEL
    if below[0] or not below.any():
        return math.nan
    i = int(below.argmax())
    share = (c[i - 1] - LEVEL) / (c[i - 1] - c[i])
    low, high = math.log(strengths[i - 1]), math.log(strengths[i])
    return math.exp(low + share * (high - low))


def c_lost_when_lean(lines: pd.DataFrame) -> float:
    """c at the first strength that leaves 30% of the neurons or fewer, less the first c.

    All have been trained for as long. NaN where none does.
    """
    c, neurons, width = numbers(lines, "coverage", "neurons", "width")
    lean = neurons <= 0.3 * width
    return c[lean.argmax()] - c[0] if lean.any() else math.nan


def worst_above_floor(lines: pd.DataFrame) -> float:
    """Largest multi-view error where a neuron or more is left of every class."""
    multi, min_neurons = numbers(lines, "multi", "min_neurons")
    above = min_neurons >= 1
    return multi[above].max() if above.any() else math.nan


def error_below_floor(lines: pd.DataFrame) -> float:
    """Multi-view error at the largest strength that leaves too few neurons, not none.

    NaN where none does.
    """
    multi, neurons = numbers(lines, "multi", "neurons")
    low, high = BELOW_FLOOR
    (below,) = np.nonzero((low <= neurons) & (neurons <= high))
    return float(multi[below[-1]]) if len(below) else math.nan


def off_encoded(lines: pd.DataFrame) -> float:
    """Distance of c from half the views encoded, mean over strengths that leave neurons."""
    c, encoded, neurons = numbers(lines, "coverage", "views_encoded", "neurons")
    apart = np.abs(c - encoded / 2)[neurons > 0]
    return float(apart.mean()) if len(apart) else math.nan


def fewest_neurons(lines: pd.DataFrame) -> float:
    """Fewest neurons a class at a strength where c is 0.95 or more."""
    c, neurons = numbers(lines, "coverage", "neurons")
    covers = c > 0.94
    return neurons[covers].min() if covers.any() else math.nan


def lost_at_the_level(lines: pd.DataFrame) -> float:
    """Fraction of classes without a view where c falls through 3/4."""
    c, none = numbers(lines, "coverage", "none")
    return where_it_passes(-c, -LEVEL, none)


def hidden_loss(lines: pd.DataFrame) -> float:
    """Multi-view error where the single-view error rises through half its way."""
    single, multi = numbers(lines, "single", "multi")
    return where_it_passes(single, HALF_WAY, multi)


def where_it_passes(rising: ArrayLike, level: float, values: ArrayLike) -> float:
    """``values`` where a sequence first reaches the level, between two places by a straight line.

    NaN where it never does, or is there from the first.
    """
    x, y = np.asarray(rising, float), np.asarray(values, float)
    there = x >= level
    i = int(there.argmax())
    if not there.any() or i == 0:
        return math.nan
    share = (level - x[i - 1]) / (x[i] - x[i - 1])
    return float(y[i - 1] + share * (y[i] - y[i - 1]))


def best_lean(lines: pd.DataFrame) -> float:
    """Largest c with 2 neurons a class or fewer; NaN where every strength leaves more."""
    c, neurons = numbers(lines, "coverage", "neurons")
    lean = neurons <= 2
    return c[lean].max() if lean.any() else math.nan


def with_predicted(table: pd.DataFrame) -> pd.DataFrame:
    """What follows from other columns, and of how many views others are shares.

    ``size`` of ensembles; ``predicted``, what as many independent pruned networks would cover;
    ``none``, the share of classes of which no view is covered.
    """
    size = table["value"].where(table["group"].isin(["ensemble", "pruned_ensemble"]))
    first = select(table, method="pruned_ensemble_1")
    own = dict(zip(first["seed"], first["coverage"], strict=True))
    predicted = [
        1 - ensemble_error(int(K), own[seed]) if group == "pruned_ensemble" else math.nan
        for group, K, seed in zip(table["group"], size, table["seed"], strict=True)
    ]
    averages = table.loc[size < table["members"], "method"]  # over the ring of members
    table = table.assign(size=size, predicted=predicted, none=table["views"].str[0])
    return counted_in_views(table, "coverage", "single", averaged=set(averages))


DENSE = {"dense": "one network", "full": "one that knew all views"}
ABOUT = "c: fraction of views covered"
ERRORS = [
    measure("c, %", "coverage"),
    measure("single-view error, %", "single"),
    measure("multi-view error, %", "multi"),
]
REMAINING = [
    measure("neurons left a class", "neurons", unit="number"),
    measure("views encoded a class", "views_encoded", unit="number"),
]


def patch_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Coverage, errors and neurons left by strength; critical strengths; averages."""
    yield Listing(
        title=f"Patch nets without gates; {ABOUT}",
        lines=lines_of(DENSE, part=SYNTHETIC),
        columns=ERRORS,
    )
    yield Listing(
        title=f"Patch nets pruned at lambda/N, N samples; {ABOUT}",
        lines=[line for group, label in LABELS.items() for line in by_value(table, group, label)],
        columns=[*REMAINING, *ERRORS],
        labels=("", "lambda"),
    )
    yield Listing(
        title=f"Patch nets asked for a share of their weights; {ABOUT}",
        lines=by_value(table, "target", "labels"),
        columns=[measure("expected share, %", "expected_share"), *REMAINING, *ERRORS],
        labels=("", "share"),
    )
    yield dying_views()
    yield Listing(
        title=f"Averages of patch nets, pruned at lambda {KEPT:g}; {ABOUT}",
        lines=[
            Line(label=f"{size:.0f}", where={"size": size, "part": SYNTHETIC})
            for size in select(table, group="ensemble")["size"].unique()
        ],
        columns=[
            measure("c, dense, %", "coverage", group="ensemble"),
            measure("c, pruned, %", "coverage", group="pruned_ensemble"),
            measure("c, predicted of pruned, %", "predicted", group="pruned_ensemble"),
        ],
        labels=("networks averaged",),
    )


def by_value(table: pd.DataFrame, group: str, label: str) -> list[Line]:
    """A line for each network of a group, called by its strength or target."""
    names = select(table, group=group)["method"].unique()
    return [
        Line(
            label=(label if i == 0 else "", name.rpartition("_")[-1]),
            where={"method": name, "part": SYNTHETIC},
        )
        for i, name in enumerate(names)
    ]


def dying_views() -> Listing:
    """Where second views die; seeds at which they do so outside of what was tried are counted."""

    def per_sample(group: str) -> Estimate:
        """The critical strength over the number of samples."""

        def of(lines: pd.DataFrame) -> float:
            return critical_strength(lines.sort_values("strength")) / lines["num_train"].iloc[0]

        text = f"strength over samples at which c falls through {LEVEL:g}"
        return by_repetition(text, of, part=SYNTHETIC, group=group)

    return Listing(
        title="Second views die (c falls through 3/4)",
        lines=[
            Line(label=LABELS[group], where={"group": group, "part": SYNTHETIC})
            for group in ("all", "soft", "cool", "more_mu", "more_samples")
        ],
        columns=[
            estimated("at lambda", lambda line: critical(line.where["group"]), unit="number"),
            Column(heading="outside of what was tried", text=outside),
            estimated(
                "1000 lambda/N",
                lambda line: per_sample(line.where["group"]) * 1000,
                unit="number",
            ),
            estimated(
                "lambda/N, to that of labels",
                lambda line: per_sample(line.where["group"]) / per_sample("all"),
                unit="number",
            ),
        ],
        empty=True,
    )


def outside(table: pd.DataFrame, line: Line) -> Cell:
    """Number of repetitions in which c falls through the level outside of the strengths tried."""
    lines = select(table, **line.where).sort_values("strength")
    last = [
        repetition["coverage"].iloc[-1]
        for _, repetition in lines.groupby("seed")
        if pd.isna(critical_strength(repetition))
    ]
    above = sum(c > LEVEL for c in last)  # else below from the first
    low, high = lines["strength"].min(), lines["strength"].max()
    counts = {f"> {high:g}": above, f"< {low:g}": len(last) - above}
    return Cell(", ".join(f"{end} (seeds: {number})" for end, number in counts.items() if number))
