"""What networks recognise of samples of two images that show one of them, and what they gain."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures import panels, style
from multiview.runs.estimates import measured, select

PARTS = {"equal": "CIFAR-10 | CIFAR-10", "unequal": "CIFAR-10 | digit"}
SHOWN = {"both": "both", "left": "left\nalone", "right": "right\nalone"}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``two_images``.

    Args:
        table: A line for each kind of views, method and repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 8.2), layout="constrained")
    rows = figure.subplots(2, 2, sharey="row")
    title = panels.by_repetition(panels.repetitions(table))
    for column, (part, label) in enumerate(PARTS.items()):
        chosen = select(table, part=part)
        top, bottom = rows[:, column]
        _classes(top, select(chosen, method="member"))
        style.title(top, "ab"[column], f"{label}: classes of each network")
        _gains(bottom, chosen)
        style.title(bottom, "cd"[column], f"{label}: gain by averaging")
        bottom.legend(
            title=title, fontsize=8.5, title_fontsize=8.5, loc=("lower", "upper")[column] + " right"
        )
    return figure


def _classes(axes: Axes, table: pd.DataFrame) -> None:
    """A dot a class and network: what it recognises by the left and by the right half alone."""
    for by_class in table["by_class"]:
        _, left, right = np.asarray(by_class).transpose(1, 0, 2)
        axes.scatter(left, right, s=12, alpha=0.5, color=style.COLOURS["one"], lw=0)
    axes.plot([0, 1], [0, 1], color=style.GREY, lw=1, ls="--")
    for x, y in ((0.5, 0.0), (0.0, 0.5)):  # known by one half and not by the other
        axes.add_patch(Rectangle((x, y), 0.5, 0.5, facecolor=style.FAINT, lw=0, zorder=0))
    axes.text(0.98, 0.03, "recognised by one half only", ha="right", fontsize=9, color=style.GREY)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("accuracy on the class, left half alone")
    axes.set_ylabel("right half alone")


def _gains(axes: Axes, table: pd.DataFrame) -> None:
    """The gain of networks beside that of Gaussian members in their place."""
    for shift, name, label, marker in (
        (-0.08, "gain", "networks", "o"),
        (0.08, "surrogate", "Gaussian members", "x"),
    ):
        colour = style.COLOURS["ensemble"] if name == "gain" else style.INK
        for x, shown in enumerate(SHOWN):
            found = panels.values(table, measured(f"{name}_{shown}", "member"))
            panels.point(axes, x + shift, found, color=colour, marker=marker)
        axes.plot([], [], ls="none", marker=marker, color=colour, label=label)
    axes.axhline(0, color=style.GREY, lw=1)
    axes.set_xticks(range(len(SHOWN)), list(SHOWN.values()))
    axes.set_xlabel("halves that are shown")
    axes.set_ylabel("error of one - error of the mean")
