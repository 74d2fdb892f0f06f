"""Three kinds of fixed-feature models on images: gains by method, and errors by ensemble size."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures._contrast import DATA, gains, percent, sizes

MODELS = {
    "kernel": ("tangent kernel, ridge regression", style.COLOURS["kernels"], "s"),
    "linearised": ("linearised network, cross-entropy", style.COLOURS["self"], "o"),
    "last_layer": ("last layer, ridge regression", style.INK, "^"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``cifar_ntk``.

    Args:
        table: One line a repetition and method.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    gains(left, table, {model: name for model, (name, *_) in MODELS.items()}, "error")
    cell = table.iloc[0]
    size = f"{cell['num_train']:,} images, {cell['members']} members"
    left.set_xlabel(f"{left.get_xlabel()}; {size}")
    style.title(left, "a", f"Random features, {DATA[cell['data']]}: gains over one model")
    sizes(right, table, MODELS, "error")
    percent(right)
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.35 * (high - low))  # room for the legend
    right.legend(fontsize=8.5, loc="upper right")
    style.title(right, "b", "Error by ensemble size")
    return figure
