"""Closed forms of the multi-view theory beside what was measured, cell by cell."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache

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


def spec_of(lines: pd.DataFrame) -> MultiViewSpec:
    """The distribution of a cell's samples, from the cell's columns."""
    values = {each.name: lines[f"spec.{each.name}"].iloc[0] for each in fields(MultiViewSpec)}
    if pd.isna(values["sigma_background"]):
        values["sigma_background"] = None
    return MultiViewSpec(**values)
