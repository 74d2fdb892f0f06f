"""The negative control: ensembles on Gaussian-like inputs and on multi-view patches."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import panels, style
from multiview.runs.estimates import measured, select

LEARNERS = {
    "linear": "linear",
    "connected": "fully\nconnected",
    "residual": "residual",
    "convolutional": "conv.",
    "smoothed": "conv.,\nsmoothed",
}
TARGETS = {
    "linear": "linear target",
    "connected": "fully connected target",
    "residual": "residual target",
    "convolutional": "convolutional target",
}
# Whose error is shown: measure, colour, marker, its face, legend.
BLUE, GREEN = style.COLOURS["one"], style.COLOURS["ensemble"]
WHO = (
    ("member", BLUE, "o", BLUE, "mean member"),
    ("best", BLUE, "v", "white", "best member"),
    ("ensemble", GREEN, "D", GREEN, "ensemble"),
)
# Whose gains are shown: inputs, whether labels are noisy, colour, marker, legend.
WORLDS = (
    ("gaussian", False, BLUE, "o", "Gaussian"),
    ("gaussian", True, style.COLOURS["self"], "^", "Gaussian, noisy labels"),
    ("mixture", False, style.COLOURS["sum"], "s", "mixture of Gaussians"),
    ("multi-view", False, style.COLOURS["distilled"], "D", "multi-view, single-view samples"),
)


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``gaussian_inputs``.

    Args:
        table: A line a task, learner and repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 10.6), layout="constrained")
    clean, noisy, below = figure.add_gridspec(3, 1, height_ratios=(1, 1, 1.5))
    gaussian = select(table, inputs="gaussian")
    wrong = gaussian["label_noise"].max()
    top = figure.add_subplot(clean)
    _control(top, select(gaussian, label_noise=0))
    top.tick_params(labelbottom=False)
    style.title(top, "a", "Gaussian inputs: an ensemble gains where its members vary")
    middle = figure.add_subplot(noisy, sharex=top)
    _control(middle, select(gaussian, label_noise=wrong))
    style.title(middle, "b", f"With {wrong:.0%} of the training labels wrong: members vary more")
    _legend(top, panels.repetitions(table))
    left, right = (figure.add_subplot(cell) for cell in below.subgridspec(1, 2))
    _gains(left, table)
    style.title(left, "c", "Only on multi-view data a larger gain")
    places = np.arange(len(LEARNERS))
    _errors(right, select(table, inputs="multi-view"), places)
    right.set_xticks(places, list(LEARNERS.values()), fontsize=8.5)
    right.set_ylabel("test error on single-view samples")
    right.set_ylim(bottom=-0.01)
    style.title(right, "d", "Multi-view: the paper's ensemble hardly errs")
    return figure


def _control(axes: Axes, table: pd.DataFrame) -> None:
    """A group of learners for each target network."""
    places = [g * (len(LEARNERS) + 1) + np.arange(len(LEARNERS)) for g in range(len(TARGETS))]
    for where, (target, name) in zip(places, TARGETS.items(), strict=True):
        _errors(axes, select(table, target=target), where)
        axes.text(where.mean(), 1.05, name, ha="center", va="center", fontsize=9)
    names = [name.replace("\n", " ") for name in LEARNERS.values()] * len(TARGETS)
    axes.set_xticks(np.concatenate(places), names, fontsize=8, rotation=90)
    axes.set_ylim(0, 1.12)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel("test error")


def _legend(axes: Axes, n: int) -> None:
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, mfc=face, label=label)
        for _, colour, marker, face, label in WHO
    ]
    axes.legend(
        handles=handles,
        title=panels.by_repetition(n).replace(", n", ",\nn"),
        fontsize=8.5,
        title_fontsize=8.5,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
    )


def _errors(axes: Axes, table: pd.DataFrame, places: np.ndarray) -> None:
    """Mean member, best member and ensemble of every learner, side by side."""
    for x, learner in zip(places, LEARNERS, strict=True):
        for shift, (who, colour, marker, face, _) in zip((-0.24, 0, 0.24), WHO, strict=True):
            found = panels.values(table, measured(who, learner))
            look = {"marker": marker, "color": colour, "mfc": face, "ms": 5, "lw": 1.3}
            panels.point(axes, x + shift, found, low=0, high=1, **look)
    axes.grid(axis="x", visible=False)


def _gains(axes: Axes, table: pd.DataFrame) -> None:
    """Gains against those of Gaussian members; a point is a task and learner."""
    top = 0.1
    for inputs, noisy, colour, marker, label in WORLDS:
        world = table.loc[(table["inputs"] == inputs) & ((table["label_noise"] > 0) == noisy)]
        lines = to_rgba(colour, 0.6)
        look = {"marker": marker, "mfc": colour, "ms": 5, "mec": "white", "mew": 0.4, "lw": 0.8}
        for target in world["target"].unique():
            task = select(world, target=target)
            for learner in LEARNERS:
                top = max(top, *_cross(axes, task, learner, color=lines, **look))
        axes.plot([], [], ls="none", label=label, **look)
    ends = (-0.03 * top, 1.15 * top)
    axes.plot(ends, ends, "--", color=style.INK, lw=1, zorder=1, label="as Gaussian members gain")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_xlabel("gain of Gaussian members, of the same mean and covariance")
    axes.set_ylabel("gain: mean member's error - ensemble's")
    axes.legend(fontsize=8.5, loc="lower right")


def _cross(axes: Axes, task: pd.DataFrame, learner: str, **look: Any) -> tuple[float, float]:
    """A learner's two gains on one task, each with its interval; returns their means."""
    across = panels.values(task, measured("surrogate_gain", learner))
    up = panels.values(task, measured("gain", learner))
    if across is None or up is None:
        return 0.0, 0.0
    x, y = float(across.by_seed.mean()), float(up.by_seed.mean())
    panels.point(axes, y, across, sideways=True, **look)
    panels.point(axes, x, up, **look)
    if learner == "smoothed" and "multi-view" in set(task["inputs"]):
        axes.annotate(
            "convolutional,\nsmoothed ReLU",
            (x, y),
            xytext=(8, -8),
            textcoords="offset points",
            va="top",
            fontsize=8.5,
        )
    return x, y
