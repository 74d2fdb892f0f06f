"""Views removed: errors and gains by the fraction kept, and gains by the number of views."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from multiview.runs.intervals import mean_interval

PARTS = {
    "layer": "channels of a layer",
    "colours": "colours",
    "tiles": "tiles of the image",
    "synthetic": "synthetic views",
}
WAYS = {"one": ("one network", "o"), "ensemble": ("ensemble", "s"), "distilled": ("distilled", "^")}
KINDS = {  # of inputs, in panel e: colour and marker
    "layer": (style.COLOURS["one"], "o"),
    "colours": (style.COLOURS["sum"], "s"),
    "tiles": (style.COLOURS["distilled"], "^"),
    "synthetic": (style.INK, "D"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``channel_drop``.

    Args:
        table: One row for each repetition and kind of inputs.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 7.8), layout="constrained")
    top, bottom = (figure.add_subfigure(part) for part in figure.add_gridspec(2, 1))
    for i, (axes, part) in enumerate(zip(top.subplots(1, 4), PARTS, strict=True)):
        rows = _rows(table, part)
        if len(rows):
            _errors(axes, rows)
        style.title(axes, "abcd"[i], PARTS[part])
        axes.set_xlabel("fraction kept")
        if i == 0:
            axes.set_ylabel(f"test error, mean, 95% interval\nn = {table['seed'].nunique()}")
            axes.legend(fontsize=8.5)
    left, right = bottom.subplots(1, 2)
    _gains(left, table)
    style.title(left, "e", "Gain of the ensemble over one network")
    _by_views(right, table)
    style.title(right, "f", "Gain per sample by the views it shows")
    return figure


def _rows(table: pd.DataFrame, part: str) -> Any:
    return table.loc[table["part"] == part]


def _errors(axes: Axes, rows: Any) -> None:
    fractions = np.array(rows["fractions"].iat[0])
    for who, (name, marker) in WAYS.items():
        colour = style.COLOURS[who]
        _intervals(axes, fractions, rows[who], name, colour, marker, (0, 1))
    if "theory_one" in rows and rows["theory_one"].notna().all():
        for who in ("one", "ensemble"):
            law = np.array(rows[f"theory_{who}"].iat[0])
            axes.plot(fractions, law, ":", color=style.COLOURS[who], lw=1.4)
        note = {"transform": axes.transAxes, "ha": "left", "fontsize": 8.5}
        axes.text(0.05, 0.05, "dotted: closed form", **note)
    axes.set_xticks(sorted(fractions), [f"{f:.2g}" for f in sorted(fractions)])
    axes.set_ylim(bottom=0)


def _gains(axes: Axes, table: pd.DataFrame) -> None:
    for part, (colour, marker) in KINDS.items():
        rows = _rows(table, part)
        if len(rows):
            fractions = np.array(rows["fractions"].iat[0])
            _intervals(axes, fractions, rows["gain"], PARTS[part], colour, marker)
    axes.axhline(0, color=style.INK, lw=0.8)
    axes.set_yscale("symlog", linthresh=0.05)
    axes.set_yticks([0, 0.02, 0.05, 0.1, 0.2, 0.5], ["0", "2%", "5%", "10%", "20%", "50%"])
    axes.minorticks_off()
    axes.set_xlabel("fraction kept")
    axes.set_ylabel("error of one network - of the ensemble")
    axes.legend(fontsize=8.5)


def _by_views(axes: Axes, table: pd.DataFrame) -> None:
    """On images, views are the groups that suffice alone; synthetic samples show one or all."""
    for part, (colour, marker) in KINDS.items():
        rows = _rows(table, part)
        if not len(rows):
            continue
        if part == "synthetic":
            places = np.array([1 / rows["spec.num_views"].iat[0], 1.0])
            values = pd.Series(
                [
                    [one[0], multi[0]]
                    for one, multi in zip(rows["gain"], rows["gain_multi"], strict=True)
                ]
            )
        else:
            groups = len(rows["count_gain"].iat[0]) - 1
            places = np.arange(groups + 1) / groups
            values = rows["count_gain"]
        _intervals(axes, places, values, PARTS[part], colour, marker)
    axes.axhline(0, color=style.INK, lw=0.8)
    axes.set_xlabel("fraction of the groups that suffice alone\n(synthetic: of the views shown)")
    axes.set_ylabel("gain on these samples")


def _intervals(
    axes: Axes,
    x: np.ndarray,
    lists: pd.Series,
    name: str,
    colour: str,
    marker: str,
    limits: tuple[float, float] = (-1, 1),
) -> None:
    """Means of lists place by place, with 95% intervals; a place without a value is left out.

    Args:
        limits: What the values can be; intervals are cut to it.
    """
    values = np.array(lists.to_list(), float)  # (repetitions, places)
    known = ~np.isnan(values).all(0)
    found = [mean_interval(column[~np.isnan(column)]) for column in values.T[known]]
    mean, low, high = np.clip(np.array(found), *limits).T
    axes.plot(x[known], mean, marker=marker, ms=5, color=colour, label=name, zorder=3)
    if len(values) > 1:
        axes.vlines(x[known], low, high, color=colour, lw=1.3, alpha=0.7)
