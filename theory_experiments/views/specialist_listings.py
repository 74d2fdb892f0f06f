"""What is printed of specialists on images: errors, gains beside the paper's, sets of classes."""

import math
from collections.abc import Iterator, Mapping
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
from theory_experiments.views.image_specialists import PART, kmeans_on

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


def relative_gain(name: str = "error") -> Estimate:
    """Relative gain of accuracy over the generalist by specialists that start from it.

    NaN where the generalist is never right.
    """

    def of(lines: pd.DataFrame) -> float:
        errors = lines.set_index("method")[name].to_dict()
        before = 1 - errors["generalist"]
        return (1 - errors["tuned"]) / before - 1 if before > 0 else math.nan

    return by_repetition(f"accuracy of tuned over generalist's, less 1: {name}", of, part=PART)


def listings(labels: Mapping[str, str], table: pd.DataFrame) -> Iterator[Listing]:
    """Errors and gains on images, beside the paper's, and confusable sets beside superclasses.

    Args:
        labels: Of the classifiers; "member" is the mean of all generalists.
    """
    first = table.iloc[0]
    title = f"{first['data']}, {first['num_train']} training images: test error in %"
    yield Listing(
        title=title,
        lines=lines_of({who: label for who, label in labels.items() if who != "member"}),
        columns=[
            measure("error", "error"),
            gain_over("the generalist", "generalist"),
            measure("specialists", "specialists", unit="number", interval=False, digits=1),
        ],
    )
    sizes = table.loc[table["size"] > 1, ["method", "size"]].drop_duplicates()
    averages = {who: f"{size:.0f} generalists averaged" for who, size in sizes.to_numpy()}
    if averages:
        yield Listing(
            title=f"{title}, averages of generalists",
            lines=lines_of(averages),
            columns=[measure("error", "error"), gain_over(labels["member"], "member")],
        )
    errors = [
        measured("error", "generalist"),
        measured("error", "tuned"),
        measured("conditional_generalist", "tuned"),
        measured("conditional", "tuned"),
    ]
    accuracies = [error * -1 + 1 for error in errors]
    gains = [relative_gain(name) for name in ("error", "error_outside", "error_inside")]
    title = "Accuracy in %: other data and other size than theirs"
    yield beside(title, accuracies, JFT_ACCURACY, "percent")
    title = f"Relative gain of accuracy in %: {NO_COUNTERPART}"
    yield beside(title, gains, JFT_GAIN, "points")
    yield agreement()


def gain_over(label: str, method: str) -> Column:
    """How much less each classifier errs than one of them."""
    over = {"method": method}
    return measure(f"gain over {label}", "error", unit="points", gain_over=over)


def beside(title: str, ours: list[Estimate], paper: dict[str, float], unit: Unit) -> Listing:
    """The paper's numbers, ours, and how these differ."""
    here = dict(zip(paper, ours, strict=True))
    texts = {name: f"{value:.1f}" for name, value in paper.items()}
    gaps = {name: here[name] - value / 100 for name, value in paper.items()}
    columns = [
        given("paper: JFT, 61 specialists", texts),
        estimated("here", lambda line: here[str(line.label)], unit=unit),
        estimated("difference", lambda line: gaps[str(line.label)], unit="points"),
    ]
    return Listing(title=title, lines=[Line(label=name) for name in paper], columns=columns)


def agreement() -> Listing:
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
