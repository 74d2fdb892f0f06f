"""Theorems 1-4: error / mu of everything, by theorem, by members, by mu and by classes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import Estimate, measured, select

WHO = {  # name, what the theorem allows
    Entry("member", "one network", style.COLOURS["one"], "o"): (0.49, 0.51),
    Entry("ensemble", "ensemble", style.COLOURS["ensemble"], "^"): (0.0, 0.001),
    Entry("distilled", "student of it", style.COLOURS["distilled"], "s"): (0.0, 0.001),
    Entry("self", "self-distilled", style.COLOURS["self"], "D"): (0.0, 0.26),
}
LINES = {"weak": "-", "strong": ":"}  # of the settings
SHIFTS = {"weak": -0.15, "strong": 0.15}
BAND = "#C8C8C8"
ENLARGED = 0.004  # upper end of the strip that shows what is allowed at the bottom
LEAST = 1e-4  # where the logarithmic axis ends and a linear one goes on to 0


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``theorems``.

    Args:
        table: A line a cell and method; ``axis`` says in what a cell differs from the base cell of
            its setting.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 9.2), layout="constrained")
    left, b, c, d = figure.add_gridspec(2, 2)
    upper, lower = left.subgridspec(2, 1, height_ratios=(3.4, 1), hspace=0.02)
    base = select(table, axis="base")
    whole = figure.add_subplot(upper)
    _by_theorem(whole, figure.add_subplot(lower, sharex=whole), base)
    style.title(whole, "a", "Allowed by the theorem (grey), measured")
    _by_size(figure.add_subplot(b), base)
    few, below = int(np.min(table["members"].to_numpy())), []  # members of the cells off the base
    for position, axis, column, label in (
        (c, "mu", "spec.mu", "fraction of single-view samples, mu"),
        (d, "num_classes", "spec.num_classes", "classes, k"),
    ):
        below.append(figure.add_subplot(position))
        _along(below[-1], table.loc[table["axis"].isin(["base", axis])], column, label, few)
    style.title(below[0], "c", "Error over mu against mu, N x mu held")
    style.title(below[1], "d", "More classes at the same settings")
    figure.legend(
        *below[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        fontsize=8.5,
        title="c, d: solid, filled where other classes' features are weak; dotted, open where "
        f"strong; ensembles of {few} (students of all members)",
        title_fontsize=8.5,
    )
    return figure


def _look(entry: Entry, setting: str) -> dict[str, Any]:
    """A method's colour; filled markers where other classes' features are weak."""
    face = entry.colour if setting == "weak" else "white"
    return {"color": entry.colour, "mfc": face}


def _by_theorem(whole: Axes, bottom: Axes, base: pd.DataFrame) -> None:
    """What each theorem allows, exactly where it is, and errors; the bottom once more, enlarged."""
    tops = [0.5]
    for x, (entry, allowed) in enumerate(WHO.items()):
        for axes in (whole, bottom):
            axes.fill_between([x - 0.4, x + 0.4], *allowed, color=BAND, lw=0, zorder=1)
            axes.hlines(allowed, x - 0.4, x + 0.4, color=style.GREY, lw=0.6, zorder=1)
        for setting, shift in SHIFTS.items():
            estimate = measured("per_mu", entry.method, setting=setting)
            found = panels.values(base, estimate)
            for axes in (whole, bottom):
                panels.point(axes, x + shift, found, low=0, **_look(entry, setting))
            if found is not None:
                tops.append(float(found.by_seed.mean()))
                _number(whole, x + shift, tops[-1], setting)
    whole.set_ylim(-0.012, 1.3 * max(tops))  # intervals of few repetitions may reach far beyond
    whole.tick_params(labelbottom=False)
    n = panels.by_repetition(panels.repetitions(base))
    whole.set_ylabel(f"error / mu\n{n}\nfilled: other features weak, open: strong", fontsize=9)
    bottom.set_ylim(-0.0004, ENLARGED)
    bottom.set_ylabel("enlarged", fontsize=9)
    bottom.set_yticks([0, 0.001, ENLARGED])
    names = [f"{entry.label}\n(Theorem {i})" for i, entry in enumerate(WHO, 1)]
    bottom.set_xticks(range(len(WHO)), names, fontsize=8.5)
    for axes in (whole, bottom):
        axes.grid(axis="x", visible=False)


def _number(axes: Axes, x: float, mean: float, setting: str) -> None:
    """The mean beside its marker, on the outer side of the pair."""
    side = -1 if setting == "weak" else 1
    axes.annotate(
        f"{mean:.3f}",
        (x, mean),
        xytext=(2 * side, 11),
        textcoords="offset points",
        ha="right" if side < 0 else "left",
        fontsize=8,
        bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
    )


def _by_size(axes: Axes, base: pd.DataFrame) -> None:
    """Single-view error of 1, 2, ... averaged networks, 2^-K and what is predicted from c."""
    sizes = sorted(base["size"].dropna().unique())
    for setting, colour in zip(
        LINES, (style.COLOURS["ensemble"], style.COLOURS["sum"]), strict=True
    ):

        def of_size(measure: str, where: str = setting) -> dict[float, Estimate]:
            return {K: measured(measure, f"ensemble_{K:.0f}", setting=where) for K in sizes}

        look = {"color": colour, "label": f"measured, {setting}"}
        panels.curve(axes, base, of_size("single"), low=0, high=1, band=True, **look)
        theory = _means(select(base, setting=setting), "size", "predicted")
        axes.plot(*theory, ":", color=colour, label=f"from coverage, {setting}")
    theory = _means(base, "size", "theory")
    axes.plot(*theory, "--", color=style.INK, lw=1.2, label="theory, $2^{-K}$")
    axes.set_yscale("symlog", linthresh=LEAST, linscale=0.4)
    axes.set_ylim(0, 1)
    axes.set_xticks([K for K in sizes if K == 1 or K % max(1, len(sizes) // 8) == 0])
    axes.set_xlabel("number of networks averaged, K")
    axes.set_ylabel("error on single-view samples")
    axes.legend(fontsize=8)
    style.title(axes, "b", "K networks averaged, and theory, $2^{-K}$")


def _along(axes: Axes, table: pd.DataFrame, column: str, label: str, few: int) -> None:
    """Error / mu against what differs from the base cell, of ensembles of ``few`` everywhere."""
    values = sorted(table[column].unique())
    tops = [0.5]
    for setting, line in LINES.items():
        for entry in WHO:
            method = f"ensemble_{few}" if entry.method == "ensemble" else entry.method
            points = {x: measured("per_mu", method, setting=setting, **{column: x}) for x in values}
            look: dict[str, Any] = _look(entry, setting) | {"marker": entry.marker, "ls": line}
            look["label"] = entry.label if setting == "weak" else None
            panels.curve(axes, table, points, low=0, **look)
            lines = select(table, setting=setting, method=method)
            tops += _means(lines, column, "per_mu")[1].tolist()
    axes.set_xscale("log")
    axes.set_xticks(values, [f"{x:g}" for x in values], fontsize=8.5)
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.set_ylabel("error / mu")
    axes.set_ylim(-0.02, 1.3 * np.nanmax(tops))


def _means(table: pd.DataFrame, along: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of a column, and the mean of a measure at each."""
    values = np.unique(table[along].dropna().to_numpy(float))
    return values, np.array([table.loc[table[along] == at, measure].mean() for at in values], float)
