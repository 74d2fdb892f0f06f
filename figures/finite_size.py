"""Finite size: one network's error along every axis, the regimes, and the vanishing start."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

AXES = {  # column, label, logarithmic, title
    "start": ("relative_start", "start / knee", True, "A middling start is best"),
    "q": ("q", "power q", False, "No lottery at q = 2"),
    "classes": ("spec.num_classes", "classes k (30 samples each)", True, "Up to 100 classes"),
    "single_samples": ("spec.mu", "single-view fraction mu", False, "Single views teach"),
    "noise": ("noise_norm", "noise norm of a patch", False, "Noise matters little"),
    "width": ("width", "neurons a class, m", True, "Width helps a little"),
}
REGIMES = {
    "one view learned": style.COLOURS["one"],
    "more views learned": style.COLOURS["sum"],
    "by heart": style.COLOURS["self"],
    "not trained": "#999999",
}
ONE, PREDICTED = style.COLOURS["one"], style.COLOURS["distilled"]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``finite_size``.

    Args:
        table: One row a cell; ``axis`` says which axis it belongs to.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 10.4), layout="constrained")
    axes = figure.subplots(3, 3)
    n = table["seed"].nunique()
    for place, letter, axis in zip(axes.flat, "abcdef", AXES, strict=False):
        _along(place, table, axis)
        style.title(place, letter, AXES[axis][-1])
    axes[0, 0].set_ylabel(f"single-view error\nmean, 95% interval, n = {n}")
    axes[0, 0].legend(fontsize=7.5)
    _views(axes[2, 0], table.loc[table["axis"] == "views"])
    style.title(axes[2, 0], "g", "L views: (1 - 1/L)$^K$")
    _phases(axes[2, 1], table.loc[table["axis"] == "phase"])
    style.title(axes[2, 1], "h", "Regimes")
    _vanishing(axes[2, 2], table.loc[table["axis"] == "extrapolation"])
    style.title(axes[2, 2], "i", "The start vanishes")
    return figure


def _along(axes: Axes, table: pd.DataFrame, axis: str) -> None:
    """Measured error, that predicted from coverage, and what one view a class would give."""
    column, label, logarithmic, _ = AXES[axis]
    rows = table.loc[table["axis"].isin([axis] if axis == "classes" else [axis, "base"])]
    style.curve(axes, rows, column, "one_single", color=ONE, label="measured")
    style.curve(
        axes,
        rows,
        column,
        "predicted_one",
        color=PREDICTED,
        marker="",
        ls="--",
        label="from coverage",
    )
    style.curve(
        axes,
        rows,
        column,
        "theory_one",
        color=style.INK,
        marker="",
        ls=":",
        label="one view a class",
    )
    if logarithmic:
        axes.set_xscale("log")
        values = sorted(rows[column].unique())
        axes.set_xticks(values, [f"{value:.3g}" for value in values], fontsize=8)
        axes.minorticks_off()
    axes.set_xlabel(label)
    axes.set_ylim(-0.02, 0.62)


def _views(axes: Axes, rows: pd.DataFrame) -> None:
    """Error of K averaged networks with two, three and four views a class."""
    colours = (style.COLOURS["one"], style.COLOURS["ensemble"], style.COLOURS["sum"])
    for colour, views in zip(colours, sorted(rows["spec.num_views"].unique()), strict=False):
        own = rows.loc[rows["spec.num_views"] == views]
        curves = np.stack([np.asarray(each) for each in own["by_size_single"]])
        sizes = np.arange(1, curves.shape[1] + 1)
        points = pd.DataFrame({"size": np.tile(sizes, len(curves)), "error": curves.ravel()})
        style.curve(axes, points, "size", "error", color=colour, label=f"L = {views}")
        axes.plot(sizes, (1 - 1 / views) ** sizes, "--", color=colour, lw=1)
    axes.set_xticks(range(1, 5))
    axes.set_ylim(-0.02, 0.85)
    axes.set_xlabel("networks averaged, K (dashed: the law)")
    axes.set_ylabel("single-view error")
    axes.legend(fontsize=8)


def _phases(axes: Axes, rows: pd.DataFrame) -> None:
    """A disc a cell, coloured by its commonest regime, with the mean error in it."""
    for place, own in rows.groupby(["relative_start", "relu_knee"]):
        start, knee = pd.Series(place).astype(float)
        regime = own["regime"].mode().iloc[0]
        axes.scatter(start, knee, s=430, color=REGIMES[regime], alpha=0.85, zorder=2)
        error = own["one_single"].mean()
        axes.annotate(f"{error:.2f}", (start, knee), ha="center", va="center", fontsize=7)
    for regime, colour in REGIMES.items():
        axes.scatter([], [], s=60, color=colour, label=regime)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for setter, column in ((axes.set_xticks, "relative_start"), (axes.set_yticks, "relu_knee")):
        values = sorted(rows[column].unique())
        setter(values, [f"{value:g}" for value in values], fontsize=8)
    axes.minorticks_off()
    axes.margins(0.25)
    axes.set_xlabel("start / knee (in a disc: mean error)")
    axes.set_ylabel("knee R")
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def _vanishing(axes: Axes, rows: pd.DataFrame) -> None:
    """Error and cost as the start vanishes, other classes being quiet."""
    style.curve(axes, rows, "relative_start", "one_single", color=ONE, label="error")
    axes.axhspan(0.49, 0.51, color="#DDDDDD", zorder=0, label="Theorem 1")
    axes.set_xscale("log")
    values = sorted(rows["relative_start"].unique())
    axes.set_xticks(values, [f"{value:g}" for value in values], fontsize=8, rotation=30)
    axes.minorticks_off()
    axes.set_xlabel("start / knee")
    axes.set_ylabel("single-view error, quiet setting")
    cost = axes.twinx()
    style.curve(
        cost,
        rows,
        "relative_start",
        "gradients",
        color=style.COLOURS["sum"],
        ls=":",
        label="gradients",
    )
    cost.set_ylim(bottom=0)
    cost.grid(visible=False)
    cost.set_ylabel("gradients to the end of training", color=style.COLOURS["sum"])
    axes.legend(fontsize=7.5, loc="lower left")
