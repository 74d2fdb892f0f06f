"""What ``rocket_launching`` prints: the paper's values beside ours, views beside predictions."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from multiview.runs.estimates import Estimate, measured, select
from multiview.runs.tables import Column, Line, Listing, estimated, gain, given, lines_of, measure
from theory_experiments._rocket_claims import NAMES, PAPER, PAPER_SECONDS, WHO

PATCHES = {
    "base": "light net alone",
    "kd": "KD of the trained booster",
    "rocket": "rocket, nothing shared",
    "rocket_kd": "rocket + KD of another booster",
    "many": "rocket, mean of boosters",
    "no_block": "no gradient block",
    "late": "late hint",
    "no_joint": "no joint training",
    "no_joint_shared": "no joint training, starts as the booster",
}
AXES = {
    "neurons_shared": "neurons shared a class",
    "booster_neurons": "booster's neurons a class",
    "hint_weight": "hint's weight",
}
BASE = {"method": "base"}
PAPER_IMAGES = 45_000  # the least of CIFAR's 50,000 that, others being held out, are the paper's


def image_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Errors of all methods, what each gains over the light net alone, depths and times."""
    first = first_of(table)
    known = {} if first["data"] == "multi_view" else PAPER[first["part"]]
    other = " (other size)" if other_size(first) else ""
    yield Listing(
        title=f"{NAMES[first['part']]}: {sizes_of(first)}. Test error of the light net (of the "
        "booster where named) in %; gains over the light net alone in points",
        lines=lines_of(WHO),
        columns=_error_columns(known, other),
    )
    numbers = sorted(table["shared_convolutions"].dropna().unique())
    if len(numbers) > 2:  # depths beside none and all
        yield Listing(
            title="Test error of the light net in %, by the number of convolutions shared",
            lines=[Line(label=f"{n:g}", where={"shared_convolutions": n}) for n in numbers],
            columns=[measure("error", "error")],
            labels=("convolutions shared",),
        )
    yield Listing(
        title="Wall time of trainings, in repetitions that did not go on from checkpoints",
        lines=lines_of({"rocket": "joint", "no_joint": "booster, then light net"}),
        columns=_time_columns(other if known else None),
        empty=True,
    )


def first_of(table: pd.DataFrame) -> dict[str, Any]:
    """The cell of the first repetition, with the size of its data."""
    return select(table, method="data").iloc[0].to_dict()


def _error_columns(known: Mapping[str, float], other: str) -> list[Column]:
    gains = {who: (known["base"] - error) / 100 for who, error in known.items() if who != "base"}

    def beyond(line: Line) -> Estimate | None:
        own, theirs = gain("error", line.where, BASE), gains.get(line.where["method"])
        return None if own is None or theirs is None else own - theirs

    gained = measure("gain over base", "error", unit="points", gain_over=BASE)
    ours = [measure("ours", "error"), gained]
    if not known:
        return ours
    theirs = {
        f"paper, median of 3{other}": {WHO[who]: f"{error:.2f}" for who, error in known.items()},
        f"paper's gain{other}": {WHO[who]: f"{100 * each:.2f}" for who, each in gains.items()},
    }
    errors, gains_there = (given(heading, texts) for heading, texts in theirs.items())
    return [errors, *ours, gains_there, estimated("difference of gains", beyond, unit="points")]


def _time_columns(other: str | None) -> list[Column]:
    """Seconds, their ratio, and the paper's; ``other`` is None where that has no such data."""
    ratio = measured("training_seconds", "rocket") / measured("training_seconds", "no_joint")

    def share(line: Line) -> Estimate | None:
        return ratio if line.where["method"] == "rocket" else None

    ours = [
        measure("seconds", "training_seconds", unit="number"),
        estimated("share of the other's", share, unit="number"),
    ]
    if other is None:
        return ours
    joint, separate = PAPER_SECONDS
    return [*ours, given(f"paper's share{other}", {"joint": f"{joint / separate:.3f}"})]


def sizes_of(first: Mapping[str, Any]) -> str:
    """Images and nets of a repetition, in words."""
    kind = "made-up training images" if first["data"] == "multi_view" else "training images"
    light = f"WRN-{first['light_depth']:.0f}-{first['widen']:.0f}"
    if first["variant"] == "bottom":
        light = "the lower two groups"
    return (
        f"{first['train_images']:,.0f} {kind} of {first['pixels']:.0f} x {first['pixels']:.0f} "
        f"pixels, {light} launched by a WRN-{first['booster_depth']:.0f}-{first['widen']:.0f}"
    )


def other_size(first: Mapping[str, Any]) -> bool:
    """Whether images, their number or nets are not those of the paper."""
    light = 16 if first["variant"] == "interval" else first["light_depth"]  # that has no part
    return (
        (first["pixels"], first["booster_depth"], first["light_depth"]) != (32, 40, light)
        or first["train_images"] < PAPER_IMAGES
        or first["widen"] != (2 if first["part"] == "cifar10_wide" else 1)
    )


def patch_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Coverage, errors, and agreement of light nets and boosters, and c as the theory has it."""
    c, booster = measure("c", "coverage"), measure("c of its booster", "booster_coverage")
    neurons = measure("same winner, neurons", "neurons_agree")
    mixed = measure("error, on D", "mixed")
    yield Listing(
        title="Synthetic patches, light nets and their boosters, in % (margins: of logits). c: "
        "views covered by the light net; same winner: classes in which light net and booster won "
        "the same view, by their strongest neurons or by margins; errors: of the light net on test "
        "samples, and on their distribution D",
        lines=lines_of(PATCHES),
        columns=[
            *(c, measure("c predicted", "predicted"), booster, neurons),
            measure("same winner, margins", "margins_agree"),
            measure("margin", "margin", unit="number"),
            measure("error, single-view", "single"),
            measure("error, multi-view", "multi"),
            mixed,
        ],
    )
    yield Listing(
        title="The rocket, one setting varied at a time, columns as above, in %",
        lines=[
            Line(label=(says, f"{value:g}"), where={axis: value})
            for axis, says in AXES.items()
            for value in sorted(table[axis].dropna().unique())
        ],
        columns=[c, booster, neurons, mixed],
        labels=("varied", "value"),
    )
    yield Listing(
        title="Views covered by light net or booster, each trained alone, in %",
        lines=lines_of({"data": "the union"}),
        columns=[measure("c", "union")],
    )
