"""What claims and summary ask of one row of the lottery."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from theory_experiments._trace import TAIL_LOSSES

LEAD_BINS = (1.0, 1.05, 1.1, 1.2, 1.5, math.inf)
CLEAR = 1.2  # a lead from which on the winner is called predictable


def each(table: pd.DataFrame, value: Callable[[Any], Any]) -> list[float]:
    """``value`` of every row."""
    return [float(value(row)) for _, row in table.iterrows()]


def accuracy(low: float = 1.0, high: float = math.inf, kind: str = "") -> Callable[[Any], float]:
    """Of a row: how often the view ahead won, where its lead is in [low, high).

    A lead over a view that no neuron sees is infinite, and the last bin holds it.
    """

    def of(row: Any) -> float:
        lead = row[f"lead{kind}"]
        chosen = (lead >= low) & ((lead < high) | math.isinf(high))
        return row[f"right{kind}"][chosen].mean() if chosen.any() else math.nan

    return of


def share_small(row: Any, shown: bool | None = None) -> float:
    """Of a row: the fraction of classes whose loser is below a tenth of its winner.

    Args:
        shown: Only classes whose losing view a single-view training sample does or does not show.
    """
    chosen = np.ones_like(row["shown"]) if shown is None else row["shown"] == shown
    small = row["final_loser"] < 0.1 * row["final_winner"]
    return small[chosen].mean() if chosen.any() else math.nan


def final_loser(row: Any) -> float:
    """Of a row: the median losing Lambda over sigma_init, in classes with one view learned."""
    return np.median(row["final_loser"][row["one_view"]]) / row["sigma_init"]


def total_growth(row: Any) -> float:
    """Of a row: the median growth of the losers over their start."""
    start = row["start_loser"]
    return np.median(row["final_loser"][start > 0] / start[start > 0])


def against(race: str) -> Callable[[Any], float]:
    """Of a row: the median of a loser's growth over that of ``race``, in clear races."""

    def of(row: Any) -> float:
        ratio = (row["growth"] / row[race])[row["lead"] >= CLEAR]
        return np.nanmedian(ratio)

    return of


def stray_growth(row: Any) -> float:
    """Of a row: how much the projections on other classes' features have grown."""
    return np.median(row["stray"] / row["start_stray"])


def at_loss(bound: float) -> int:
    """Where this loss stands among TAIL_LOSSES."""
    return int(np.abs(np.log(TAIL_LOSSES / bound)).argmin())


def tail_error(bound: float) -> Callable[[Any], float]:
    """Of a row: single-view test error when the training loss first was below ``bound``."""
    return lambda row: np.nanmean(row["tail_error"][at_loss(bound)])


def tail_growth(row: Any, begin: float = 0.1, end: float = 0.001) -> float:
    """Of a row: the losers' mean growth a decade of the loss, in classes with one view learned."""
    first, last = (row["tail_loser"][at_loss(bound)][row["one_view"]] for bound in (begin, end))
    alive = (first > 0) & (last > 0)
    return math.exp(np.log(last[alive] / first[alive]).mean() / math.log10(begin / end))
