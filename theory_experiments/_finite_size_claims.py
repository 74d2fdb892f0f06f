"""What the limit says of each axis of ``finite_size``, and how rows answer."""

from typing import Any

import numpy as np
import pandas as pd

from theory_experiments._estimates import Estimate, beyond_the_law, column, difference, where


def on_axis(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The rows of an axis and, where it runs through the base cell, that cell's."""
    own = table["axis"] == axis
    if axis not in ("classes", "views", "phase", "extrapolation"):
        own |= table["axis"] == "base"
    return table.loc[own]


def at(axis: str, column: str, value: float, estimate: Estimate) -> Estimate:
    """Estimate: ``estimate`` of the rows of an axis at one value, one a repetition."""
    return lambda table: estimate(where(on_axis(table, axis), **{column: value}).set_index("seed"))


def slope(axis: str, column: str) -> Estimate:
    """Estimate: change of the error per doubling of ``column``, least squares, one a repetition."""

    def estimate(table: pd.DataFrame) -> Any:
        by_seed = on_axis(table, axis).groupby("seed")
        return [np.polyfit(np.log2(each[column]), each["one_single"], 1)[0] for _, each in by_seed]

    return estimate


def at_no_start(table: pd.DataFrame) -> Any:
    """Estimate: the error extrapolated to a start of 0, one a repetition.

    A straight line in sigma_init / knee through the smaller starts, where the error bends least.
    """
    rows = on_axis(table, "extrapolation")
    rows = rows.loc[rows["relative_start"] <= 0.021]
    return [
        np.polyfit(each["relative_start"], each["one_single"], 1)[1]
        for _, each in rows.groupby("seed")
    ]


def cost_of_a_small_start(table: pd.DataFrame) -> Any:
    """Estimate: gradients at the smallest start over those at the largest, one a repetition."""
    rows = on_axis(table, "extrapolation")
    wide = rows.pivot_table(index="seed", columns="relative_start", values="gradients")
    return wide.iloc[:, 0] / wide.iloc[:, -1]


def many_single_view_samples(table: pd.DataFrame) -> Any:
    """Estimate: the error where a tenth of the samples is single-view over that where none is."""
    many, none = (at("single_samples", "spec.mu", mu, column("one_single")) for mu in (0.1, 0.0))
    return many(table) / none(table)


def lines_of_views(views: int) -> list[tuple]:
    """Theorems 1 and 2 where a class has this many views."""
    return [
        (
            f"{views} views, one network",
            "Theorem 1, L views",
            f"one network errs on 1 - 1/{views} of the samples with a distractor, to 0.05",
            (-0.05, 0.05),
            at("views", "spec.num_views", views, difference("one_single", "theory_one")),
        ),
        (
            f"{views} views, corrected",
            "Theorem 1, L views",
            "one network's error is (1 - coverage) x lost_error to 0.03",
            (-0.03, 0.03),
            at("views", "spec.num_views", views, difference("one_single", "predicted_one")),
        ),
        (
            f"{views} views, ensemble of 4",
            "Theorem 2, L views",
            "four averaged networks err by (1 - coverage)^4 x lost_error to 0.05",
            (-0.05, 0.05),
            at("views", "spec.num_views", views, beyond_the_law(4)),
        ),
    ]


def axis_claims(most: int) -> list[tuple]:
    """Of each axis, and the generalisation to more views.

    Args:
        most: The largest number of classes of the grid.
    """
    one, half = column("one_single"), (0.49, 0.51)
    lines: list[tuple] = [
        (
            "vanishing start",
            "Theorem 1",
            "extrapolated to a start of 0, one network errs on 0.49 to 0.51",
            half,
            at_no_start,
        ),
        (
            "cost of a small start",
            "trainer",
            "the smallest start costs at most 1.5 times the gradients of the largest",
            (-np.inf, 1.5),
            cost_of_a_small_start,
        ),
        (
            "more classes",
            "Theorem 1",
            "one network's error does not fall as classes double",
            (0.0, np.inf),
            slope("classes", "spec.num_classes"),
        ),
        (
            f"{most} classes",
            "Theorem 1",
            f"with {most} classes one network errs on 0.49 to 0.51",
            half,
            at("classes", "spec.num_classes", most, one),
        ),
        (
            "no lottery at q = 2",
            "Section 4",
            "with q = 2 both views are learned: an error of at most 0.05",
            (-np.inf, 0.05),
            at("q", "q", 2.0, one),
        ),
        (
            "many single-view samples",
            "Section 2: N_s small",
            "with a tenth of the samples single-view the error is at most half of that with none",
            (-np.inf, 0.5),
            many_single_view_samples,
        ),
        (
            "any width",
            "Theorem 1: any m",
            "doubling the width moves the error by at most 0.02",
            (-0.02, 0.02),
            slope("width", "width"),
        ),
    ]
    for views in (3, 4):
        lines += lines_of_views(views)
    return lines
