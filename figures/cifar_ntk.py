"""Three kinds of fixed-feature models on images: errors by method, and by ensemble size."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from figures import style
from figures._contrast import METHODS, bars, by_size, size_legend

COLUMNS = {
    "ntk": "tangent kernel,\nridge regression",
    "linearised": "linearised network,\ncross-entropy",
    "last_layer": "last layer,\nridge regression",
}
CURVES = {
    "ntk": ("tangent kernel", style.COLOURS["sum"], "s"),
    "linearised": ("linearised network", style.COLOURS["self"], "o"),
    "last_layer": ("last layer", style.INK, "^"),
}
DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "multi_view": "made-up images"}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``cifar_ntk``.

    Args:
        table: One row a repetition.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (2.1, 1)})
    bars(left, table, COLUMNS, "test error")
    _likes(left, table)
    left.yaxis.set_major_formatter(PercentFormatter(1, 0))
    cell = table.iloc[0]
    name = DATA.get(str(cell["data"]), str(cell["data"]))
    style.title(
        left,
        "a",
        f"Random features, {name}: {cell['num_train']:,} images, {cell['members']} members",
    )
    by_size(right, table, CURVES)
    right.yaxis.set_major_formatter(PercentFormatter(1, 0))
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.35 * (high - low))  # room for the legend
    size_legend(right)
    style.title(right, "b", "Error by ensemble size")
    return figure


def _likes(axes: Axes, table: pd.DataFrame) -> None:
    """Across each student's bar, the mean error of its like: the same features, fit to labels."""
    for g, column in enumerate(COLUMNS):
        like = table[f"{column}_one_each"].str[0].to_numpy().mean()
        x = g * (len(METHODS) + 1) + list(METHODS).index("distilled")
        label = "_" if g else "the student's features, fit to labels"
        axes.hlines(like, x - 0.5, x + 0.5, color=style.INK, ls=(0, (3, 1.5)), label=label)
    axes.legend(loc="upper left", fontsize=8.5)
