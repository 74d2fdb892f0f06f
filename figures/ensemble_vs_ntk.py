"""The contrast of networks and kernels: errors, the theory 2^-K, and the views each has learned."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures._contrast import gains, methods, percent, sizes
from multiview.runs.estimates import select

MODELS = {
    "network": ("networks", style.COLOURS["one"], "o"),
    "kernel": ("tangent kernels", style.COLOURS["kernels"], "s"),
}
VIEWS = {
    "ensemble": ("ensemble", style.COLOURS["ensemble"]),
    "summed": ("trained as a sum", style.COLOURS["sum"]),
    "distilled": ("distilled", style.COLOURS["distilled"]),
    "self": ("self-distilled", style.COLOURS["self"]),
}
Strip = tuple[str, np.ndarray, str]  # label, views (k, L), colour


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``ensemble_vs_ntk``, on patches or on images.

    Args:
        table: One line a repetition and method; the strips are of the first repetition.
    """
    style.use()
    if "covered" not in table:
        return _draw_images(table)
    figure = Figure(figsize=(style.WIDTH, 9.6), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1, 1.25), hspace=0.05)
    top, bottom = (figure.add_subfigure(part) for part in grid)
    left, right = top.subplots(1, 2, width_ratios=(1.8, 1))
    methods(left, table, MODELS, "single", "error on single-view samples")
    style.title(left, "a", "The contrast of networks and kernels")
    _by_size(right, table)
    style.title(right, "b", "Error by ensemble size")
    axes = bottom.subplots()
    first = table["seed"].iloc[0]
    _views(axes, select(table, seed=first))
    style.title(axes, "c", f"Which views each has learned, two of each class (seed {first:.0f})")
    return figure


def _draw_images(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(style.WIDTH, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    gains(left, table, {model: name for model, (name, *_) in MODELS.items()}, "error")
    style.title(left, "a", f"Gains over one model, {style.DATA[table['data'].iloc[0]]}")
    sizes(right, table, MODELS, "error")
    percent(right)
    panels.legend(right)
    style.title(right, "b", "Error by ensemble size")
    return figure


def _by_size(axes: Axes, table: pd.DataFrame) -> None:
    """Error by the number of members averaged, beside the theory's."""
    found = sizes(axes, table, MODELS, "single")
    look = {"ls": "--", "lw": 1.2, "color": style.INK, "zorder": 1}
    theory = [select(table, model="network", size=size)["theory"].iloc[0] for size in found]
    axes.plot(found, theory, label="theory, $2^{-K}$", **look)
    axes.set_yscale("symlog", linthresh=1e-3, linscale=0.4)
    axes.set_ylim(0, 1)
    axes.set_yticks([1, 0.1, 0.01, 0.001, 0], ["100%", "10%", "1%", "0.1%", "0"])
    axes.minorticks_off()
    axes.legend(fontsize=9, loc="upper right")


def _views(axes: Axes, table: pd.DataFrame) -> None:
    """Strips of single networks, of what is made of them, and of kernels."""
    known = table.loc[table["covered"].notna(), ["method", "covered"]]
    covered = {method: np.asarray(views, bool) for method, views in known.to_numpy()}
    rows: list[tuple[float, Strip]] = []
    y = 0.0
    for strips in _groups(covered):
        for strip in strips:
            rows.append((y, strip))
            y += 1
        y += 0.5
    panels.strips(axes, [(y, views, colour) for y, (_, views, colour) in rows])
    axes.set_yticks([y for y, _ in rows], [label for _, (label, *_) in rows], fontsize=8.5)
    axes.set_ylim(y - 0.9, -0.6)
    for height, (_, views, colour) in rows:
        text = f"{views.mean():.0%}"
        axes.text(1.005, height, text, color=colour, weight="bold", fontsize=8.5, va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xlabel(
        "class, a cell for each of its views: filled where at least 90% of the samples that show "
        "this view alone are right; right: share of the views",
        fontsize=8.5,
    )
    axes.tick_params(axis="both", length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _groups(covered: Mapping[str, np.ndarray]) -> list[list[Strip]]:
    """The strips of each group."""
    one = style.COLOURS["one"]
    members = [(f"network {i + 1}", views, one) for i, views in enumerate(covered["member"])]
    networks = [(label, _first(covered[role]), colour) for role, (label, colour) in VIEWS.items()]
    kernels = [("one kernel", _first(covered["kernel_member"]), one)] + [
        (f"kernels: {label}", _first(covered[f"kernel_{role}"]), colour)
        for role, (label, colour) in VIEWS.items()
        if role != "self"
    ]
    return [members, networks, kernels]


def _first(views: np.ndarray) -> np.ndarray:
    """The views of the first of many, (k, L)."""
    return views if views.ndim == 2 else views[0]
