"""Forest plots: estimates below each other, such as gains, with their intervals and repetitions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from figures import panels, style
from multiview.runs.estimates import Estimate


class Line(NamedTuple):
    """A line of a forest plot.

    Attributes:
        beside: What is marked on the same line, without an interval.
    """

    label: str
    estimate: Estimate
    colour: str
    marker: str = "o"
    beside: Estimate | None = None


def forest(
    axes: Axes,
    table: pd.DataFrame,
    groups: Mapping[str, Sequence[Line]],
    *,
    beside: Mapping[str, Any] = panels.PUBLISHED,
    low: float = -math.inf,
    high: float = math.inf,
) -> None:
    """Means and intervals below each other, in groups under headings; ticks are in hundredths.

    Grey dots below a line are its repetitions.

    Args:
        groups: Lines by the heading of their group; without values a line is left out.
        beside: Look of what is marked beside.
        low, high: What the quantity can be; intervals are cut to it.
    """
    ticks, y = {}, 0.0
    for heading, lines in groups.items():
        known = [(line, found) for line in lines if (found := panels.values(table, line.estimate))]
        if not known:
            continue
        if heading:
            text = axes.text(0.01, y, heading, weight="bold", fontsize=9, va="center", zorder=2.2)
            text.set(transform=axes.get_yaxis_transform(), backgroundcolor="white")
            y += 1
        for line, found in known:
            look = {"color": line.colour, "marker": line.marker}
            panels.point(axes, y, found, sideways=True, low=low, high=high, **look)
            panels.dots(axes, y + 0.28, found, 0, sideways=True, color=style.GREY)
            if line.beside is not None:
                panels.mark(axes, y, panels.values(table, line.beside), sideways=True, **beside)
            ticks[y] = line.label
            y += 1
        y += 0.3
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=9)
    axes.set_ylim(y - 0.8, -0.7)
    axes.grid(axis="y", visible=False)
    panels.hundredths(axes.xaxis)


def forest_key(axes: Axes, table: pd.DataFrame) -> None:
    """The entry of a legend that says what a forest plot draws of each line."""
    label = f"{panels.by_repetition(panels.repetitions(table))} (grey)"
    axes.plot([], [], "o", color=style.INK, label=label)
