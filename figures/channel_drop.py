"""Views removed: gains of ensembles by the fraction kept, and by the groups that suffice."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import Estimate, measured, select

PARTS = {  # kinds of inputs: colour, of a method that is not here, marker, place beside the others
    "layer": (style.COLOURS["kernels"], "o", -0.012),
    "colours": (style.COLOURS["rocket"], "s", 0.0),
    "tiles": (style.COLOURS["gates"], "^", 0.012),
}
SYNTHETIC = "synthetic"
GAP = 1.2  # between kinds of inputs
Place = dict[float, Estimate]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``channel_drop``.

    Args:
        table: One line a repetition, kind of inputs and method, with its ``label``.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 8.2), layout="constrained")
    top, bottom = (figure.add_subfigure(part) for part in figure.add_gridspec(2, 1))
    left, right = top.subplots(1, 2, width_ratios=(1.7, 1))
    _gains(left, table)
    style.title(left, "a", "Images: gain of an ensemble by the share kept")
    _synthetic(right, select(table, part=SYNTHETIC))
    style.title(right, "b", "Patches: gain by views kept")
    axes = bottom.subplots()
    _by_groups(axes, table)
    style.title(axes, "c", "Images: gain by the number of networks that are right")
    return figure


def _points(lines: pd.DataFrame, axis: str = "fraction", aside: float = 0.0, **where: Any) -> Place:
    """The gain at each value of the axis."""
    places = sorted(lines[axis].dropna().unique())
    return {float(x) + aside: measured("gain", **{axis: x}, **where) for x in places}


def _gains(axes: Axes, table: pd.DataFrame) -> None:
    """The error of one network less that of the ensemble, on images."""
    for part, (colour, marker, aside) in PARTS.items():
        lines = select(table, part=part)
        if len(lines):
            look: dict[str, Any] = {"color": colour, "marker": marker}
            look |= {"label": lines["label"].iat[0], "ms": 6}
            points = _points(lines, aside=aside, classifier="ensemble")
            panels.curve(axes, lines, points, low=-1, high=1, **look)
    axes.set_ylabel("points of test error gained\n" + _repetitions(table))
    _by_fraction(axes)


def _by_fraction(axes: Axes) -> None:
    axes.axhline(0, color=style.INK, lw=1)
    axes.set_xlim(0, 1.05)
    panels.hundredths(axes.xaxis)
    panels.hundredths(axes.yaxis)
    axes.set_xlabel("% kept")
    if axes.get_legend_handles_labels()[1]:
        panels.legend(axes, ncols=3)


def _repetitions(table: pd.DataFrame) -> str:
    return panels.by_repetition(panels.repetitions(table))


def _synthetic(axes: Axes, lines: pd.DataFrame) -> None:
    """Gains on single-view samples, and the closed form."""
    if len(lines):
        points = _points(lines, classifier="ensemble")
        look: dict[str, Any] = {"color": style.GREY, "marker": "D", "label": "views"}
        panels.curve(axes, lines, points, low=-1, high=1, **look)
        known: Any = select(lines, classifier="ensemble")
        theory = known.groupby("fraction")["predicted_gain"].mean()
        axes.plot(theory.index, theory, ":", color=style.INK, lw=1.4, label="closed form")
    _by_fraction(axes)


def _by_groups(axes: Axes, table: pd.DataFrame) -> None:
    """Gains on the images that so many nets get right; hollow: nets that all see one group."""
    ticks: dict[float, str] = {}
    start = 0.0
    for part, (colour, marker, _) in PARTS.items():
        lines = select(table, part=part)
        counts = sorted(lines["count"].dropna().unique())
        if not counts:
            continue
        for nets, aside, face in (("disjoint", -0.08, colour), ("same", 0.08, "white")):
            look: dict[str, Any] = {"color": colour, "marker": marker, "mfc": face, "ms": 6.5}
            look |= {"ls": "-" if nets == "disjoint" else ":"}
            points = _points(lines, "count", start + aside, nets=nets)
            panels.curve(axes, lines, points, low=-1, high=1, **look)
        ticks |= {start + count: f"{count:g}" for count in counts}
        name, centre = lines["label"].iat[0], start + max(counts) / 2
        axes.text(centre, 0.97, name, color=colour, weight="bold", ha="center", va="top",
                  transform=axes.get_xaxis_transform())  # fmt: skip
        start += max(counts) + GAP
    axes.axhline(0, color=style.INK, lw=1)
    axes.plot([], [], "o-", color=style.GREY, label="each sees a group of its own")
    hard = "all see the same group: hardness alone"
    axes.plot([], [], "o:", color=style.GREY, mfc="white", label=hard)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))  # for the names of the kinds
    axes.set_xlim(-0.5, max(start - GAP, 0) + 0.5)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.grid(axis="x", visible=False)
    panels.hundredths(axes.yaxis)
    axes.set_xlabel("networks that get the image right")
    axes.set_ylabel(f"gain on these images, points\n{_repetitions(table)}")
    panels.legend(axes)
