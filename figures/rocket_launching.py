"""Rocket launching: errors by method and by depth of sharing, views by what is shared."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import _contrast, style
from multiview.runs.intervals import mean_interval

NAMES = {
    "cifar10": "CIFAR-10",
    "cifar10_wide": "CIFAR-10, wide",
    "cifar10_bottom": "CIFAR-10, bottom",
    "cifar100": "CIFAR-100",
}
METHODS = {  # column: name, colour
    "base": ("alone", style.COLOURS["one"]),
    "kd": ("KD", style.COLOURS["sum"]),
    "rocket": ("rocket", style.COLOURS["distilled"]),
    "rocket_kd": ("rocket\n+ KD", style.COLOURS["distilled"]),
    "no_block": ("no\nblock", style.COLOURS["self"]),
    "no_sharing": ("no\nsharing", style.COLOURS["self"]),
    "no_joint": ("no\njoint", style.COLOURS["self"]),
    "squared": ("prob.\nhint", style.COLOURS["self"]),
    "tempered": ("temp.\nhint", style.COLOURS["self"]),
    "rocket_booster": ("its\nbooster", style.COLOURS["ensemble"]),
    "booster": ("booster\nalone", style.COLOURS["ensemble"]),
}
PATCHES = {  # column: name, column of what was predicted
    "alone": ("alone", None),
    "kd": ("KD", "predicted_rocket"),
    "rocket": ("rocket", "predicted_rocket"),
    "rocket_kd": ("rocket\n+ KD", "predicted_rocket_kd"),
    "many": ("mean of\nboosters", "predicted_many"),
    "no_block": ("no\nblock", None),
    "late": ("late\nhint", None),
    "no_joint": ("no\njoint", None),
}
LIGHT, BOOSTER = style.COLOURS["distilled"], style.COLOURS["ensemble"]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``rocket_launching``, the parts that it has.

    Args:
        table: One row a repetition and part.
    """
    style.use()
    parts = dict(list(table.groupby("part")))
    drawn: list[tuple[Any, pd.DataFrame]] = [
        (_errors, parts[name]) for name in NAMES if name in parts
    ]
    if "synthetic" in parts:
        drawn += [(_views, parts["synthetic"]), (_axes, parts["synthetic"])]
    figure = Figure(figsize=(style.WIDTH, 3.5 * len(drawn)), layout="constrained")
    grid, letters = figure.add_gridspec(len(drawn), 1), iter("abcdefghijkl")
    for i, (panel, rows) in enumerate(drawn):
        panel(figure.add_subfigure(grid[i]), rows, letters)
    return figure


def _known(rows: pd.DataFrame, name: str) -> bool:
    return name in rows and bool(rows[name].notna().to_numpy().all())


def _errors(figure: SubFigure, rows: pd.DataFrame, letters: Iterator[str]) -> None:
    swept = _known(rows, "by_depth")
    panels = figure.subplots(1, 2, width_ratios=(3, 1)) if swept else [figure.subplots()]
    left, first = panels[0], rows.iloc[0]
    shown = [name for name in METHODS if _known(rows, name)]
    tops = []
    for x, name in enumerate(shown):
        tops.append(_contrast.bar(left, x, rows[name].to_numpy(float), METHODS[name][1]))
    left.set_xticks(range(len(shown)), [METHODS[name][0] for name in shown], fontsize=8.5)
    left.grid(axis="x", visible=False)
    left.set_ylim(0, 1.2 * max(tops) or 1)
    left.axhline(
        rows["base"].to_numpy(float).mean(), color=METHODS["base"][1], ls="--", lw=1.2, zorder=1
    )
    left.set_ylabel(f"test error\nmean, 95% interval, n = {len(rows)}")
    kind = "made-up images" if first["data"] == "multi_view" else "images"
    light = f"WRN-{first['light_depth']:.0f}-{first['widen']:.0f}"
    light = "lower two groups" if first["variant"] == "bottom" else light
    title = (
        f"{NAMES[first['part']]}, {first['train_images']:,.0f} {kind} of {first['pixels']:.0f} x "
        f"{first['pixels']:.0f}:\n{light} launched by "
        f"WRN-{first['booster_depth']:.0f}-{first['widen']:.0f}"
    )
    style.title(left, next(letters), title)
    if swept:
        depths = np.asarray(first["shared_convolutions"], float)
        _line(panels[1], depths, rows["by_depth"], "rocket", LIGHT, "o")
        for name, label in (("base", "alone"), ("kd", "KD")):
            mean = rows[name].to_numpy(float).mean()
            panels[1].axhline(mean, color=METHODS[name][1], ls="--", lw=1.4, label=label)
        panels[1].set_xticks(depths)
        panels[1].set_xlabel("convolutions shared")
        panels[1].set_ylabel("test error of the light net")
        panels[1].legend(fontsize=8.5)
        style.title(panels[1], next(letters), "Depth of sharing")


def _views(figure: SubFigure, rows: pd.DataFrame, letters: Iterator[str]) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.9, 1))
    for x, (name, (_, predicted)) in enumerate(PATCHES.items()):
        _contrast.bar(left, x, rows[f"{name}_coverage"].to_numpy(float), _colour(name))
        if predicted:
            label = "predicted" if name == "kd" else None
            mean = rows[predicted].to_numpy(float).mean()
            left.plot([x - 0.4, x + 0.4], [mean] * 2, "k--", lw=1.5, label=label, zorder=6)
    left.set_xticks(range(len(PATCHES)), [name for name, _ in PATCHES.values()], fontsize=8.5)
    left.grid(axis="x", visible=False)
    left.set_ylim(0, 1.3)
    left.legend(fontsize=8.5, loc="upper left")
    left.set_ylabel(f"views covered by the light net\nmean, 95% interval, n = {len(rows)}")
    style.title(left, next(letters), "Patches, nothing shared: views by method")
    names = ("alone", "late", "no_block", "rocket")
    for x, name in enumerate(names):
        _contrast.bar(right, x, rows[f"{name}_neurons_agree"].to_numpy(float), _colour(name))
    right.axhline(0.5, color=style.INK, ls="--", lw=1.2)
    right.set_xticks(range(len(names)), [PATCHES[name][0] for name in names], fontsize=8.5)
    right.grid(axis="x", visible=False)
    right.set_ylim(0, 1.15)
    right.set_ylabel("classes in which the strongest\nneurons of both are on one view")
    style.title(right, next(letters), "Same winners")


def _axes(figure: SubFigure, rows: pd.DataFrame, letters: Iterator[str]) -> None:
    panels, first = figure.subplots(1, 3, sharey=True), rows.iloc[0]
    own = rows["alone_coverage"].to_numpy(float).mean()
    for axes, (column, field, label, text) in zip(
        panels,
        (
            ("by_shared", "shared", "neurons a class shared", "Views by sharing"),
            ("by_weight", "weights", "weight of the hint", "By weight of the hint"),
            ("by_width", "booster_widths", "neurons a class of the booster", "By booster"),
        ),
        strict=True,
    ):
        places = np.asarray(list(first[field]), float)
        _line(axes, places, rows[f"{column}_coverage"], "light net", LIGHT, "o")
        _line(axes, places, rows[f"{column}_booster_coverage"], "booster", BOOSTER, "^")
        axes.axhline(own, color=METHODS["base"][1], ls=":", lw=1.6, label="light net alone")
        if column == "by_shared":
            law = rows["predicted_rocket"].to_numpy(float).mean()
            axes.plot([0], [law], "k_", ms=16, mew=1.8, label="predicted, none shared")
        else:
            axes.set_xscale("log")
        axes.set_xticks(places, [f"{value:g}" for value in places])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.set_ylim(0, 1.1)
        style.title(axes, next(letters), text)
    panels[0].set_ylabel(f"views covered\nmean, 95% interval, n = {len(rows)}")
    panels[0].legend(fontsize=8.5, loc="lower left")


def _colour(name: str) -> str:
    """Of a method on patches, as of the same on images."""
    return METHODS.get("base" if name == "alone" else name, ("", LIGHT))[1]


def _line(axes: Axes, x: np.ndarray, lists: Any, label: str, colour: str, marker: str) -> None:
    """Means of lists, place by place, with 95% intervals cut to fractions."""
    values = np.stack([np.asarray(each, float) for each in lists]).T
    mean, low, high = np.array([mean_interval(each) for each in values]).T
    axes.plot(x, mean, marker=marker, ms=5.5, color=colour, label=label, zorder=3)
    if np.isfinite([low, high]).all():  # the interval of one value is the whole line
        axes.vlines(x, np.clip(low, 0, 1), np.clip(high, 0, 1), color=colour, lw=1.3, alpha=0.7)
