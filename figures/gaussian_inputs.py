"""The negative control: ensembles on Gaussian-like inputs and on multi-view patches."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from multiview.runs.intervals import mean_interval

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
# Who is shown: column, colour, marker, its face, legend.
BLUE, GREEN = style.COLOURS["one"], style.COLOURS["ensemble"]
WHO = (
    ("one", BLUE, "o", BLUE, "mean member"),
    ("best", BLUE, "v", "white", "best member"),
    ("ensemble", GREEN, "D", GREEN, "ensemble"),
)
# What is compared with variance: inputs, label noise, colour, marker, legend.
WORLDS = (
    ("gaussian", "==", BLUE, "o", "Gaussian"),
    ("gaussian", ">", style.COLOURS["self"], "^", "Gaussian, noisy labels"),
    ("mixture", "==", style.COLOURS["sum"], "s", "mixture of Gaussians"),
    ("multi-view", "==", style.COLOURS["distilled"], "D", "multi-view, single-view samples"),
)


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``gaussian_inputs``.

    Args:
        table: One row a task and repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 10.6), layout="constrained")
    clean, noisy, below = figure.add_gridspec(3, 1, height_ratios=(1, 1, 1.5))
    gaussian = table.query("inputs == 'gaussian'")
    top = figure.add_subplot(clean)
    _control(top, gaussian.query("label_noise == 0"))
    top.tick_params(labelbottom=False)
    style.title(top, "a", "Gaussian inputs: an ensemble gains where its members vary")
    middle = figure.add_subplot(noisy, sharex=top)
    _control(middle, gaussian.query("label_noise > 0"))
    wrong = gaussian["label_noise"].max()
    style.title(middle, "b", f"With {wrong:.0%} of the training labels wrong: members vary more")
    _legend(top, len(table["seed"].unique()))
    left, right = (figure.add_subplot(cell) for cell in below.subgridspec(1, 2))
    _gains(left, table)
    style.title(left, "c", "Only the lottery gains more than variance")
    places = np.arange(len(LEARNERS))
    _errors(right, table.query("inputs == 'multi-view'"), places)
    right.set_xticks(places, list(LEARNERS.values()), fontsize=8.5)
    right.set_ylabel("test error on single-view samples")
    right.set_ylim(bottom=-0.01)
    style.title(right, "d", "Multi-view: the lottery's ensemble hardly errs")
    return figure


def _control(axes: Axes, table: pd.DataFrame) -> None:
    """A group of learners for each target network."""
    places = [g * (len(LEARNERS) + 1) + np.arange(len(LEARNERS)) for g in range(len(TARGETS))]
    for where, (target, name) in zip(places, TARGETS.items(), strict=True):
        _errors(axes, table.query(f"target == '{target}'"), where)
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
        title=f"mean, 95% interval,\nn = {n} repetitions",
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
            values = table[f"{learner}_{who}"].to_numpy()
            if len(values) > 0:
                mean, low, high = mean_interval(values)
                if len(values) > 1:
                    axes.vlines(x + shift, max(low, 0), min(high, 1), color=colour, lw=1.3)
                axes.plot(x + shift, mean, marker, color=colour, mfc=face, ms=5, zorder=3)
    axes.grid(axis="x", visible=False)


def _gains(axes: Axes, table: pd.DataFrame) -> None:
    """Gain against what variance allows; a point is a task and learner, lines are intervals."""
    top = 0.1
    for inputs, comparison, colour, marker, label in WORLDS:
        world = table.query(f"inputs == @inputs and label_noise {comparison} 0")
        for target in world["target"].unique():
            task = world.query(f"target == '{target}'")
            for learner in LEARNERS:
                x, x_low, x_high = mean_interval(task[f"{learner}_allowed"].to_numpy())
                y, y_low, y_high = mean_interval(task[f"{learner}_gain"].to_numpy())
                top = max(top, x, y)
                if len(task) > 1:
                    axes.hlines(y, x_low, x_high, color=colour, lw=0.8, alpha=0.6)
                    axes.vlines(x, y_low, y_high, color=colour, lw=0.8, alpha=0.6)
                axes.plot(x, y, marker, color=colour, ms=5, mec="white", mew=0.4, label=label)
                label = "_"  # named once
                if (inputs, learner) == ("multi-view", "smoothed"):
                    axes.annotate(
                        "convolutional,\nsmoothed ReLU",
                        (x, y),
                        xytext=(8, -8),
                        textcoords="offset points",
                        va="top",
                        fontsize=8.5,
                    )
    ends = (-0.03 * top, 1.15 * top)
    axes.plot(ends, ends, "--", color=style.INK, lw=1, zorder=1, label="all of it is variance")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_xlabel("gain that the members' variance allows")
    axes.set_ylabel("gain: mean member's error - ensemble's")
    axes.legend(fontsize=8.5, loc="lower right")
