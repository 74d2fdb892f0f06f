"""Gains predicted from two or three networks, beside those measured, and whether intervals hold."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import by_repetition

PARTS = {  # label and colour of each setting
    "patches": ("patches", style.COLOURS["ensemble"]),
    "mixture": ("mixture of Gaussians", style.COLOURS["kernels"]),
    "digits": ("digits", style.COLOURS["sum"]),
    "images": ("CIFAR-10", style.COLOURS["one"]),
    "hundred classes": ("CIFAR-100", style.COLOURS["gates"]),
    "made up": ("made-up images", style.COLOURS["rocket"]),
}
KNOWN = {2: "o", 3: "s"}  # networks that are diagnosed
PANELS = {
    "a": ("Averages of 2 and of 5 networks", ("ensemble",)),
    "b": ("Students of 5, and self-distillation", ("student", "self")),
}
NAMES = {"ensemble": "averages", "student": "students of 5", "self": "self-distillation"}
NEAR = 0.02  # gains below are drawn on a linear scale, so that 0 and losses have a place


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``diagnosis``.

    Args:
        table: A line a setting, prediction and repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 8.2), layout="constrained")
    top, bottom = figure.add_gridspec(2, 1, height_ratios=(1.5, 1))
    halves = top.subgridspec(1, 2)
    for i, (letter, (title, kinds)) in enumerate(PANELS.items()):
        axes = figure.add_subplot(halves[0, i])
        _gains(axes, table, kinds)
        style.title(axes, letter, title)
    axes = figure.add_subplot(bottom)
    _coverage(axes, table)
    style.title(axes, "c", "How often the measured gain lies in its 95% interval")
    return figure


def _gains(axes: Axes, table: Any, kinds: tuple[str, ...]) -> None:
    """Predicted gains with their intervals above the measured ones, and the line of equality."""
    table = table[table["kind"].isin(kinds)]
    for part, (label, colour) in PARTS.items():
        for known, marker in KNOWN.items():
            own = table[(table["part"] == part) & (table["known"] == known)]
            if not len(own):
                continue
            x = own["gain"].to_numpy(float)
            look = {"color": colour, "alpha": 0.35, "lw": 1}
            axes.vlines(x, own["low"], own["high"], **look)
            name = f"{label}, from {known}" if known == min(KNOWN) else None
            face = colour if known == min(KNOWN) else "white"
            axes.plot(
                x, own["predicted"], marker, ms=4.5, color=colour, mfc=face, label=name, zorder=3
            )
    ends = np.array([-0.1, 0.6])
    for set_scale, set_lim in ((axes.set_xscale, axes.set_xlim), (axes.set_yscale, axes.set_ylim)):
        set_scale("symlog", linthresh=NEAR)
        set_lim(*ends)
    axes.plot(ends, ends, color=style.INK, lw=1, zorder=1)
    ticks = [-0.05, 0, 0.02, 0.05, 0.1, 0.2, 0.5]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks)
        axis.set_ticks([], minor=True)
        panels.hundredths(axis)
    axes.set_xlabel("measured gain over one network, points")
    axes.set_ylabel("predicted, points (open: from 3)")
    panels.legend(axes)


def _inside(lines: Any) -> float:
    """The share of measured gains in their intervals."""
    return float(lines["inside"].mean())


def _coverage(axes: Axes, table: Any) -> None:
    """The share of measured gains inside, by kind and setting, with a mean over repetitions."""
    places, ticks = {}, []
    for kind in NAMES:
        for part in PARTS:
            if ((table["kind"] == kind) & (table["part"] == part)).any():
                places[kind, part] = len(places) + 0.7 * list(NAMES).index(kind)
                ticks.append(PARTS[part][0].replace(" of ", "\nof ").replace("-up ", "-up\n"))
    for (kind, part), x in places.items():
        for known, marker in KNOWN.items():
            where = {"kind": kind, "part": part, "known": known}
            own = by_repetition("inside", _inside, **where)
            found = panels.values(table, own)
            if found is None:
                continue
            colour = PARTS[part][1]
            face = colour if known == min(KNOWN) else "white"
            aside = 0.13 * (-1 if known == min(KNOWN) else 1)
            look = {"marker": marker, "color": colour, "mfc": face, "ms": 6}
            panels.mark(axes, x + aside, found, **look)
    axes.axhline(0.95, color=style.INK, lw=1, ls="--")
    axes.axhline(0.8, color=style.GREY, lw=1, ls=":")
    axes.set_xticks(list(places.values()), ticks, fontsize=8)
    axes.set_ylim(-0.05, 1.15)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 0.95])
    axes.set_ylabel("share inside, %")
    panels.hundredths(axes.yaxis)
    axes.grid(axis="x", visible=False)
    for kind, name in NAMES.items():
        own = [x for (each, _), x in places.items() if each == kind]
        if own:
            axes.text(sum(own) / len(own), 1.08, name, ha="center", fontsize=9)
