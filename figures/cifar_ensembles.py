"""Ensembles, sums and students on images: errors, ensemble sizes, and members one by one."""

from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

GROUPS = {  # networks: their ensemble, how they were trained, colour, marker
    "member": ("ensemble", "trained on labels", style.COLOURS["one"], "o"),
    "distilled": (
        "distilled_ensemble",
        "distilled from the ensemble",
        style.COLOURS["distilled"],
        "s",
    ),
    "self": ("self_ensemble", "self-distilled", style.COLOURS["self"], "^"),
}
COLOURS = {
    "member": style.COLOURS["one"],
    "ensemble": style.COLOURS["ensemble"],
    "summed": style.COLOURS["sum"],
    "distilled": style.COLOURS["distilled"],
    "distilled_ensemble": style.COLOURS["distilled"],
    "self": style.COLOURS["self"],
    "self_ensemble": style.COLOURS["self"],
}
DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "multi_view": "made-up images"}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``cifar_ensembles``.

    Args:
        table: One line a repetition and method.
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
    _by_size(left, table)
    style.title(left, "b", "Error by ensemble size")
    _members(right, table)
    style.title(right, "c", "Each network, and what averaging them gives")
    return figure


def _bars(axes: Axes, table: pd.DataFrame) -> None:
    labels = dict(zip(table["method"], table["label"], strict=True))
    highest = [0.0]
    for x, (who, colour) in enumerate(COLOURS.items()):
        found = panels.values(table, measured("error", who))
        assert found is not None
        highest.append(panels.bar(axes, x, found, colour))
    one = select(table, method="member")["error"].to_numpy(float).mean()
    axes.axhline(one, color=COLOURS["member"], ls="--", lw=1, zorder=1)
    axes.set_xticks(range(len(COLOURS)), [fill(labels[who], 16) for who in COLOURS], fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.2 * max(highest) or 1)
    axes.set_ylabel(f"test error\n{panels.by_repetition(panels.repetitions(table))}")


def _by_size(axes: Axes, table: pd.DataFrame) -> None:
    """Means of 1, 2, ... networks averaged, with bands of their intervals."""
    sizes = range(1, int(table["members"].to_numpy()[0]) + 1)
    for who, (ensemble, label, colour, marker) in GROUPS.items():
        between = [f"{ensemble}_{size}" for size in sizes[1:-1]]
        methods = zip(sizes, (who, *between, ensemble), strict=True)
        points = {float(size): measured("error", method) for size, method in methods}
        look = {"color": colour, "marker": marker, "label": label}
        panels.curve(axes, table, points, low=0, high=1, band=True, **look)
    axes.set_xticks(sizes)
    axes.set_xlabel("number of members averaged, K")
    axes.set_ylabel("error of the ensemble")
    axes.legend(title="mean and 95% interval", fontsize=8.5, title_fontsize=8.5, loc="best")


def _members(axes: Axes, table: pd.DataFrame) -> None:
    """Dots: single networks; diamonds: their ensembles; a column a repetition."""
    ticks, n = [], panels.repetitions(table)
    for g, (who, (ensemble, label, colour, _)) in enumerate(GROUPS.items()):
        singles = select(table, method=who).set_index("seed")["each"]
        averaged = select(table, method=ensemble).set_index("seed")["error"]
        for i, seed in enumerate(singles.index):
            x = g * (n + 1) + i
            axes.scatter([x] * len(singles[seed]), singles[seed], s=18, color=colour, alpha=0.7)
            axes.scatter(x, averaged[seed], s=42, marker="D", color=colour, ec=style.INK)
        ticks.append((g * (n + 1) + (n - 1) / 2, label))
    axes.scatter([], [], s=18, color=style.INK, alpha=0.7, label="one network")
    axes.scatter([], [], s=42, marker="D", color="white", ec=style.INK, label="their ensemble")
    axes.legend(fontsize=8.5, loc="best")
    places, labels = zip(*ticks, strict=True)
    axes.set_xticks(places, [label.replace(" from", "\nfrom") for label in labels], fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("test error (a column a repetition)")
