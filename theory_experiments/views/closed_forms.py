"""Closed forms of the multi-view theory beside what was measured, cell by cell."""

import math
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

import pandas as pd

from multiview import theory
from multiview.data import MultiViewSpec

lost_error = cache(theory.lost_error)


def by_cell(
    table: pd.DataFrame, derive: Callable[[MultiViewSpec, pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """The table with what ``derive(spec, lines)`` adds to the lines of each cell."""
    cells = table.groupby("key", sort=False)
    return pd.concat([derive(spec_of(lines), lines) for _, lines in cells])


def by_method(lines: pd.DataFrame, measure: str) -> dict[str, float]:
    """A measure of each method of a cell."""
    values = lines[measure].to_numpy(float).tolist()
    return dict(zip(lines["method"].tolist(), values, strict=True))


def spec_of(lines: pd.DataFrame) -> MultiViewSpec:
    """The distribution of a cell's samples, from the cell's columns."""
    values: dict[str, Any] = {
        each.name: lines[f"spec.{each.name}"].tolist()[0] for each in fields(MultiViewSpec)
    }
    for each in fields(MultiViewSpec):
        if each.type in (int, "int"):  # floats beside cells that have no such column
            values[each.name] = int(values[each.name])
    if math.isnan(float(values["sigma_background"] or 0)):  # another cell's column has a number
        values["sigma_background"] = None
    return MultiViewSpec(**values)
