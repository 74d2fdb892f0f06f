"""Finite size: one network's error along every axis, the regimes, and the vanishing start."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import Estimate, measured, select

AXES = {  # column, label, logarithmic, title
    "start": ("relative_start", "start / knee", True, "Most at a middling start"),
    "q": ("q", "power q", False, "q = 2 learns both views"),
    "classes": ("spec.num_classes", "classes k (30 samples each)", True, "Up to 100 classes"),
    "single_samples": ("spec.mu", "single-view fraction mu", False, "Single views teach"),
    "noise": ("noise_norm", "noise norm of a patch", False, "Noise matters little"),
    "width": ("width", "neurons a class, m", True, "Width helps a little"),
}
REGIMES = {
    "one view learned": style.COLOURS["one"],
    "more views learned": style.COLOURS["sum"],
    "memorised": style.COLOURS["self"],
    "not trained": "#999999",
}
LINES: dict[str, dict[str, Any]] = {  # measure: look
    "single": {"color": style.COLOURS["one"], "label": "measured"},
    "predicted": {
        "color": style.COLOURS["distilled"],
        "marker": "",
        "ls": "--",
        "label": "from coverage",
    },
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``finite_size``.

    Args:
        table: Lines of the cells; ``axis`` says which axis they belong to.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 10.4), layout="constrained")
    axes = figure.subplots(3, 3)
    for panel, letter, axis in zip(axes.flat, "abcdef", AXES, strict=False):
        _along(panel, select(table, axis=axis), axis)
        style.title(panel, letter, AXES[axis][-1])
    note = panels.by_repetition(panels.repetitions(table))
    axes[0, 0].set_ylabel(f"single-view error\n{note}")
    axes[0, 0].legend(fontsize=7.5, loc="lower left")
    _views(axes[2, 0], select(table, axis="views"))
    style.title(axes[2, 0], "g", "L views: (1 - 1/L)$^K$")
    _phases(axes[2, 1], select(table, axis="phase", method="member"))
    style.title(axes[2, 1], "h", "Regimes")
    _vanishing(axes[2, 2], select(table, axis="extrapolation", method="member"))
    style.title(axes[2, 2], "i", "The start vanishes")
    return figure


def _by(table: pd.DataFrame, column: str, measure: str) -> dict[float, Estimate]:
    """A measure of one network at each value of a column."""
    values = np.unique(table[column].to_numpy(float)).tolist()
    return {value: measured(measure, "member", **{column: value}) for value in values}


def _along(axes: Axes, table: pd.DataFrame, axis: str) -> None:
    """Measured error, that predicted from coverage, and what one view a class would give."""
    column, label, logarithmic, _ = AXES[axis]
    for measure, look in LINES.items():
        panels.curve(axes, table, _by(table, column, measure), low=0, high=1, **look)
    known = select(table, method="member").drop_duplicates(column).sort_values(column)
    theory = (known[name].to_numpy(float) for name in (column, "theory"))
    axes.plot(*theory, ":", color=style.INK, label="one view a class")
    if logarithmic:
        axes.set_xscale("log")
        values = np.unique(table[column].to_numpy())
        axes.set_xticks(values, [f"{value:.3g}" for value in values], fontsize=8)
        axes.minorticks_off()
    axes.set_xlabel(label)
    axes.set_ylim(-0.02, 0.62)


def _views(axes: Axes, table: pd.DataFrame) -> None:
    """Error of K averaged networks with two, three and four views a class."""
    colours = (style.COLOURS["one"], style.COLOURS["ensemble"], style.COLOURS["sum"])
    sizes = np.unique(table["size"].dropna().to_numpy())
    for colour, views in zip(colours, np.unique(table["spec.num_views"]).tolist(), strict=False):
        own = select(table, **{"spec.num_views": views})
        errors = {size: measured("single", size=size) for size in sizes.tolist()}
        panels.curve(axes, own, errors, low=0, high=1, color=colour, label=f"L = {views}")
        axes.plot(sizes, (1 - 1 / views) ** sizes, "--", color=colour, lw=1)
    axes.set_xticks(range(1, 5))
    axes.set_ylim(-0.02, 0.85)
    axes.set_xlabel("networks averaged, K (dashed: theory)")
    axes.set_ylabel("single-view error")
    axes.legend(fontsize=8)


def _phases(axes: Axes, table: pd.DataFrame) -> None:
    """A disc a cell, coloured by its commonest regime, with the mean error in it."""
    for pair, own in table.groupby(["relative_start", "relu_knee"]):
        start, knee = pd.Series(pair).astype(float)
        regime = own["regime"].mode().iloc[0]
        axes.scatter(start, knee, s=430, color=REGIMES[regime], alpha=0.85, zorder=2)
        error = own["single"].mean()
        axes.annotate(f"{error:.2f}", (start, knee), ha="center", va="center", fontsize=7)
    for regime, colour in REGIMES.items():
        axes.scatter([], [], s=60, color=colour, label=regime)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for setter, column in ((axes.set_xticks, "relative_start"), (axes.set_yticks, "relu_knee")):
        values = sorted(table[column].unique())
        setter(values, [f"{value:g}" for value in values], fontsize=8)
    axes.minorticks_off()
    axes.margins(0.25)
    axes.set_xlabel("start / knee (in a disc: mean error)")
    axes.set_ylabel("knee R")
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def _vanishing(axes: Axes, table: pd.DataFrame) -> None:
    """Error and cost as the start vanishes, other classes being weak."""
    errors, costs = (_by(table, "relative_start", name) for name in ("single", "gradients"))
    panels.curve(axes, table, errors, low=0, high=1, color=style.COLOURS["one"], label="error")
    axes.axhspan(0.49, 0.51, color="#DDDDDD", zorder=0, label="Theorem 1")
    axes.set_xscale("log")
    axes.set_xticks(list(errors), [f"{start:g}" for start in errors], fontsize=8, rotation=30)
    axes.minorticks_off()
    axes.set_xlabel("start / knee")
    axes.set_ylabel("single-view error, weak other classes")
    cost = axes.twinx()
    panels.curve(cost, table, costs, color=style.COLOURS["sum"], ls=":")
    cost.set_ylim(bottom=0)
    cost.grid(visible=False)
    cost.set_ylabel("gradients to the end of training", color=style.COLOURS["sum"])
    axes.legend(fontsize=7.5, loc="lower left")
