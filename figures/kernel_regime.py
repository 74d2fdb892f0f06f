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
    figure = Figure(figsize=(style.WIDTH, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    methods(left, table, MODELS, "error", "test error")
    style.title(left, "a", "Errors")
    gains(right, table, {model: name for model, (name, _, _) in MODELS.items()}, "error")
    style.title(right, "b", "Gains over one")
    return figure
