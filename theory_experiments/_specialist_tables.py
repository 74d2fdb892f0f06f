"""What specialists prints: errors, gains beside the paper's, and how confusable sets look."""

import math
from collections.abc import Iterator
from typing import get_args

import pandas as pd

from multiview.distill.confusable import Columns
from multiview.runs.estimates import Estimate, by_repetition, measured
from multiview.runs.tables import (
    Cell,
    Column,
    Line,
    Listing,
    Unit,
    estimated,
    given,
    lines_of,
    measure,
    printed,
)
from theory_experiments._specialist_sets import ensemble_of, kmeans_on

PART = "cifar100"
ON_IMAGES = {
    "generalist": "generalist",
    "tuned": "+ specialists from the generalist",
    "fresh": "+ fresh specialists",
    "superclass": "+ specialists of superclasses",
    "random": "+ specialists of random sets",
    "continued": "generalist trained on",
}
ON_PATCHES = {
    "generalist": "generalist",
    "tuned_top": "+ the specialist of its best class, from it",
    "tuned_all": "+ all specialists, from it",
    "fresh_top": "+ the specialist of its best class, fresh",
    "fresh_all": "+ all specialists, fresh",
    "pair": "two generalists averaged",
}
JFT_ACCURACY = {  # Hinton et al., Tables 3 and 4, in %
    "accuracy, generalist": 25.0,
    "accuracy, with specialists": 26.1,
    "within the specialists' classes, generalist": 43.1,
    "within the specialists' classes, with specialists": 45.9,
}
JFT_GAIN = {  # the relative gain of accuracy in %, by covering sets
    "relative gain": 4.4,
    "... where no specialist covers the class": 0.0,
    "... where one does": 3.4,
}
NO_COUNTERPART = (
    "their +14.1% where 10 or more specialists cover the class has no counterpart: sets here are "
    "disjoint, so that at most one covers it"
)


def relative_gain(measure: str = "error") -> Estimate:
    """Relative gain of accuracy over the generalist by specialists that start from it.

    NaN where the generalist is never right.
    """

    def of(lines: pd.DataFrame) -> float:
        errors = lines.set_index("method")[measure].to_dict()
        before = 1 - errors["generalist"]
        return (1 - errors["tuned"]) / before - 1 if before > 0 else math.nan

    return by_repetition(f"accuracy of tuned over generalist's, less 1: {measure}", of, part=PART)


def image_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Errors and gains on images, beside the paper's, and confusable sets beside superclasses."""
    first = table.iloc[0]
    sizes = sorted(table["size"].dropna().astype(int).unique())
    averages = {ensemble_of(n): f"{n} generalists averaged" for n in sizes if n > 1}

    title = f"{first['data']}, {first['num_train']} training images: test error in %"
    yield Listing(
        title=title,
        lines=lines_of(ON_IMAGES),
        columns=[
            measure("error", "error"),
            _gain_over("the generalist", "generalist"),
            measure("specialists", "specialists", unit="number", interval=False, digits=1),
        ],
    )
    if averages:
        yield Listing(
            title=f"{title}, averages of generalists",
            lines=lines_of(averages),
            columns=[
                measure("error", "error"),
                _gain_over("one generalist, mean of all", ensemble_of(1)),
            ],
        )
    yield from _beside_paper()
    yield _agreement()


def _gain_over(says: str, method: str) -> Column:
    over = {"method": method}
    return measure(f"gain over {says}", "error", unit="points", gain_over=over)


def _beside_paper() -> Iterator[Listing]:
    """Accuracies, and relative gains of them."""
    errors = [
        measured("error", "generalist"),
        measured("error", "tuned"),
        measured("conditional_generalist", "tuned"),
        measured("conditional", "tuned"),
    ]
    accuracies = dict(zip(JFT_ACCURACY, (error * -1 + 1 for error in errors), strict=True))
    gains = dict(
        zip(JFT_GAIN, map(relative_gain, ("error", "error_outside", "error_inside")), strict=True)
    )
    title = "Accuracy in %: other data and other size than theirs"
    columns = _beside(accuracies, JFT_ACCURACY, "percent")
    yield Listing(title=title, lines=[Line(label=name) for name in accuracies], columns=columns)
    title = f"Relative gain of accuracy in %: {NO_COUNTERPART}"
    columns = _beside(gains, JFT_GAIN, "points")
    yield Listing(title=title, lines=[Line(label=name) for name in gains], columns=columns)


def _beside(ours: dict[str, Estimate], paper: dict[str, float], unit: Unit) -> list[Column]:
    """The paper's numbers, ours, and how these differ."""
    texts = {name: f"{value:.1f}" for name, value in paper.items()}
    gaps = {name: ours[name] - value / 100 for name, value in paper.items()}
    return [
        given("paper: JFT, 61 specialists", texts),
        estimated("here", lambda line: ours[str(line.label)], unit=unit),
        estimated("difference", lambda line: gaps[str(line.label)], unit="points"),
    ]


def _agreement() -> Listing:
    """Agreement of confusable sets with superclasses, by columns of K-means; beside it chance."""

    def null(table: pd.DataFrame, line: Line) -> Cell:
        ends = [
            printed(table, measured(end, "data"), "number", interval=False).text
            for end in ("null_low", "null_high")
        ]
        return Cell(" to ".join(ends) if all(ends) else "")

    return Listing(
        title="Do confusable sets agree with superclasses? Adjusted Rand index: 1 equal, 0 chance",
        lines=lines_of({kmeans_on(columns): columns for columns in get_args(Columns)}),
        columns=[
            measure("index", "agreement", unit="number"),
            Column(heading="classes at random: 95% of the draws", text=null),
            measure("classes in the largest set", "largest_set", unit="number", interval=False),
        ],
        labels=("K-means on the columns of",),
    )


def patch_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Errors and coverage on patches."""
    yield Listing(
        title="Synthetic patches, means over generalists, in %",
        lines=lines_of(ON_PATCHES),
        columns=[
            measure("single-view error", "single"),
            measure("multi-view error", "multi"),
            measure("views covered", "coverage"),
        ],
    )
