"""What the paper's Figure 3 says of groups of inputs that are dropped from images."""

import math
from collections.abc import Iterator
from typing import Any

from multiview.bench import Cell
from multiview.measures.varied import Varied
from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, by_repetition, measured
from theory_experiments.views.parts import SYNTHETIC

PARTS = {
    "layer": "channels of a layer",
    "colours": "colours",
    "tiles": "tiles of the image",
    SYNTHETIC: "synthetic views",
}
ANY = (0.0, 1.0)  # whatever the gain
GAINS = (1e-9, 1.0)  # in every repetition


def image_claims(cell: Cell) -> Iterator[Claim]:
    """The paper's figure, read in both ways its reports allow."""
    part, name = cell.part, PARTS[cell.part]
    fractions = [where["fraction"] for where in places_of(cell)]
    every, fewer, lowest = sorted(set(fractions), reverse=True)

    def at(name: str, classifier: str, fraction: float) -> Estimate:
        return measured(name, classifier=classifier, fraction=fraction, part=part)

    all_gain, few_gain = (at("gain", "ensemble", each) for each in (every, lowest))
    whole, few = (at("error", "member", each) for each in (every, lowest))
    gains = f"all {name}: averaging networks gains over one of them in every repetition"
    yield Claim(f"{part}: ensemble", "Figure 3", gains, GAINS, all_gain, kind="check")
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
            whole - at("error", "ensemble", fewer),
        ),
    ):
        yield Claim(f"{part}: {what}", "Figure 3", statement, ANY, estimate)


def places_of(cell: Cell) -> list[Any]:
    """The classifier and the fraction kept of each method."""
    (varied,) = (each for each in cell.measures if isinstance(each, Varied))
    return list(varied.values.values())


def layer_claims(cell: Cell) -> Iterator[Claim]:
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
        yield Claim(f"{part}: {what}", "multi-view hypothesis", statement, ANY, estimate)


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
