"""Masks, their mean and students of it: errors on images, smaller students, views on patches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import _contrast, style

NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
WHO = {
    "standard": "standard",
    "mc": "100\nmasks",
    "distilled": "student\n(copy)",
    "fresh": "student\n(fresh)",
    "el": "expect.\nlinear",
}
COLOURS = {
    "standard": style.COLOURS["one"],
    "mc": style.COLOURS["ensemble"],
    "distilled": style.COLOURS["distilled"],
    "fresh": style.COLOURS["self"],
    "el": style.COLOURS["sum"],
}
PARTS = {
    "mnist": style.COLOURS["one"],
    "cifar10": style.COLOURS["distilled"],
    "cifar100": style.INK,
}
TRANSFER = {"train": "training\nimages", "perturbed": "perturbed", "test": "test,\nno labels"}
VIEWS = {
    "standard": ("standard", "standard"),
    "masks": ("mean of\nmasks", "mc"),
    "copied": ("student\n(copy)", "distilled"),
    "fresh": ("student\n(fresh)", "fresh"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``dropout_distillation``, the parts that it has.

    Args:
        table: One row a repetition and part.
    """
    style.use()
    parts = dict(list(table.groupby("part")))
    images = {name: parts[name] for name in NAMES if name in parts}
    rows: list[Any] = [_predictors, _further] if images else []
    if "synthetic" in parts:
        rows.append(_views)
    figure = Figure(figsize=(style.WIDTH, 3.7 * len(rows)), layout="constrained")
    grid = figure.add_gridspec(len(rows), 1)
    letters = iter("abcdefghi")
    for i, drawn in enumerate(rows):
        place = figure.add_subfigure(grid[i])
        drawn(place, parts["synthetic"] if drawn is _views else images, letters)
    return figure


def _predictors(figure: SubFigure, images: dict[str, pd.DataFrame], letters: Iterator[str]) -> None:
    panels = np.atleast_1d(figure.subplots(1, len(images)))
    for axes, (name, rows) in zip(panels, images.items(), strict=True):
        known = [who for who in WHO if who in rows and rows[who].notna().to_numpy().all()]
        tops = [
            _contrast.bar(axes, x, rows[who].to_numpy(float), COLOURS[who])
            for x, who in enumerate(known)
        ]
        axes.set_xticks(range(len(known)), [WHO[who] for who in known], fontsize=8)
        axes.grid(axis="x", visible=False)
        axes.set_ylim(0, 1.2 * max(tops) or 1)
        axes.set_ylabel(f"test error, n = {len(rows)}" if axes is panels[0] else "")
        first = rows.iloc[0]
        kind = "made-up images" if first["data"] == "multi_view" else "images"
        style.title(axes, next(letters), f"{NAMES[name]}, {first['train_images']:,.0f} {kind}")


def _further(figure: SubFigure, images: dict[str, pd.DataFrame], letters: Iterator[str]) -> None:
    left, middle, right = figure.subplots(1, 3)
    _by_masks(left, images)
    style.title(left, next(letters), "Masks against the student")
    _transfer(middle, images)
    style.title(middle, next(letters), "By what it is taught on")
    shrunk = [rows for rows in images.values() if rows["shrink"].iat[0]]
    if shrunk:
        _compression(right, shrunk[0])
        name = NAMES[shrunk[0]["part"].iat[0]]
        style.title(right, next(letters), f"Smaller nets, {name}")
    else:
        right.set_axis_off()


def _by_masks(axes: Axes, images: dict[str, pd.DataFrame]) -> None:
    """Lines: the mean over masks; squares at the right: the student; both less the standard."""
    for name, rows in images.items():
        masks, colour = rows["masks"].iat[0], PARTS[name]
        errors = np.stack([np.asarray(each, float) for each in rows["mc_by_masks"]])
        gaps = 100 * (errors - rows[["standard"]].to_numpy(float)).mean(0)
        axes.plot(masks, gaps, marker="o", ms=4, color=colour, label=NAMES[name])
        student = 100 * (rows["distilled"] - rows["standard"]).to_numpy(float).mean()
        axes.plot([2 * max(masks)], [student], marker="s", ms=7, ls="", color=colour)
    axes.plot([], [], marker="s", ms=7, ls="", color="white", mec=style.INK, label="student (copy)")
    axes.axhline(0, color=style.INK, ls="--", lw=1)
    axes.set_xscale("log")
    ticks = (1, 10, 100)
    axes.set_xticks([*ticks, 2 * max(masks)], [*map(str, ticks), ""])
    axes.minorticks_off()
    axes.set_xlabel("masks averaged")
    axes.set_ylabel("error less the standard\nprediction's, points")
    axes.legend(fontsize=8.5)


def _transfer(axes: Axes, images: dict[str, pd.DataFrame]) -> None:
    for i, (name, rows) in enumerate(images.items()):
        for x, inputs in enumerate(TRANSFER):
            gap = 100 * (rows[f"transfer_{inputs}"] - rows["standard"]).to_numpy(float)
            place = x + 0.2 * (i - (len(images) - 1) / 2)
            label = NAMES[name] if x == 0 else None
            axes.plot(np.full(len(gap), place), gap, "o", ms=3.5, alpha=0.5, color=PARTS[name])
            axes.plot([place], [gap.mean()], "_", ms=13, mew=2.5, color=PARTS[name], label=label)
    axes.axhline(0, color=style.INK, ls="--", lw=1)
    axes.set_xticks(range(len(TRANSFER)), list(TRANSFER.values()), fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("students' error less the standard's,\npoints (dots: runs, bars: means)")
    axes.legend(fontsize=8.5)


def _compression(axes: Axes, rows: pd.DataFrame) -> None:
    for layers, (name, line) in {
        "all": ("all layers", "-"),
        "hidden": ("hidden layer", ":"),
    }.items():
        for ending, what, colour in (
            ("baseline", "labels, dropout", COLOURS["standard"]),
            ("distilled", "student of masks", COLOURS["fresh"]),
        ):
            errors = np.stack([np.asarray(each, float) for each in rows[f"{layers}_{ending}"]])
            sizes = rows[f"{layers}_parameters"].iat[0]
            label = f"{what}; {name}"
            axes.plot(sizes, errors.mean(0), ls=line, marker="o", ms=4, color=colour, label=label)
            spread = (errors.min(0), errors.max(0))
            axes.vlines(sizes, *spread, color=colour, alpha=0.4)
    axes.set_xscale("log")
    known = {size for layers in ("all", "hidden") for size in rows[f"{layers}_parameters"].iat[0]}
    least, most = min(known), max(known)
    ticks = [least, (least * most) ** 0.5, most]
    axes.set_xticks(ticks, [f"{size / 1000:.0f}k" for size in ticks])
    axes.minorticks_off()
    axes.set_xlabel("parameters (upright: range);\nfactor 1: the teacher's own size")
    axes.set_ylabel("test error")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.4 * (high - low))  # for the legend
    axes.legend(fontsize=8, title="how it was taught; what is smaller", title_fontsize=8)


def _views(figure: SubFigure, rows: pd.DataFrame, letters: Iterator[str]) -> None:
    left, middle, right = figure.subplots(1, 3)
    for x, (who, (_, colour)) in enumerate(VIEWS.items()):
        _contrast.bar(left, x, rows[f"{who}_coverage"].to_numpy(float), COLOURS[colour])
    ensemble = rows["ensemble_coverage"].str[-1].to_numpy(float)
    _contrast.bar(left, len(VIEWS), ensemble, style.INK)
    size = len(rows["ensemble_coverage"].iat[0])
    names = [*(name for name, _ in VIEWS.values()), f"{size} nets,\nno dropout"]
    left.set_xticks(range(len(names)), names, fontsize=8)
    predicted = (("fresh", 3), ("ensemble", 4))
    for who, x in predicted:
        values = [np.ravel(each)[-1] for each in rows[f"predicted_{who}"]]
        label = "predicted" if x == len(VIEWS) else None
        left.plot([x - 0.35, x + 0.35], [np.mean(values)] * 2, "k--", lw=1.4, label=label, zorder=6)
    left.set_ylim(0, 1.25)
    left.legend(fontsize=8.5, loc="upper left")
    left.set_ylabel(f"views covered, n = {len(rows)}")
    left.grid(axis="x", visible=False)
    style.title(left, next(letters), "Patches: views by predictor")
    first = rows.iloc[0]
    for kind, plural, name, colour in (
        ("neuron", "neurons", "neurons", COLOURS["standard"]),
        ("patch", "patches", "whole patches", COLOURS["mc"]),
    ):
        places = [0.0, *first[plural]]
        _curve(middle, places, rows[f"{kind}_coverage"], name, colour)
    middle.set_xlabel("probability of dropout in training")
    style.title(middle, next(letters), "By what is dropped")
    widths = first["widths"]
    _curve(right, widths, rows["wide_plain_coverage"], "no dropout", style.INK)
    _curve(right, widths, rows["wide_coverage"], "dropout of neurons", COLOURS["standard"])
    right.set_xscale("log")
    right.set_xticks(widths, [f"{width:g}" for width in widths])
    right.minorticks_off()
    right.set_xlabel("neurons of a class")
    style.title(right, next(letters), "By width")
    for axes in (middle, right):
        axes.set_ylim(0, 1.1)
        axes.legend(fontsize=8.5)


def _curve(axes: Axes, x: Any, lists: Any, label: str, colour: str) -> None:
    """Mean and range over repetitions of lists."""
    values = np.stack([np.asarray(each, float) for each in lists])
    axes.plot(x, values.mean(0), marker="o", ms=4.5, color=colour, label=label)
    axes.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.15)
