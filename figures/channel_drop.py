"""Views removed: errors and gains by the fraction kept, and gains by the number of views."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

PARTS = {  # of inputs: colour and marker
    "layer": (style.COLOURS["one"], "o"),
    "colours": (style.COLOURS["sum"], "s"),
    "tiles": (style.COLOURS["distilled"], "^"),
    "synthetic": (style.INK, "D"),
}
CLASSIFIERS = {
    "member": ("one network", style.COLOURS["one"], "o"),
    "ensemble": ("ensemble", style.COLOURS["ensemble"], "s"),
    "distilled": ("distilled", style.COLOURS["distilled"], "^"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``channel_drop``.

    Args:
        table: One line a repetition, kind of inputs and method, with its ``label``.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 7.4), layout="constrained")
    top, bottom = (figure.add_subfigure(part) for part in figure.add_gridspec(2, 1))
    for letter, axes, part in zip("abcd", top.subplots(1, 4, sharey=True), PARTS, strict=True):
        lines = select(table, part=part)
        if len(lines):
            _errors(axes, lines, "single" if part == "synthetic" else "error")
            style.title(axes, letter, str(lines["label"].iat[0]))
        axes.set_xlabel("fraction kept")
        if letter == "a":
            axes.set_ylabel(f"test error\n{panels.by_repetition(panels.repetitions(table))}")
            _legend(axes)
    left, middle, right = bottom.subplots(1, 3)
    images = [part for part in PARTS if part != "synthetic"]
    _gains(left, table, images)
    style.title(left, "e", "Gain of an ensemble: images")
    _gains(middle, table, ["synthetic"])
    style.title(middle, "f", "... and synthetic views")
    _by_views(right, table, images)
    style.title(right, "g", "By groups that suffice")
    return figure


def _errors(axes: Axes, lines: pd.DataFrame, measure: str) -> None:
    """Errors of each classifier, on single-view samples where they are synthetic."""
    fractions = sorted(lines["fraction"].dropna().unique())
    for who, (name, colour, marker) in CLASSIFIERS.items():
        look: dict[str, Any] = {"color": colour, "marker": marker, "label": name}
        panels.curve(axes, lines, _points(lines, measure, classifier=who), low=0, high=1, **look)
    if measure == "single":
        for who in ("member", "ensemble"):
            _predicted(axes, lines, "predicted", CLASSIFIERS[who][1], classifier=who)
        note = {"transform": axes.transAxes, "ha": "left", "fontsize": 8.5}
        axes.text(0.05, 0.05, "dotted: closed form", **note)
    axes.set_xticks(fractions, [f"{f:.2g}" for f in fractions])
    axes.set_ylim(bottom=0)


def _points(lines: pd.DataFrame, measure: str, axis: str = "fraction", **where: Any) -> dict:
    """The estimate of a measure at each value of the axis."""
    places = sorted(lines[axis].dropna().unique())
    return {float(x): measured(measure, **{axis: x}, **where) for x in places}


def _predicted(axes: Axes, lines: pd.DataFrame, measure: str, colour: str, **where: Any) -> None:
    """What the theory says, dotted."""
    found: Any = select(lines, **where).groupby("fraction")[measure].mean()
    axes.plot(found.index, found, ":", color=colour, lw=1.4)


def _gains(axes: Axes, table: pd.DataFrame, parts: list[str]) -> None:
    """The error of one network less that of the ensemble, by the fraction kept."""
    for part in parts:
        lines, (colour, marker) = select(table, part=part), PARTS[part]
        if not len(lines):
            continue
        look = {"color": colour, "marker": marker, "label": lines["label"].iat[0]}
        panels.curve(
            axes, lines, _points(lines, "gain", classifier="ensemble"), low=-1, high=1, **look
        )
        if part == "synthetic":
            _predicted(axes, lines, "predicted_gain", colour, classifier="ensemble")
    _finish(axes, "fraction kept")
    axes.set_ylabel("error of one network - of the ensemble")


def _by_views(axes: Axes, table: pd.DataFrame, parts: list[str]) -> None:
    """Gains on the images that so many nets get right, each with a group of its own or the same."""
    for part in parts:
        lines, (colour, marker) = select(table, part=part), PARTS[part]
        for nets, line, face in (("disjoint", "-", colour), ("same", ":", "white")):
            points = _points(lines, "gain", "count", nets=nets)
            shares = {count / max(points): estimate for count, estimate in points.items()}
            look: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "ls": line,
                "mfc": face or colour,
            }
            panels.curve(axes, lines, shares, low=-1, high=1, **look)
    axes.plot([], [], "-", color=style.GREY, label="nets with a group each")
    axes.plot([], [], ":", color=style.GREY, label="with the same group")
    _finish(axes, "fraction of the nets that are right")
    axes.set_ylabel("gain on these images")


def _finish(axes: Axes, x: str) -> None:
    """What all panels of gains have."""
    axes.axhline(0, color=style.INK, lw=0.8)
    axes.set_xlabel(x)
    _legend(axes)


def _legend(axes: Axes) -> None:
    """The panel's legend, if anything is drawn."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8.5)
