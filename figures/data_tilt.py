"""How often each view is learned, and what K networks and their mean miss."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured

MOST = 16  # networks averaged, of those that are drawn
LEAST = 1e-4  # where the logarithmic axis ends and a linear one goes on to 0
KINDS = {  # method: its averages, what its samples are, colour
    "member": ("ensemble", "the same samples", style.COLOURS["ensemble"]),
    "bagged": ("bagging", "bootstrap samples", style.COLOURS["rocket"]),
    "own": ("own_ensemble", "samples of their own", style.COLOURS["one"]),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``data_tilt``."""
    style.use()
    figure = Figure(figsize=(style.WIDTH, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    how_often(left, table)
    style.title(left, "a", "How often networks learn a view")
    missed(right, table)
    style.title(right, "b", "Views missed by K networks")
    return figure


def how_often(axes: Axes, table: pd.DataFrame) -> None:
    """Views by the fraction of networks that learn them, and what even odds would give."""
    networks = 1
    for method, (_, label, colour) in KINDS.items():
        covered: Any = table.loc[table["method"] == method, "covered"]
        shares = np.concatenate([np.asarray(each, float).mean(0).ravel() for each in covered])
        networks = len(covered.iloc[0])
        edges = [(i - 0.5) / networks for i in range(networks + 2)]
        look = {"histtype": "step", "lw": 1.8, "color": colour, "label": label}
        axes.hist(shares, edges, density=True, **look)
    draws = np.arange(networks + 1)
    even = np.array([_even(int(i), networks) for i in draws]) * networks
    axes.plot(draws / networks, even, "--", color=style.INK, lw=1.2, label="even odds")
    n = f"{networks} networks on each of {panels.repetitions(table)} data sets"
    axes.set_xlabel(f"fraction of the networks that learn a view, p\n{n}")
    axes.set_ylabel("density over views")
    axes.legend(fontsize=8.5)


def _even(i: int, networks: int) -> float:
    """The probability that i of so many networks learn a view, with even odds."""
    from scipy.stats import binom

    return float(binom.pmf(i, networks, 0.5))


def missed(axes: Axes, table: pd.DataFrame) -> None:
    """Views that none of K networks covers, those that the mean does not, and 2^-K."""
    sizes = [K for K in sorted(table["size"].dropna().unique()) if K <= MOST]
    mean = {K: measured("lost", f"ensemble_{K:.0f}") for K in sizes}
    colour = style.COLOURS["ensemble"]
    look: dict[str, Any] = {"color": colour, "ls": ":", "marker": "s"}
    look["label"] = "by their mean, the same samples"
    panels.curve(axes, table, mean, low=0, high=1, **look)
    for averages, label, colour in KINDS.values():
        look = {"color": colour, "label": f"by each, {label}"}
        points = {K: measured("missed", f"{averages}_{K:.0f}") for K in sizes}
        panels.curve(axes, table, points, low=0, high=1, band=True, **look)
    theory = [2.0**-K for K in sizes]
    axes.plot(sizes, theory, "--", color=style.INK, lw=1.2, label="$2^{-K}$")
    axes.set_yscale("symlog", linthresh=LEAST, linscale=0.4)
    axes.set_ylim(0, 1)
    axes.set_xticks([K for K in sizes if K == 1 or K % max(1, len(sizes) // 5) == 0])
    axes.set_xlabel("networks averaged, K")
    n = panels.by_repetition(panels.repetitions(table))
    axes.set_ylabel(f"fraction of the views missed\n{n}")
    panels.legend(axes)
