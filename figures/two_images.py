"""What networks recognise of samples of two images that show one of them, and what they gain."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

PARTS = {"equal": "CIFAR-10 | CIFAR-10", "unequal": "CIFAR-10 | digit"}
SHOWN = {"both": "both", "left": "left\nalone", "right": "right\nalone"}
WHO = {
    "member": ("one network", style.COLOURS["one"], "o"),
    "ensemble": ("ensemble", style.COLOURS["ensemble"], "^"),
    "distilled": ("distilled from it", style.COLOURS["distilled"], "s"),
    "self": ("self-distilled", style.COLOURS["self"], "D"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``two_images``.

    Args:
        table: A line for each kind of views, method and repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 11.5), layout="constrained")
    rows = figure.subplots(3, 2)
    n = panels.repetitions(table)
    for column, (part, label) in enumerate(PARTS.items()):
        chosen = select(table, part=part)
        top, middle, bottom = rows[:, column]
        _accuracies(top, chosen)
        style.title(top, "ab"[column], f"{label}: accuracy")
        _classes(middle, select(chosen, method="member"))
        style.title(middle, "cd"[column], "Classes of each network")
        _gains(bottom, chosen)
        style.title(bottom, "ef"[column], "Gain by averaging")
        for axes in (top, bottom):
            axes.legend(title=panels.by_repetition(n), fontsize=8.5, title_fontsize=8.5)
    return figure


def _accuracies(axes: Axes, table: pd.DataFrame) -> None:
    """Every method by what is shown."""
    for i, (who, (label, colour, marker)) in enumerate(WHO.items()):
        look: dict[str, Any] = {"color": colour, "marker": marker}
        for x, shown in enumerate(SHOWN):
            found = panels.values(table, measured(shown, who))
            panels.point(axes, x + 0.13 * (i - 1.5), found, low=0, high=1, **look)
        axes.plot([], [], ls="none", label=label, **look)
    axes.set_xticks(range(len(SHOWN)), list(SHOWN.values()))
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("halves that are shown")
    axes.set_ylabel("accuracy")


def _classes(axes: Axes, table: pd.DataFrame) -> None:
    """A dot a class and network: what it recognises by the left and by the right half alone."""
    for by_class in table["by_class"]:
        _, left, right = np.asarray(by_class).transpose(1, 0, 2)
        axes.scatter(left, right, s=12, alpha=0.5, color=style.COLOURS["one"], lw=0)
    axes.plot([0, 1], [0, 1], color=style.GREY, lw=1, ls="--")
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
