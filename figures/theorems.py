"""Theorems 1-4, a panel each: single-view error along the training, and what is claimed of it."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import Estimate, measured, select

BAND = "#C8C8C8"
FIRST = {"distilled": 1e-2, "self": 1e-5}  # where logarithmic axes of time begin
LEAST = 1e-3  # where logarithmic axes end and linear ones go on to 0
NETWORKS = (  # what is trained, where its panel stands, what is claimed of the end
    (Entry("member", "one network", style.COLOURS["one"]), 0, (0.48, 0.51)),
    (Entry("distilled", "student", style.COLOURS["distilled"]), 2, (0.0, 0.01)),
    (Entry("self", "self-distilled", style.COLOURS["self"]), 3, (0.20, 0.28)),
)
TITLES = (
    "1  one network: 1/2",
    "2  K averaged: $2^{-K}$",
    "3  student: 0",
    "4  self-distilled: 1/4",
)


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``theorems``.

    Args:
        table: A line a cell and method, with closed forms and errors along the training.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 3.9), layout="constrained")
    axes = figure.subplots(1, 4)
    base = select(table, part="base")
    for entry, position, allowed in NETWORKS:
        along(axes[position], base, entry, allowed)
    by_size(axes[1], base)
    for panel, text in zip(axes, TITLES, strict=True):
        panel.set_title(text, fontsize=10.5, pad=8)
    axes[0].set_ylabel("error on single-view samples", fontsize=9)
    n = panels.by_repetition(panels.repetitions(base))
    figure.supxlabel(
        "1, 3, 4: a line a repetition, and at its right the end of all; grey: what is "
        f"claimed for this size.  {n}",
        fontsize=8.5,
    )
    return figure


def along(axes: Axes, base: pd.DataFrame, entry: Entry, allowed: tuple[float, float]) -> None:
    """Errors along the training, a line a repetition, and at the end with an interval.

    What is taught changes early in a training whose time grows without bound, so that its axis is
    logarithmic; what was before its beginning is drawn there.
    """
    first = FIRST.get(entry.method)
    axes.axhspan(*allowed, color=BAND, lw=0, zorder=1)
    for _, line in select(base, method=entry.method).iterrows():
        time = np.asarray(line["curve_time"], dtype=float)
        error = np.asarray(line["curve_single"], dtype=float)
        share = np.maximum(time / time[-1], first or 0.0)
        axes.plot(share, error, color=entry.colour, lw=0.9, alpha=0.7, zorder=2)
    found = panels.values(base, measured("single", entry.method))
    beyond = 1.06 if first is None else first**-0.06
    panels.point(axes, beyond, found, low=0, color=entry.colour, marker="o")
    if entry.method == "distilled":
        axes.set_yscale("symlog", linthresh=LEAST, linscale=0.5)
    axes.set_ylim(0, 0.6 if entry.method == "self" else 1)
    axes.set_xlabel("share of the training's time", fontsize=9)
    if first is None:
        axes.set_xlim(-0.03, 1.12)
        axes.set_xticks([0, 0.5, 1])
    else:
        axes.set_xscale("log")
        axes.set_xlim(first**1.03, first**-0.12)
        axes.axvspan(0.1, 1, ymax=0.02, color=entry.colour, lw=0)
        axes.text(0.1, 0.03, "last 90%", transform=axes.get_xaxis_transform(), fontsize=8)


def by_size(axes: Axes, base: pd.DataFrame) -> None:
    """Single-view error of 1, 2, ... averaged networks, 2^-K and what is predicted from c."""
    sizes = sorted(base["size"].dropna().unique())

    def of_size(measure: str) -> dict[float, Estimate]:
        return {K: measured(measure, f"ensemble_{K:.0f}") for K in sizes}

    look: dict[str, Any] = {"color": style.COLOURS["ensemble"], "label": "measured"}
    panels.curve(axes, base, of_size("single"), low=0, high=1, **look)
    axes.plot(sizes, [2.0**-K for K in sizes], "--", color=style.INK, lw=1.2, label="$2^{-K}$")
    axes.set_yscale("symlog", linthresh=LEAST, linscale=0.5)
    axes.set_ylim(0, 1)
    axes.set_xticks([K for K in (1, 4, 8, 12, 16, 24, 32) if K in sizes])
    axes.set_xlabel("networks averaged, K", fontsize=9)
    axes.legend(fontsize=8, loc="upper right")
