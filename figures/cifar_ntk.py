"""Three kinds of fixed-feature models on images: gains by method."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures._contrast import gains

MODELS = {
    "kernel": "tangent kernel, ridge regression",
    "linearised": "linearised network, cross-entropy",
    "last_layer": "last layer, ridge regression",
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``cifar_ntk``.

    Args:
        table: One line a repetition and method.
    """
    style.use()
    figure = Figure(figsize=(0.8 * style.WIDTH, 4.6), layout="constrained")
    axes = figure.subplots()
    gains(axes, table, MODELS, "error")
    cell = table.iloc[0]
    size = f"{cell['num_train']:,} images, {cell['members']} members"
    style.title(axes, "a", f"Gains over one model: {style.DATA[cell['data']]}, {size}")
    return figure
