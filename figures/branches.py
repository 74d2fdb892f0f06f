"""What averaging gains, and which views are chosen, by the time at which networks part."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

PATCHES, IMAGES = "patches", "images"
PARTS = {PATCHES: "patches, single-view samples", IMAGES: "CIFAR-10"}
COLOURS = {PATCHES: style.COLOURS["one"], IMAGES: style.COLOURS["distilled"]}
BRANCHES = "branches"
REFERENCES = {"apart": ("own start and order", "--"), "one order": ("own start, one order", ":")}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``branches``.

    Args:
        table: A line for each way of parting, its time and each repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 4.6), layout="constrained")
    shares, same = figure.subplots(1, 2)
    for part, label in PARTS.items():
        chosen = select(table, part=part)
        look = {"color": COLOURS[part], "label": label}
        _by_time(shares, chosen, "share", **look)
        if part == PATCHES:
            _by_time(same, chosen, "same", low=0, high=1, **(look | {"label": "one start"}))
            _references(same, chosen, "same", COLOURS[part])
    for level, label in ((1.0, "as much as networks apart"), (0.1, "10%, our margin of none")):
        shares.axhline(level, color=style.GREY, ls="--" if level == 1 else ":", label=label)
    shares.set_ylim(-0.04, 1.12)
    shares.set_ylabel("gain by averaging, over that of networks apart")
    style.title(shares, "a", "Same start: what of the gain remains")
    same.set_ylabel("classes in which all four choose one view")
    same.set_ylim(0, 1.05)
    style.title(same, "b", "Patches: do branches choose one view?")
    title = panels.by_repetition(panels.repetitions(table))
    look = {"title": title, "fontsize": 8.5, "title_fontsize": 8.5}
    shares.legend(loc="upper right", bbox_to_anchor=(1.0, 0.9), **look)
    same.legend(loc="center right", **look)
    for axes in (shares, same):
        axes.set_xlabel("fraction of the training before branches part")
    return figure


def _by_time(axes: Axes, table: pd.DataFrame, name: str, **look: Any) -> None:
    """A measure of branches by the time of parting."""
    times = np.unique(table["at"].dropna().to_numpy(float)).tolist()
    points = {at: measured(name, way=BRANCHES, at=at) for at in times}
    panels.curve(axes, table, points, **look)


def _references(axes: Axes, table: pd.DataFrame, name: str, colour: str) -> None:
    """The means of networks that do not share their start."""
    for way, (label, line) in REFERENCES.items():
        found = panels.values(table, measured(name, way=way))
        if found is not None:
            axes.axhline(float(found.by_seed.mean()), color=colour, ls=line, lw=1.2, label=label)
