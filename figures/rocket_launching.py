"""Rocket launching: errors by method and by depth of sharing, views by what is shared."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import Estimate, measured, select

LIGHT, BOOSTER = style.COLOURS["distilled"], style.COLOURS["ensemble"]
ABLATION = style.COLOURS["self"]
ALONE = Entry("base", "alone", style.COLOURS["one"])
KD = Entry("kd", "KD", style.COLOURS["sum"])
ROCKET = Entry("rocket", "rocket", LIGHT)
WITH_KD = Entry("rocket_kd", "rocket\n+ KD", LIGHT)
NO_BLOCK = Entry("no_block", "no\nblock", ABLATION)
NO_JOINT = Entry("no_joint", "no\njoint", ABLATION)
METHODS = (
    *(ALONE, KD, ROCKET, WITH_KD, NO_BLOCK),
    Entry("no_sharing", "no\nsharing", ABLATION),
    NO_JOINT,
    Entry("squared", "prob.\nhint", ABLATION),
    Entry("tempered", "temp.\nhint", ABLATION),
    Entry("rocket_booster", "its\nbooster", BOOSTER),
    Entry("booster", "booster\nalone", BOOSTER),
)
PATCHES = (ALONE, KD, ROCKET, NO_BLOCK, NO_JOINT)
AXES = {  # measure: what the axis is called, the panel's title
    "neurons_shared": ("neurons a class shared", "Views by sharing"),
    "hint_weight": ("weight of the hint", "By weight of the hint"),
    "booster_neurons": ("neurons a class of the booster", "By booster"),
}
Panel = Callable[[SubFigure, pd.DataFrame, Iterator[str]], None]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``rocket_launching``, the parts that it has.

    Args:
        table: One line a repetition, part and method.
    """
    style.use()
    parts = list(dict.fromkeys(table["part"]))
    drawn: list[tuple[Panel, str]] = [(_errors, name) for name in parts if name != "synthetic"]
    if "synthetic" in parts:
        drawn += [(_views, "synthetic"), (_axes, "synthetic")]
    figure = Figure(figsize=(style.WIDTH, 3.5 * len(drawn)), layout="constrained")
    grid, letters = figure.add_gridspec(len(drawn), 1), iter("abcdefghijkl")
    for i, (panel, part) in enumerate(drawn):
        panel(figure.add_subfigure(grid[i]), select(table, part=part), letters)
    return figure


def _errors(figure: SubFigure, table: pd.DataFrame, letters: Iterator[str]) -> None:
    depths = sorted(table["shared_convolutions"].dropna().unique())
    swept = len(depths) > 2  # beside none and all
    left, *right = figure.subplots(1, 2, width_ratios=(3, 1)) if swept else [figure.subplots()]
    known = set(table["method"])
    top = _bars(left, table, [each for each in METHODS if each.method in known], "error")
    left.set_ylim(0, 1.2 * top or 1)
    _level(left, table, measured("error", "base"), color=ALONE.colour, ls="--", lw=1.2, zorder=1)
    left.set_ylabel(f"test error\n{panels.by_repetition(panels.repetitions(table))}")
    style.title(left, next(letters), _nets(select(table, method="data").iloc[0].to_dict()))
    for axes in right:
        _depths(axes, table, depths)
        style.title(axes, next(letters), "Depth of sharing")


def _bars(axes: Axes, table: pd.DataFrame, entries: Sequence[Entry], measure: str) -> float:
    """A bar a method; returns the highest top."""
    tops = []
    for x, entry in enumerate(entries):
        found = panels.values(table, measured(measure, entry.method))
        if found is not None:
            tops.append(panels.bar(axes, x, found, entry.colour))
    axes.set_xticks(range(len(entries)), [entry.label for entry in entries], fontsize=8.5)
    axes.grid(axis="x", visible=False)
    return max(tops)


def _level(axes: Axes, table: pd.DataFrame, estimate: Estimate, **look: Any) -> None:
    """A mean across the panel."""
    found = panels.values(table, estimate)
    if found is not None:
        axes.axhline(found.by_seed.mean(), **look)


def _nets(first: dict[str, Any]) -> str:
    """What is trained on how many images, as a title."""
    kind = "made-up images" if first["data"] == "multi_view" else "images"
    light = f"WRN-{first['net.depth']:.0f}-{first['net.widen']:.0f}"
    light = "lower two groups" if first["net.variant"] == "bottom" else light
    side = f"{first['pixels']:.0f}"
    return (
        f"{first['name']}, {first['train_images']:,.0f} {kind} of {side} x {side}:\n"
        f"{light} launched by WRN-{first['net.booster_depth']:.0f}-{first['net.widen']:.0f}"
    )


def _depths(axes: Axes, table: pd.DataFrame, depths: Sequence[float]) -> None:
    points = {n: measured("error", shared_convolutions=n) for n in depths}
    panels.curve(axes, table, points, low=0, high=1, color=LIGHT, label="rocket")
    for entry in (ALONE, KD):
        look = {"color": entry.colour, "ls": "--", "lw": 1.4, "label": entry.label}
        _level(axes, table, measured("error", entry.method), **look)
    axes.set_xticks(depths)
    axes.set_xlabel("convolutions shared")
    axes.set_ylabel("test error of the light net")
    axes.legend(fontsize=8.5)


def _views(figure: SubFigure, table: pd.DataFrame, letters: Iterator[str]) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.9, 1))
    _bars(left, table, PATCHES, "coverage")
    for x, entry in enumerate(PATCHES):
        found = panels.values(table, measured("predicted", entry.method))
        if found is not None:
            left.hlines(found.by_seed.mean(), x - 0.4, x + 0.4, color="k", ls="--", zorder=6)
    left.plot([], [], "k--", lw=1.5, label="predicted")
    left.set_ylim(0, 1.3)
    left.legend(fontsize=8.5, loc="upper left")
    repetitions = panels.by_repetition(panels.repetitions(table))
    left.set_ylabel(f"views covered by the light net\n{repetitions}")
    style.title(left, next(letters), "Patches, nothing shared: views by method")
    _bars(right, table, (ALONE, NO_BLOCK, ROCKET), "neurons_agree")
    right.axhline(0.5, color=style.INK, ls="--", lw=1.2)
    right.set_ylim(0, 1.15)
    right.set_ylabel("classes in which the strongest\nneurons of both are on one view")
    style.title(right, next(letters), "Same views")


def _axes(figure: SubFigure, table: pd.DataFrame, letters: Iterator[str]) -> None:
    each = figure.subplots(1, 3, sharey=True)
    for axes, (axis, (label, title)) in zip(each, AXES.items(), strict=True):
        places = sorted(table[axis].dropna().unique())
        for measure, name, colour, marker in (
            ("coverage", "light net", LIGHT, "o"),
            ("booster_coverage", "booster", BOOSTER, "^"),
        ):
            points = {value: measured(measure, **{axis: value}) for value in places}
            look = {"color": colour, "marker": marker, "ms": 5.5, "label": name}
            panels.curve(axes, table, points, low=0, high=1, **look)
        alone = {"color": ALONE.colour, "ls": ":", "lw": 1.6, "label": "light net alone"}
        _level(axes, table, measured("coverage", "base"), **alone)
        if axis == "neurons_shared":
            predicted = panels.values(table, measured("predicted", "rocket"))
            look = {"marker": "_", "color": "k", "ms": 16, "mew": 1.8}
            panels.mark(axes, 0, predicted, label="predicted, none shared", **look)
        else:
            axes.set_xscale("log")
        axes.set_xticks(places, [f"{value:g}" for value in places])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.set_ylim(0, 1.1)
        style.title(axes, next(letters), title)
    each[0].set_ylabel(f"views covered\n{panels.by_repetition(panels.repetitions(table))}")
    each[0].legend(fontsize=8.5, loc="lower left")
