"""Ensembles, sums and students on images: paired gains over one network, and each network."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures.forest import Line, forest, forest_key
from multiview.runs.estimates import measured, select

GROUPS = {  # networks: their ensemble, and how they were trained
    "member": ("ensemble", "trained on\nlabels"),
    "distilled": ("distilled_ensemble", "distilled from\nthe ensemble"),
    "self": ("self_ensemble", "self-\ndistilled"),
}
COLOURS = {
    "member": style.COLOURS["one"],
    "ensemble": style.COLOURS["ensemble"],
    "summed": style.COLOURS["sum"],
    "mean": style.COLOURS["sum"],
    "wide": style.GREY,
    "distilled": style.COLOURS["distilled"],
    "distilled_ensemble": style.COLOURS["distilled"],
    "self": style.COLOURS["self"],
    "self_ensemble": style.COLOURS["self"],
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``cifar_ensembles``.

    Args:
        table: One line a repetition and method.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _gains(left, table)
    first = table.iloc[0]
    name = style.DATA.get(first["data"], first["data"])
    style.title(left, "a", f"Gains on {name}, {first['num_train']:,} images")
    _members(right, table)
    style.title(right, "b", "Each network, and their ensemble")
    return figure


def _gains(axes: Axes, table: pd.DataFrame) -> None:
    """What each method gains over one network, paired by repetition; diamonds: ensembles."""
    one = measured("error", "member")
    labels = dict(zip(table["method"], table["label"], strict=True))
    lines = [
        Line(labels[who], one - measured("error", who), colour, "D" if "ensemble" in who else "o")
        for who, colour in COLOURS.items()
        if who != "member" and who in labels
    ]
    error = one.of(table).by_seed.mean()
    forest(axes, table, {f"one network: error {error:.1%}": lines})
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_xlabel("points of test error gained")
    forest_key(axes, table)
    panels.legend(axes)


def _members(axes: Axes, table: pd.DataFrame) -> None:
    """Dots: single networks; diamonds: their ensembles; a column a repetition."""
    ticks, n = {}, panels.repetitions(table)
    for g, (who, (ensemble, label)) in enumerate(GROUPS.items()):
        singles = select(table, method=who).set_index("seed")["each"]
        averaged = select(table, method=ensemble).set_index("seed")["error"]
        for i, seed in enumerate(singles.index):
            x = g * (n + 1) + i
            each = singles[seed]
            axes.scatter([x] * len(each), each, s=18, color=COLOURS[who], alpha=0.7)
            axes.scatter(x, averaged[seed], s=42, marker="D", color=COLOURS[ensemble])
        ticks[g * (n + 1) + (n - 1) / 2] = label
    axes.scatter([], [], s=18, color=style.GREY, alpha=0.7, label="one network")
    axes.scatter([], [], s=42, marker="D", color=style.GREY, label="their ensemble")
    panels.legend(axes, below=40)
    axes.set_xticks(list(ticks), list(ticks.values()), fontsize=8.5)
    axes.grid(axis="x", visible=False)
    panels.hundredths(axes.yaxis)
    axes.set_ylabel("test error, % (a column a repetition)")
