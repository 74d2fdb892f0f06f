"""What is printed of L0 regularisation on images, beside the published numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from multiview.runs.estimates import Estimate, measured, select
from multiview.runs.tables import Cell, Column, Line, Listing, estimated, given, lines_of, measure
from theory_experiments._l0_claims import DIVIDED
from theory_experiments._l0_published import MEANING, PARTS, PUBLISHED, beside_ours, multiply_adds

LAMBDA = f"lambda, {DIVIDED}"
WHOSE = {"lenet": "default of leo-yangli/l0-arm, likely the paper's"}  # lambdas of each layer
DOWN = "Gates that are still on their way down are counted as left."
BASELINES = (
    "All nets are tested with weights averaged over steps with the same decay; that pruned by norm "
    "takes the dense net's steps and a quarter more."
)
ADDS = measure("multiply-adds, K", "multiply_adds", unit="number")
SHARES = [
    measure("weights left, %", "share"),
    measure("expected, %", "expected_share"),
]


def with_published(table: pd.DataFrame) -> pd.DataFrame:
    """The table with multiply-adds in thousands, and what is expected of our methods.

    Columns: ``multiply_adds``; where our net has published numbers ``published_error``, a fraction,
    ``published_units``, ``published_multiply_adds``, counted as ours, and ``from_memory``.
    """
    if "flops" not in table:  # patches alone
        return table
    parts = list(table["part"])
    found = [
        beside_ours(part).get(who) if part in PARTS and data != "multi_view" else None
        for part, who, data in zip(parts, table["method"], table["data"], strict=True)
    ]
    counted = [
        multiply_adds(part, each.units) / 1000 if each else np.nan
        for part, each in zip(parts, found, strict=True)
    ]
    return table.assign(
        multiply_adds=table["flops"] / 2000,
        published_error=[each.error if each else np.nan for each in found],
        published_units=[each.units if each else None for each in found],
        published_multiply_adds=counted,
        from_memory=[each.memory if each else None for each in found],
    )


def image_tables(part: str, table: pd.DataFrame) -> Iterator[Listing]:
    """Units left, errors and multiply-adds, ours and published; by lambda; the cliff."""
    yield from beside_published(part, table)
    yield Listing(
        title=f"{PARTS[part]} by {LAMBDA}",
        lines=by_strength(part, table.dropna(subset=["units"])),
        columns=[measure("error, %", "error"), ADDS, *SHARES],
        labels=("lambda",),
    )
    cliff, target = (select(table, group=name) for name in ("cliff", "target"))
    if len(cliff):
        asked = {who: f"asked for {share:g}" for who, share in pairs(target, "target")}
        start = cliff["cliff.start"].iloc[0]
        yield Listing(
            title=f"{PARTS[part]}, shares left by {LAMBDA}: SGD from gates open but for {start:g}",
            lines=[*by_strength(part, cliff), *lines_of(asked, part=part)],
            columns=[*SHARES, measure("error, %", "error")],
            labels=("lambda",),
        )


def pairs(table: pd.DataFrame, axis: str) -> list[tuple[str, float]]:
    """Methods and their places on an axis, rising."""
    known = table.dropna(subset=[axis]).sort_values(axis)
    return list(dict.fromkeys(zip(known["method"], known[axis], strict=True)))


def by_strength(part: str, table: pd.DataFrame) -> list[Line]:
    """A line for each method with one lambda."""
    labels = {who: f"{strength:g}" for who, strength in pairs(table, "strength")}
    return lines_of(labels, part=part)


def beside_published(part: str, table: pd.DataFrame) -> Iterator[Listing]:
    """Sizes and errors of our nets, the published numbers of the same beside them, and others."""
    first, data = table.iloc[0], select(table, method="data").iloc[0]
    published = PUBLISHED[part] if first["data"] != "multi_view" else ()
    names = {who: name for who, name in our_names(first).items() if who in set(table["method"])}
    known = {names.get(each.ours or "", each.method): each for each in published}
    lines = lines_of(names, part=part) + [
        Line(label=each.method, where={"method": each.method}, group="published alone")
        for each in published
        if each.ours is None
    ]
    counted = {
        label: f"{multiply_adds(part, each.units) / 1000:.0f}"
        + (each.printed and f" ({each.printed} printed)")
        for label, each in known.items()
        if each.units
    }
    about = (
        f"{PARTS[part]}, {data['train_images']:,.0f} images ({first['data']}), "
        f"{first['recipe.optim.epochs']:.0f} epochs at {first['recipe.optim.learning_rate']:g}, "
        f"{data['steps']:,.0f} steps"
    )
    yield Listing(
        title=f"{about}: sizes",
        lines=lines,
        columns=[
            by_layer("units left", "units"),
            given("published", {label: each.units_text for label, each in known.items()}),
            by_layer("expected units", "expected_units"),
            SHARES[0],
            ADDS,
            given("published, counted as ours", counted),
            estimated("times the published", times_published, unit="number"),
        ],
        empty=True,
        note=f"{MEANING} {DOWN}" if published else DOWN,
    )
    yield Listing(
        title=f"{about}: test error",
        lines=lines,
        columns=[
            measure("error, %", "error"),
            given("published, %", {label: each.error_text for label, each in known.items()}),
            estimated("less the published, points", less_published, unit="points"),
        ],
        empty=True,
        note=BASELINES,
    )


def our_names(first: Any) -> dict[str, str]:
    """Our nets with gates by the recipe, and what they are compared with; of a line of a part."""
    each = first["separate"]
    lambdas = ", ".join(f"{value:g}" for value in each) if isinstance(each, tuple | list) else ""
    return {
        "equal": f"L0, lambda {first['equal']:g}",
        "separate": f"L0, lambdas {lambdas} ({WHOSE.get(first['part'], 'ours')})",
        "dense": "dense, dropout",
        "magnitude": "dense pruned by norm, trained on",
        "small": "size left by L0, dropout, new start",
    }


def by_layer(heading: str, name: str) -> Column:
    """Means over the repetitions of a list by layer: ``364-178-98``."""

    def text(table: pd.DataFrame, line: Line) -> Cell:
        lists = list(select(table, **line.where)[name].dropna())
        means = np.mean(np.array(lists, float), axis=0) if lists else []
        return Cell("-".join(f"{each:.0f}" for each in means), n=len(lists))

    return Column(heading=heading, text=text)


def less_published(line: Line) -> Estimate:
    """Our error less the published."""
    return measured("error", **line.where) - measured("published_error", **line.where)


def times_published(line: Line) -> Estimate:
    """Our multiply-adds over the published, counted alike."""
    published = measured("published_multiply_adds", **line.where)
    return measured("multiply_adds", **line.where) / published
