"""Estimates that claims are judged by, and how numbers are printed."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from multiview.runs.claims import Claim
from multiview.runs.intervals import mean_interval

Estimate = Callable[[pd.DataFrame], Any]  # from rows to one value a repetition


def claims_from(lines: Iterable[tuple]) -> list[Claim]:
    """Claims from lines (name, source, statement, predicted, estimate) or, with trials, of six."""
    fields = ("name", "source", "statement", "predicted", "estimate", "trials")
    return [Claim(**dict(zip(fields, line, strict=False))) for line in lines]


def where(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows that hold these values in the columns so named."""
    for name, value in values.items():
        table = table.loc[table[name] == value]
    return table


def of_part(part: str, value: Estimate) -> Estimate:
    """Estimate: ``value`` of the rows of one part of a script."""
    return lambda table: value(where(table, part=part))


def on_patches(value: Estimate) -> Estimate:
    """Estimate: ``value`` of the rows of a script's part on synthetic patches."""
    return of_part("synthetic", value)


def column(name: str) -> Estimate:
    """Estimate: one column."""
    return lambda table: table[name]


def difference(minuend: str, subtrahend: str) -> Estimate:
    """Estimate: ``minuend - subtrahend``, paired by repetition."""
    return lambda table: table[minuend] - table[subtrahend]


def ratio(numerator: str, denominator: str) -> Estimate:
    """Estimate: ``numerator / denominator``, paired by repetition."""
    return lambda table: table[numerator] / table[denominator]


def largest(*names: str) -> Estimate:
    """Estimate: the largest of these columns in each row."""
    return lambda table: table[list(names)].max(axis=1)


def percent(values: Any) -> str:
    """``12.3 [10.1, 14.5]``; the interval is cut to what an error can be."""
    return _interval(100 * np.asarray(values, float), 1, 0.0, 100.0)


def points(values: Any) -> str:
    """``1.2 [-0.1, 2.5]``, in percent of what, unlike an error, may be negative."""
    return _interval(100 * np.asarray(values, float), 1)


def number(values: Any, low: float = 0.0) -> str:
    """``0.123 [0.101, 0.145]``, of values that are at least ``low``."""
    return _interval(np.asarray(values, float), 3, low)


def _interval(
    values: np.ndarray, digits: int, low: float = -math.inf, high: float = math.inf
) -> str:
    """Mean and 95% interval of the values that are not NaN, the interval cut to [low, high]."""
    known = values[~np.isnan(values)]
    if not len(known):
        return "none"
    mean, *ends = mean_interval(known)
    if abs(mean) >= 10:
        digits = 1
    # Adding 0 turns a rounded -0.0 into 0.0.
    rounded = [round(float(each), digits) + 0.0 for each in (mean, *np.clip(ends, low, high))]
    mean, least, most = (f"{each:.{digits}f}" for each in rounded)
    return f"{mean} [{least}, {most}]"
