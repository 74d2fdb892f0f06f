"""What the paper's Figure 3 and the theory say of dropped channels, and how rows answer."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from theory_experiments._estimates import Estimate, where

PARTS = {
    "layer": "channels of a layer",
    "colours": "colours",
    "tiles": "tiles of the image",
    "synthetic": "synthetic views",
}


def at(part: str, who: str, place: int) -> Estimate:
    """Estimate: a list's entry in the rows of one kind of inputs; 0: all kept, -1: the fewest."""
    return lambda table: where(table, part=part)[who].map(lambda each: each[place])


def minus(first: Estimate, second: Estimate) -> Estimate:
    """Estimate: the difference of two of the same rows."""
    return lambda table: first(table) - second(table)


def relative_gain(part: str, place: int) -> Estimate:
    """Estimate: the gain as a part of one network's error."""
    return lambda table: at(part, "gain", place)(table) / at(part, "one", place)(table)


def few_minus_many(part: str, name: str) -> Estimate:
    """Estimate: the gain per image that few groups suffice for, minus that where many do.

    Few is one up to half of the groups: images that none suffices for show no view. NaN where
    there are no such images.

    Args:
        name: "count", or "same" for nets that all see the same group.
    """

    def gap(samples: Sequence[float], gains: Sequence[float]) -> float:
        counts = np.arange(len(samples))
        half = (len(samples) - 1) / 2
        total = np.array(samples) * np.nan_to_num(np.array(gains, float))
        means = []
        for chosen in ((counts > 0) & (counts <= half), counts > half):
            number = np.array(samples)[chosen].sum()
            means.append(total[chosen].sum() / number if number else math.nan)
        return means[0] - means[1]

    def estimate(table: pd.DataFrame) -> pd.Series:
        rows = where(table, part=part)
        lists = zip(rows[f"{name}_samples"], rows[f"{name}_gain"], strict=True)
        return pd.Series([gap(*each) for each in lists], rows.index, dtype=float)

    return estimate


def image_claims(part: str) -> Iterator[tuple]:
    """The paper's figure, read in both ways its reports allow."""
    source, name, more = "Figure 3", PARTS[part], (0.0, 1.0)
    says = f"all {name}: averaging networks gains over one of them"
    yield f"{part}: ensemble", source, says, more, at(part, "gain", 0)
    says = f"fewest {name}: averaging networks gains over one of them"
    yield f"{part}: ensemble of few", source, says, more, at(part, "gain", -1)
    says = f"one network errs more with the fewest {name} than with all"
    loss = minus(at(part, "one", -1), at(part, "one", 0))
    yield f"{part}: dropping hurts", source, says, more, loss
    says = f"an ensemble gains less with the fewest {name} than with all: fewer views"
    yield (
        f"{part}: gain falls",
        source,
        says,
        more,
        minus(at(part, "gain", 0), at(part, "gain", -1)),
    )
    says = "... also as a part of one network's error"
    fall = minus(relative_gain(part, 0), relative_gain(part, -1))
    yield f"{part}: relative gain falls", source, says, more, fall
    says = f"after the first drop of {name} an ensemble errs no more than one network before"
    back = minus(at(part, "one", 0), at(part, "ensemble", 1))
    yield f"{part}: ensemble makes up", source, says, more, back


def view_claims(part: str) -> Iterator[tuple]:
    """Beyond the paper."""
    source, name = "multi-view hypothesis", PARTS[part]
    says = f"per image, an ensemble gains more where few groups of {name} suffice than where many"
    views, hardness = (few_minus_many(part, which) for which in ("count", "same"))
    yield f"{part}: gain by views", source, says, (0.0, 1.0), views
    says = "... by more than where few of as many nets that see the same group are right"
    yield f"{part}: views, not hardness", source, says, (0.0, 1.0), minus(views, hardness)


def synthetic_claims() -> Iterator[tuple]:
    """What the theory says of synthetic views, where it is known which a sample shows."""
    part, source = "synthetic", "Theorems 1-2 with views dropped"
    says = "an ensemble gains less with half of the views than with all"
    fall = minus(at(part, "gain", 0), at(part, "gain", 1))
    yield "synthetic: gain falls", source, says, (0.0, 1.0), fall
    says = "with one view left an ensemble gains less than 0.02"
    yield "synthetic: one view", source, says, (-1.0, 0.02), at(part, "gain", -1)
    for place, views in ((0, "all"), (1, "half of the")):
        says = f"with {views} views the gain is within 0.05 of the closed form"
        gap = minus(at(part, "gain", place), at(part, "theory_gain", place))
        yield f"synthetic: gain with {views} views", source, says, (-0.05, 0.05), gap
    says = "on samples that show all views an ensemble gains less than 0.02"
    yield "synthetic: many views shown", source, says, (-1.0, 0.02), at(part, "gain_multi", 0)
