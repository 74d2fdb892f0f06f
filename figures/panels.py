"""What figures are made of: means with their 95% intervals, rows of methods, bars, curves, views.

Every interval in a figure is drawn here, and made as the tables' are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from figures import style
from multiview.runs.estimates import Estimate, Values, measured

# Marks without intervals: what papers print, and what theory says.
PUBLISHED = {"marker": "x", "ms": 6.5, "mew": 1.8, "color": style.INK}
THEORY = {"marker": "|", "ms": 11, "mew": 1.8, "color": style.INK}


class Entry(NamedTuple):
    """A method in a figure."""

    method: str
    label: str
    colour: str
    marker: str = "o"


def values(table: pd.DataFrame, estimate: Estimate) -> Values | None:
    """The estimate's values, one a repetition; None where the run has none."""
    try:
        found = estimate.of(table)
    except KeyError:
        return None
    return found if found.by_seed.notna().any() else None


def ends(found: Values, low: float = -math.inf, high: float = math.inf) -> tuple[float, ...]:
    """Mean and ends of the interval, cut to what can be; the mean thrice where it has no ends."""
    mean, below, above, _ = found.interval()
    if not (math.isfinite(below) and math.isfinite(above)):  # of one value, or of equal ones
        return mean, mean, mean
    return mean, max(below, low), min(above, high)


def is_unknown(found: Values) -> bool:
    """Whether nothing shows the spread: of one value, or of equal ones that count nothing."""
    return found.interval().method == "none"


def query(axes: Axes, x: float, y: float, colour: str = style.INK) -> None:
    """A question mark beside a point without an interval, which else looked like an exact one."""
    where = {"xytext": (4, 3), "textcoords": "offset points"}
    axes.annotate("?", (x, y), fontsize=7, color=colour, **where)


def point(
    axes: Axes,
    at: float,
    found: Values | None,
    *,
    sideways: bool = False,
    low: float = -math.inf,
    high: float = math.inf,
    **look: Any,
) -> float:
    """A mean and its 95% interval at one place; returns the interval's upper end.

    Args:
        sideways: Whether ``at`` is the height and the values lie along the horizontal axis.
        low, high: What the quantity can be; the interval is cut to it.
        look: Of the marker, as in ``Axes.plot``; ``lw`` is the interval's width.
    """
    if found is None:
        return -math.inf
    mean, below, above = ends(found, low, high)
    look = {"marker": "o", "ms": 5.5, "zorder": 3, "lw": 1.6} | look
    width = look.pop("lw")
    lines = axes.hlines if sideways else axes.vlines
    colour = look.get("color", style.INK)
    lines(at, below, above, color=colour, lw=width, zorder=look["zorder"])
    x, y = (mean, at) if sideways else (at, mean)
    axes.plot([x], [y], ls="none", **look)
    if is_unknown(found):
        query(axes, x, y, colour)
    return above


def mark(
    axes: Axes, at: float, found: Values | None, *, sideways: bool = False, **look: Any
) -> float:
    """A mean without interval, such as what a theory says; returns it."""
    if found is None:
        return -math.inf
    mean = float(found.by_seed.mean())
    axes.plot(*([mean], [at]) if sideways else ([at], [mean]), ls="none", **look)
    return mean


def ladder(
    axes: Axes,
    table: pd.DataFrame,
    rows: Iterable[tuple[Entry, float]],
    measure: str,
    *,
    minus: str | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    **where: Any,
) -> float:
    """Methods below each other: mean and interval of a measure, or of gains paired by repetition.

    Args:
        rows: Each method and its height.
        minus: The method that is subtracted.

    Returns:
        The largest upper end.
    """
    tops = [0.0]
    for entry, y in rows:
        estimate = measured(measure, entry.method, **where)
        if minus is not None:
            estimate = estimate - measured(measure, minus, **where)
        look = {"marker": entry.marker, "color": entry.colour}
        tops.append(
            point(axes, y, values(table, estimate), sideways=True, low=low, high=high, **look)
        )
    return max(tops)


def hundredths(axis: Axis) -> None:
    """Name the ticks of fractions in percent, and those of their differences in points."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:g}")


def legend(axes: Axes, ncols: int = 2, below: float = 36) -> None:
    """A legend below the panel, where no data are.

    Args:
        below: Points of the font below the axes: what the ticks and the label take.
    """
    figure: Any = axes.get_figure(root=True)
    moved = axes.transAxes + ScaledTranslation(0, -below / 72, figure.dpi_scale_trans)
    where: dict[str, Any] = {"bbox_to_anchor": (0.5, 0), "bbox_transform": moved}
    where |= {"columnspacing": 1.2, "handletextpad": 0.5, "frameon": False}
    axes.legend(loc="upper center", ncols=ncols, fontsize=8.5, **where)


def bar(
    axes: Axes, x: float, found: Values, colour: str, low: float = 0.0, high: float = 1.0
) -> float:
    """A bar with a dot a repetition, the interval and the mean in percent; returns the top."""
    mean, below, above = ends(found, low, high)
    each = found.by_seed.dropna().to_numpy(float)
    axes.bar(x, mean, width=0.72, color=colour, alpha=0.85, zorder=2)
    axes.vlines(x, below, above, color=style.INK, lw=1.2, zorder=3)
    spread = np.linspace(-0.16, 0.16, len(each)) if len(each) > 1 else np.zeros(1)
    axes.scatter(x + spread, each, s=13, color="white", ec=style.INK, lw=0.8, zorder=4)
    top = max(*each, mean, above)  # a number on an interval could not be read
    axes.annotate(
        f"{100 * mean:.1f}%{' ?' if is_unknown(found) else ''}",
        (x, top),
        xytext=(0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        zorder=5,
    )
    return top


def curve(
    axes: Axes,
    table: pd.DataFrame,
    points: Mapping[float, Estimate],
    *,
    low: float = -math.inf,
    high: float = math.inf,
    band: bool = False,
    **look: Any,
) -> None:
    """Means along an axis with their intervals, as bars or as a band.

    Args:
        points: The estimate at each place of the horizontal axis.
    """
    found = {x: values(table, estimate) for x, estimate in points.items()}
    known = {x: ends(each, low, high) for x, each in found.items() if each is not None}
    if not known:
        return
    for at, each in found.items():
        if each is not None and is_unknown(each):
            query(axes, at, known[at][0], look.get("color", style.INK))
    x = np.array(list(known), float)
    mean, below, above = np.array(list(known.values())).T
    look = {"marker": "o", "ms": 4.5, "lw": 1.4} | look
    if band:
        axes.plot(x, mean, **look)
        axes.fill_between(x, below, above, color=look.get("color"), alpha=0.18, lw=0)
    else:
        reach = np.stack([mean - below, above - mean])
        axes.errorbar(x, mean, yerr=np.maximum(reach, 0), elinewidth=1, capsize=2, **look)


def strips(axes: Axes, covered: Sequence[tuple[float, np.ndarray, str]], gap: float = 0.6) -> None:
    """Views by methods of one repetition: a row a method, filled where a view is learned.

    Args:
        covered: Height, views (k, L) and colour of each method.
    """
    k = number = 0
    for y, views, colour in covered:
        k, number = views.shape
        for i in range(k):
            for v in range(number):
                x = i * (number + gap) + v
                face = colour if views[i, v] else style.FAINT
                axes.add_patch(Rectangle((x, y - 0.36), 0.94, 0.72, facecolor=face, lw=0))
    right = k * (number + gap) - gap
    axes.set_xlim(-0.3, right + 0.3)
    width = number + gap
    named = range(0, k, 1 if k <= 12 else 2)  # more numbers of two digits would touch
    axes.set_xticks([i * width + number / 2 for i in named], [f"{i}" for i in named])
    axes.grid(visible=False)


def by_repetition(n: int) -> str:
    """What an axis of means says of them."""
    return f"mean, 95% interval, n = {n}"


def repetitions(table: pd.DataFrame) -> int:
    """The number of repetitions in a table."""
    return len(table["seed"].unique())


def dots(
    axes: Axes,
    at: float,
    found: Values | None,
    spread: float = 0.07,
    *,
    sideways: bool = False,
    **look: Any,
) -> None:
    """A faint dot a repetition, side by side around one place."""
    if found is None:
        return
    each = found.by_seed.dropna().to_numpy(float)
    places = at + (np.linspace(-spread, spread, len(each)) if len(each) > 1 else np.zeros(1))
    x, y = (each, places) if sideways else (places, each)
    axes.scatter(x, y, **({"s": 9, "color": "#BBBBBB", "lw": 0, "zorder": 2} | look))
