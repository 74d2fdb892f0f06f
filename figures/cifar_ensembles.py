"""Ensembles, sums and students on images: errors, ensemble sizes, and members one by one."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import _contrast, style

METHODS = {
    "one": "one network",
    "ensemble": "ensemble",
    "sum": "trained\nas a sum",
    "distilled": "distilled from\nthe ensemble",
    "distilled_ensemble": "ensemble\nof distilled",
    "self": "self-\ndistilled",
    "self_ensemble": "ensemble of\nself-distilled",
}
COLOURS = {
    **{who: style.COLOURS[who] for who in ("one", "ensemble", "sum", "distilled", "self")},
    "distilled_ensemble": style.COLOURS["distilled"],
    "self_ensemble": style.COLOURS["self"],
}
GROUPS = {  # single networks, their ensemble, how they were trained, marker
    "one": ("ensemble", "trained on labels", "o"),
    "distilled": ("distilled_ensemble", "distilled from the ensemble", "s"),
    "self": ("self_ensemble", "self-distilled", "^"),
}
DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "multi_view": "made-up images"}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``cifar_ensembles``.

    Args:
        table: One row a repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 7.6), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.12, 1))
    top, bottom = (figure.add_subfigure(part) for part in grid)
    axes = top.subplots()
    _bars(axes, table)
    first = table.iloc[0]
    name = DATA.get(first["data"], first["data"])
    style.title(axes, "a", f"{name}, {first['num_train']:,} training images")
    left, right = bottom.subplots(1, 2)
    models = {
        ensemble: (label, COLOURS[who], marker) for who, (ensemble, label, marker) in GROUPS.items()
    }
    _contrast.by_size(left, table, models)
    _contrast.size_legend(left)
    style.title(left, "b", "Error by ensemble size")
    _members(right, table)
    style.title(right, "c", "Each network, and what averaging them gives")
    return figure


def _bars(axes: Axes, table: pd.DataFrame) -> None:
    highest = [
        _contrast.bar(axes, x, table[who].to_numpy(), COLOURS[who]) for x, who in enumerate(METHODS)
    ]
    axes.axhline(
        float(table["one"].to_numpy().mean()), color=COLOURS["one"], ls="--", lw=1, zorder=1
    )
    axes.set_xticks(range(len(METHODS)), list(METHODS.values()), fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.2 * max(highest) or 1)
    axes.set_ylabel(f"test error\nmean, 95% interval, n = {len(table)}")


def _members(axes: Axes, table: pd.DataFrame) -> None:
    """Dots: single networks; diamonds: their ensembles; a column a repetition."""
    ticks = []
    for g, (who, (ensemble, label, _)) in enumerate(GROUPS.items()):
        for i, (each, averaged) in enumerate(
            zip(table[f"{who}_each"], table[ensemble], strict=True)
        ):
            x = g * (len(table) + 1) + i
            axes.scatter(np.full(len(each), x), each, s=18, color=COLOURS[who], alpha=0.7)
            axes.scatter(x, averaged, s=42, marker="D", color=COLOURS[who], ec=style.INK)
        ticks.append((g * (len(table) + 1) + (len(table) - 1) / 2, label))
    axes.scatter([], [], s=18, color=style.INK, alpha=0.7, label="one network")
    axes.scatter([], [], s=42, marker="D", color="white", ec=style.INK, label="their ensemble")
    axes.legend(fontsize=8.5, loc="best")
    places, labels = zip(*ticks, strict=True)
    axes.set_xticks(places, [label.replace(" from", "\nfrom") for label in labels], fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("test error (a column a repetition)")
