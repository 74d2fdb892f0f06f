"""Every method as a row: the views that it has learned, their fraction, and its errors."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures import style
from multiview.runs.intervals import mean_interval

# Title of a group, its colour, and its methods' names.
GROUPS: dict[str, tuple[str, str, dict[str, str]]] = {
    "labels": (
        "labels alone",
        style.COLOURS["one"],
        {
            "one": "one network",
            "labels": "as many steps as students",
        },
    ),
    "averaging": (
        "averaging",
        style.COLOURS["ensemble"],
        {
            "ensemble": "ensemble",
            "summed": "trained as a sum",
        },
    ),
    "students": (
        "students",
        style.COLOURS["distilled"],
        {
            "hinton": "of the ensemble, Hinton's loss",
            "squares": "of the ensemble, squared logits",
            "paper": "of the ensemble, paper's update",
            "self_fresh": "of one net (self), fresh start",
            "self_continued": "of one net (self), two phases",
        },
    ),
    "dropout": (
        "dropout in training",
        style.COLOURS["dropout"],
        {
            "neuron": "of neurons",
            "neuron_masks": "mean over its masks",
            "neuron_distilled": "its masks, distilled",
            "patch": "of patches",
            "patch_masks": "mean over its masks",
            "patch_distilled": "its masks, distilled",
        },
    ),
    "rocket": (
        "rocket launching",
        style.COLOURS["rocket"],
        {
            "rocket": "light net, nothing shared",
            "rocket_booster": "its booster",
            "rocket_kd": "light net, and a trained net",
            "rocket_late": "light net, late hint",
            "rocket_unblocked": "light net, hint not blocked",
            "rocket_half": "light net, half of it shared",
            "rocket_shared": "light net, all of it shared",
            "rocket_ensemble": "light net, ensemble boosts",
            "rocket_boosters": "mean of its boosters",
        },
    ),
    "gates": (
        "neurons behind gates",
        style.COLOURS["gates"],
        {
            "dense": "light penalty, labels",
            "dense_soft": "light penalty, of the ensemble",
            "pruned": "strong penalty, labels",
            "pruned_soft": "strong penalty, of the ensemble",
        },
    ),
    "kernels": (
        "tangent kernels",
        style.COLOURS["kernels"],
        {
            "kernel_one": "one kernel",
            "kernel_ensemble": "ensemble",
            "kernel_sum": "sum",
            "kernel_distilled": "ensemble, distilled",
        },
    ),
}
SPACE = 1.0  # rows that a group's name takes


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``coverage_of_methods``.

    Args:
        table: One row a repetition; the strips are of the first.
    """
    style.use()
    bottom = max(y for *_, y in _rows())
    figure = Figure(figsize=(style.WIDTH, 1.5 + 0.27 * bottom), layout="constrained")
    strips, coverage, errors = figure.subplots(1, 3, sharey=True, width_ratios=(1.75, 1.3, 1.1))
    _strips(strips, table.iloc[0])
    style.title(strips, "a", f"Which views: repetition {table['seed'].iloc[0]:.0f}")
    _coverage(coverage, table)
    style.title(coverage, "b", "Views learned: c")
    _errors(errors, table)
    style.title(errors, "c", "Test errors")
    strips.set_ylim(bottom + 0.7, -0.6)
    places = [y for *_, y in _rows()]
    strips.set_yticks(places, [name for _, name, _, _ in _rows()], fontsize=9)
    for axes in (strips, coverage, errors):
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    for axes in (coverage, errors):
        axes.hlines(places, 0, 1, color=style.FAINT, lw=0.8, zorder=0)
    return figure


def _rows() -> Iterator[tuple[str, str, str, float]]:
    """Column, name, colour and height of each method."""
    y = 0.0
    for _, colour, methods in GROUPS.values():
        y += SPACE
        for who, name in methods.items():
            yield who, name, colour, y
            y += 1


def _strips(axes: Axes, row: pd.Series) -> None:
    """A cell a view, the views of a class side by side; filled where it is learned."""
    k = L = 0
    for who, _, colour, y in _rows():
        covered = np.asarray(row[f"coverage_{who}"], bool)
        k, L = covered.shape
        for i in range(k):
            for v in range(L):
                place = (i * (L + 0.6) + v, y - 0.36)
                face = colour if covered[i, v] else style.FAINT
                axes.add_patch(Rectangle(place, 0.94, 0.72, facecolor=face, lw=0))
    y = 0.0
    for name, colour, methods in GROUPS.values():
        text = axes.text(-0.02, y, name, color=colour, weight="bold", fontsize=9.5, va="center")
        text.set(ha="right", transform=axes.get_yaxis_transform())
        y += SPACE + len(methods)
    axes.set_xlim(-0.3, k * (L + 0.6) - 0.3)
    axes.set_xticks([i * (L + 0.6) + L / 2 for i in range(k)], [f"{i}" for i in range(k)])
    axes.grid(visible=False)
    axes.set_xlabel("class, a cell for each of its views", fontsize=9)


def _coverage(axes: Axes, table: pd.DataFrame) -> None:
    """Means with 95% intervals, and what the theory says where it does."""
    for who, _, colour, y in _rows():
        _point(axes, table[f"{who}_coverage"].to_numpy(float), y, colour)
        if f"{who}_predicted" in table:
            theory = table[f"{who}_predicted"].to_numpy(float).mean()
            axes.plot([theory], [y], "|", ms=11, mew=1.8, color=style.INK, zorder=2)
    axes.plot([], [], "|", ms=9, mew=1.8, color=style.INK, label="theory")
    axes.plot([], [], "o", ms=5.5, color=style.GREY, label=f"mean, 95% interval, n = {len(table)}")
    axes.set_xlim(0, 1.03)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "¼", "½", "¾", "1"])
    _legend(axes)


def _errors(axes: Axes, table: pd.DataFrame) -> None:
    top = 0.05
    for who, _, colour, y in _rows():
        single = table[f"{who}_single"].to_numpy(float)
        top = max(top, _point(axes, single, y, colour))
        multi = table[f"{who}_multi"].to_numpy(float).mean()
        law = table[f"{who}_law"].to_numpy(float).mean()
        axes.plot([law], [y], "|", ms=11, mew=1.2, color=style.GREY, zorder=1)
        axes.plot([multi], [y], "D", ms=4, mfc="white", mec=colour, mew=1.1, zorder=4)
        top = max(top, law, multi)
    axes.plot([], [], "o", ms=5.5, color=style.GREY, label="single-view samples")
    axes.plot([], [], "D", ms=4, mfc="white", mec=style.GREY, label="multi-view samples")
    axes.plot([], [], "|", ms=9, mew=1.2, color=style.GREY, label="single-view, from c")
    ticks = np.arange(0, min(1, 1.1 * top) + 1e-9, 0.2 if top > 0.35 else 0.1)
    axes.set_xticks(ticks, [f"{100 * tick:.0f}%" for tick in ticks])
    axes.set_xlim(-0.02 * top, min(1.02, 1.12 * top))
    _legend(axes)


def _point(axes: Axes, values: np.ndarray, y: float, colour: str) -> float:
    """A mean and its 95% interval cut to fractions; returns the right end."""
    mean, low, high = mean_interval(values)
    if not np.isfinite([low, high]).all():  # of one value
        low = high = mean
    low, high = np.clip([low, high], 0, 1)
    axes.hlines(y, low, high, color=colour, lw=1.6, zorder=3)
    axes.plot([mean], [y], "o", ms=5.5, color=colour, zorder=3)
    return float(high)


def _legend(axes: Axes) -> None:
    """Below the panel, where it hides no row."""
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.035), fontsize=8.5, frameon=False, ncols=1
    )
