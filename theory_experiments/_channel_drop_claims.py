"""What the paper's Figure 3 and the theory say of dropped channels.

Decided before any run on the seeds from 10 on, with results of the seeds 0 to 9 known; the margins
on synthetic views are those of every experiment.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, by_repetition, measured
from theory_experiments._channel_inputs import DropCell
from theory_experiments._view_drop import ViewDropCell
from theory_experiments.views.units import MARGIN, MORE, NO_MORE, SAME

PARTS = {
    "layer": "channels of a layer",
    "colours": "colours",
    "tiles": "tiles of the image",
    "synthetic": "synthetic views",
}
ANY = (0.0, 1.0)  # whatever the gain
GAINS = (1e-9, 1.0)  # in every repetition


def at(cell: DropCell | ViewDropCell, place: int, measure: str, classifier: str) -> Estimate:
    """A measure of a classifier at one number of groups or views kept; 0: all, -1: the fewest."""
    fraction = cell.fractions[place]
    return measured(measure, classifier=classifier, fraction=fraction, part=cell.part)


def few_minus_many(part: str, nets: str) -> Estimate:
    """The gain per image that few groups suffice for, minus that where many do.

    Few is one up to half of the groups: images that none suffices for show no view. NaN where
    there are no such images.

    Args:
        nets: "disjoint", or "same" for nets that all see the same group.
    """

    def gain(lines: Any) -> float:
        samples = lines["samples"].sum()
        return (lines["samples"] * lines["gain"]).sum() / samples if samples else math.nan

    def gap(lines: Any) -> float:
        count, half = lines["count"], lines["count"].max() / 2
        return gain(lines[(count > 0) & (count <= half)]) - gain(lines[count > half])

    text = "gain where few of the nets are right - where many are"
    return by_repetition(text, gap, part=part, nets=nets)


def image_claims(cell: DropCell) -> Iterator[Claim]:
    """The paper's figure, read in both ways its reports allow."""
    part, name = cell.part, PARTS[cell.part]
    error, gain = partial(at, measure="error"), partial(at, measure="gain", classifier="ensemble")
    all_gain, few_gain = gain(cell, 0), gain(cell, -1)
    whole, few = (error(cell, place, classifier="member") for place in (0, -1))
    yield Claim(
        name=f"{part}: ensemble",
        source="Figure 3",
        statement=f"all {name}: averaging networks gains over one of them in every repetition",
        predicted=GAINS,
        estimate=all_gain,
        kind="check",
    )
    for what, statement, estimate in (
        ("ensemble of few", f"fewest {name}: averaging networks gains over one of them", few_gain),
        (
            "dropping hurts",
            f"one network errs more with the fewest {name} than with all",
            few - whole,
        ),
        (
            "gain falls",
            f"an ensemble gains less with the fewest {name} than with all: fewer views",
            all_gain - few_gain,
        ),
        (
            "relative gain falls",
            f"with the fewest {name} an ensemble's gain is a smaller part of one network's error",
            all_gain / whole - few_gain / few,
        ),
        (
            "ensemble makes up",
            f"after the first drop of {name} an ensemble errs no more than one network before",
            whole - error(cell, 1, classifier="ensemble"),
        ),
    ):
        yield Claim(
            name=f"{part}: {what}",
            source="Figure 3",
            statement=statement,
            predicted=ANY,
            estimate=estimate,
        )


def layer_claims(cell: DropCell) -> Iterator[Claim]:
    """Claims about channels of a layer: the paper's, and some that go beyond it."""
    yield from image_claims(cell)
    part, name = cell.part, PARTS[cell.part]
    views, hardness = (few_minus_many(part, nets) for nets in ("disjoint", "same"))
    for what, statement, estimate in (
        (
            "gain by views",
            f"per image, an ensemble gains more where few groups of {name} suffice than where many",
            views,
        ),
        (
            "views, not hardness",
            f"the gain where few groups of {name} suffice exceeds that where many do by more than "
            "with as many nets that see the same group",
            views - hardness,
        ),
    ):
        yield Claim(
            name=f"{part}: {what}",
            source="multi-view hypothesis",
            statement=statement,
            predicted=ANY,
            estimate=estimate,
        )


def synthetic_claims(cell: ViewDropCell) -> Iterator[Claim]:
    """What the theory says of synthetic views, where it is known which a sample shows."""
    gain, predicted = (
        partial(at, cell, measure=measure, classifier="ensemble")
        for measure in ("gain", "predicted_gain")
    )
    for what, statement, expected, estimate in (
        (
            "gain falls",
            f"an ensemble gains less with half of the views than with all, by {MARGIN} or more",
            MORE,
            gain(0) - gain(1),
        ),
        ("one view", f"with one view left an ensemble gains at most {MARGIN}", NO_MORE, gain(-1)),
        *(
            (
                f"gain with {views} views",
                f"with {views} views the gain is that of the closed form, to {MARGIN}",
                SAME,
                gain(place) - predicted(place),
            )
            for place, views in ((0, "all"), (1, "half of the"))
        ),
        (
            "many views shown",
            "on samples that show all views an ensemble gains less than 0.02",
            (-1.0, 0.02),
            at(cell, 0, "gain_multi", "ensemble"),
        ),
    ):
        yield Claim(
            name=f"synthetic: {what}",
            source="Theorems 1-2 with views dropped",
            statement=statement,
            predicted=expected,
            estimate=estimate,
        )
