"""A network against its tangent kernel: errors of one, ensemble, sum and distilled, and gains."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures._contrast import gains, methods

MODELS = {
    "network": ("network", style.COLOURS["one"], "o"),
    "kernel": ("its tangent kernel", style.COLOURS["kernels"], "s"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one comparison of a network with its kernel.

    Args:
        table: One line a repetition and method, with its ``model`` and ``role``.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 7.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(1.2, 1))
    methods(top, table, MODELS, "error", "test error")
    style.title(top, "a", "Errors")
    gains(bottom, table, {model: name for model, (name, _, _) in MODELS.items()}, "error")
    style.title(bottom, "b", "Gains over one")
    return figure
