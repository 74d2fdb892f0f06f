"""Estimates that claims are judged by, and how numbers are printed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from multiview.intervals import mean_interval


def percent(values: Any) -> str:
    """``12.3 [10.1, 14.5]``; the interval is cut to what an error can be."""
    mean, low, high = (100 * number for number in mean_interval(np.asarray(values)))
    return f"{mean:.1f} [{max(low, 0):.1f}, {min(high, 100):.1f}]"


def column(name: str) -> Callable[[pd.DataFrame], Any]:
    """Estimate: one column."""
    return lambda table: table[name]


def difference(minuend: str, subtrahend: str) -> Callable[[pd.DataFrame], Any]:
    """Estimate: ``minuend - subtrahend``, paired by repetition."""
    return lambda table: table[minuend] - table[subtrahend]


def number(values: Any) -> str:
    """``0.123 [0.101, 0.145]``, of values that are not negative."""
    mean, low, high = mean_interval(np.asarray(values))
    return f"{mean:.3f} [{max(low, 0):.3f}, {high:.3f}]"
