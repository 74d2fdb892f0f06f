"""What students know, and why they lack the other views: a bar for each way to teach one."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style

PARTS = {
    "patches": "Synthetic patches: features",
    "two images": "Image and digit side by side: halves",
}
KNOWN = {  # by the columns of the table, from the left
    "own": ("known, as from labels alone", "#9CC7E4"),
    "taken": ("known, not from labels alone", style.COLOURS["one"]),
}
MISSING = {
    "overruled": ("given up for the teacher", "#F2C6A0"),
    "unknown": ("the teacher does not know", style.COLOURS["sum"]),
    "no_room": ("no room", style.COLOURS["rocket"]),
    "not_shown": ("not shown", style.GREY),
    "not_taken": ("shown, not taken", style.COLOURS["dropout"]),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``missing_views``.

    Args:
        table: One line a student and repetition, with its ``label`` and fractions of views.
    """
    style.use()
    shown = [part for part in PARTS if part in set(table["part"])]
    rows = [table.loc[table["part"] == part, "method"].nunique() for part in shown]
    figure = Figure(figsize=(style.WIDTH, 2.2 + 0.42 * sum(rows)), layout="constrained")
    every = figure.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
    for letter, part, axes in zip("ab", shown, every, strict=False):
        _bars(axes, table[table["part"] == part])
        style.title(axes, letter, PARTS[part])
    n = panels.repetitions(table)
    every[-1].set_xlabel(f"fraction of all views; means of n = {n}, known ones of each as ticks")
    handles, labels = every[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


def _bars(axes: Axes, table: Any) -> None:
    """A bar of all views for each student, and a tick for what it knows in each repetition."""
    students = table.drop_duplicates("method")
    for y, (method, label) in enumerate(zip(students["method"], students["label"], strict=True)):
        own, left = table[table["method"] == method], 0.0
        for name, (text, colour) in {**KNOWN, **MISSING}.items():
            hatch = "" if name in KNOWN else "///"
            look = {"color": colour, "hatch": hatch, "edgecolor": "white", "lw": 0.6}
            width = float(own[name].mean())
            axes.barh(y, width, left=left, height=0.62, label=text if y == 0 else None, **look)
            left += width
        axes.plot(own["known"], [y] * len(own), "|", color=style.INK, ms=9, mew=1.2)
        axes.text(-0.015, y, label, ha="right", va="center", fontsize=9.5)
    axes.set_yticks([])
    axes.set_ylim(len(students) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
