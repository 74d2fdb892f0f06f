"""Panels of the comparisons of models: bars by method, and errors by ensemble size."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from figures import style
from multiview.runs.intervals import mean_interval

METHODS = {
    "one": "one model",
    "ensemble": "ensemble",
    "sum": "trained as a sum",
    "distilled": "distilled from\nthe ensemble",
}


def bars(axes: Axes, table: pd.DataFrame, models: Mapping[str, str], label: str) -> None:
    """Bars: mean of the repetitions; dots: each of them; lines: 95% intervals.

    Args:
        models: What stands below the group of bars of each ``<model>_<method>``.
    """
    ticks, names, top = [], [], 0.0
    for g, (model, model_name) in enumerate(models.items()):
        for i, (method, name) in enumerate(METHODS.items()):
            x = g * (len(METHODS) + 1) + i
            values = table[f"{model}_{method}"].to_numpy()
            top = max(top, bar(axes, x, values, style.COLOURS[method]))
            ticks.append(x)
            names.append(name)
        centre = g * (len(METHODS) + 1) + (len(METHODS) - 1) / 2
        axes.text(
            centre,
            -0.3,
            model_name,
            ha="center",
            va="top",
            weight="bold",
            transform=axes.get_xaxis_transform(),
        )
    axes.set_xticks(ticks, names, rotation=32, ha="right", rotation_mode="anchor", fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.2 * top or 1)  # an interval of two repetitions may reach far beyond
    axes.set_ylabel(f"{label}\nmean, 95% interval, n = {len(table)}")


def bar(axes: Axes, x: float, values: np.ndarray, colour: str) -> float:
    """One bar with the dots, the interval and the mean's number; returns the highest dot."""
    mean, low, high = mean_interval(values)
    axes.bar(x, mean, width=0.72, color=colour, alpha=0.85, zorder=2)
    if len(values) > 1:
        axes.vlines(x, max(low, 0), min(high, 1), color=style.INK, lw=1.2, zorder=3)
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    axes.scatter(x + spread, values, s=13, color="white", ec=style.INK, lw=0.8, zorder=4)
    axes.annotate(
        f"{100 * mean:.1f}%",
        (x, max(*values, mean)),
        xytext=(0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        zorder=5,
    )
    return max(*values, mean)


def by_size(
    axes: Axes,
    table: pd.DataFrame,
    models: Mapping[str, tuple[str, str, str]],
    floor: float = 0.0,
) -> np.ndarray:
    """Error against the number of members averaged, mean and range of the repetitions.

    Args:
        models: Name, colour and marker of each ``<model>_by_size``.
        floor: Drawn in the place of any error below it, for a logarithmic axis.

    Returns:
        The sizes.
    """
    sizes = np.array([])
    for model, (name, colour, marker) in models.items():
        curves = np.stack([np.asarray(curve) for curve in table[f"{model}_by_size"]])
        sizes = np.arange(1, curves.shape[1] + 1)
        mean = np.maximum(curves.mean(0), floor)
        axes.plot(sizes, mean, marker=marker, ms=5, color=colour, label=name, zorder=3)
        if len(curves) > 1:
            axes.fill_between(
                sizes,
                np.maximum(curves.min(0), floor),
                np.maximum(curves.max(0), floor),
                color=colour,
                alpha=0.15,
                lw=0,
            )
    axes.set_xticks(sizes)
    axes.set_xlabel("number of members averaged, K")
    axes.set_ylabel("error of the ensemble")
    return sizes


def size_legend(axes: Axes) -> None:
    """The legend of ``by_size``."""
    axes.legend(
        title="mean and range of repetitions",
        fontsize=8.5,
        title_fontsize=8.5,
        loc="upper right",
    )
