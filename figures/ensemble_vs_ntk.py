"""The contrast of networks and kernels: errors, the law 2^-K, and the views each has learned."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures import style
from figures._contrast import bars, by_size, size_legend

MODELS = {"network": "networks", "ntk": "tangent kernels"}
CURVES = {
    "network": (MODELS["network"], style.COLOURS["one"], "o"),
    "ntk": (MODELS["ntk"], style.COLOURS["sum"], "s"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``ensemble_vs_ntk``, on patches or on images.

    Args:
        table: One row a repetition.
    """
    style.use()
    if "coverage_one" not in table:
        return _draw_images(table)
    figure = Figure(figsize=(style.WIDTH, 9.2), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1, 1.12), hspace=0.04)
    top = figure.add_subfigure(grid[0])
    bottom = figure.add_subfigure(grid[1])
    left, right = top.subplots(1, 2, gridspec_kw={"width_ratios": (1.5, 1)})
    bars(left, table, MODELS, "test error on single-view samples")
    style.title(left, "a", "The contrast of networks and kernels")
    _by_size(right, table)
    style.title(right, "b", "Error by ensemble size")
    axes = bottom.subplots()
    _coverage(axes, table.iloc[0])
    style.title(axes, "c", "Which views each has learned: a row a view, a column a classifier")
    return figure


def _draw_images(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(style.WIDTH, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1.5, 1)})
    bars(left, table, MODELS, "test error")
    style.title(left, "a", f"Networks and kernels on {_data_name(table)}")
    _by_size(right, table)
    style.title(right, "b", "Error by ensemble size")
    return figure


def _data_name(table: pd.DataFrame) -> str:
    names = {"cifar10": "CIFAR-10", "mnist": "MNIST"}
    name = str(table["data"].iloc[0])
    return names.get(name, name)


def _by_size(axes: Axes, table: pd.DataFrame) -> None:
    """Error against the number of members averaged; on patches beside the theory's."""
    theory = "theory_by_size" in table
    floor = 1e-3 if theory else 0.0
    sizes = by_size(axes, table, CURVES, floor)
    if theory:
        law = table["theory_by_size"].iloc[0]
        axes.plot(sizes, law, "--", color=style.INK, lw=1.2, label="theory, $2^{-K}$")
        axes.set_yscale("log")
        axes.set_ylim(floor * 0.8, 1)
        axes.set_yticks([1, 0.1, 0.01, 0.001], ["100%", "10%", "1%", "0.1%"])
    size_legend(axes)


def _coverage(axes: Axes, row: pd.Series) -> None:
    """Views by classifiers of one repetition; a filled cell is a view learned."""
    members = np.asarray(row["coverage_one"])  # (E, k, L)
    _, k, L = members.shape
    groups = [
        ("networks, one by one", members, [f"{e + 1}" for e in range(len(members))], "one"),
        *(
            ("", np.asarray(row[f"coverage_{who}"])[None], [name], who)
            for who, name in (
                ("ensemble", "ensemble"),
                ("sum", "trained\nas a sum"),
                ("distilled", "distilled"),
                ("self", "self-\ndistilled"),
            )
        ),
        ("", np.asarray(row["coverage_ntk_one"])[:1], ["NTK\none"], "one"),
        ("", np.asarray(row["coverage_ntk_ensemble"])[None], ["NTK\nensemble"], "ensemble"),
        ("", np.asarray(row["coverage_ntk_sum"])[None], ["NTK\nsum"], "sum"),
        ("", np.asarray(row["coverage_ntk_distilled"])[None], ["NTK\ndistilled"], "distilled"),
    ]
    x, ticks, names = 0.0, [], []
    for _, covered, labels, method in groups:
        for views, label in zip(covered, labels, strict=True):
            for i in range(k):
                for v in range(L):
                    # Classes are set apart by a gap; view 1 stands above view 2.
                    y = i * (L + 0.6) + v
                    face = style.COLOURS[method] if views[i, v] else "#F0F0F0"
                    axes.add_patch(_box(x, y, face))
            ticks.append(x + 0.5)
            names.append(f"{views.mean():.0%}\n{label}")
            x += 1
        x += 0.5
    height = k * (L + 0.6) - 0.6
    axes.set_xlim(-0.2, x)
    axes.set_ylim(height + 0.2, -0.4)
    axes.set_xticks(ticks, names, rotation=0, fontsize=8)
    axes.set_yticks(
        [i * (L + 0.6) + L / 2 for i in range(k)], [f"class {i}" for i in range(k)], fontsize=8
    )
    axes.set_xlabel(
        "views covered (right on 90% of the samples that show this view alone); numbers: single "
        "networks; one repetition",
        fontsize=8.5,
    )
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)


def _box(x: float, y: float, face: str) -> Rectangle:
    return Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, facecolor=face, edgecolor="white", lw=0.5)
