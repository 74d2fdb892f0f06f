"""Masks, their mean and students of it: errors on images, smaller students, views on patches."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import Estimate, measured, select

PARTS = {
    "mnist": style.COLOURS["one"],
    "cifar10": style.COLOURS["distilled"],
    "cifar100": style.INK,
}
STUDENT = style.COLOURS["distilled"]
PREDICTORS = (
    Entry("masks_100", "mean over 100 masks", style.COLOURS["ensemble"]),
    Entry("expectation_linear", "expectation-linear", style.COLOURS["sum"]),
    Entry("distilled", "student (copy), perturbed images", STUDENT),
    Entry("taught_on_train", "the same on training images", STUDENT, "s"),
    Entry("taught_on_test", "on test images, no labels", STUDENT, "^"),
    Entry("fresh", "student (fresh start)", style.COLOURS["self"]),
)
VIEWS = (
    Entry("standard", "standard", style.COLOURS["one"]),
    Entry("masks", "mean of\nmasks", style.COLOURS["ensemble"]),
    Entry("fresh", "student\n(fresh)", style.COLOURS["self"]),
    Entry("member", "no dropout", style.INK),
)


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``dropout_distillation``, the parts that it has.

    Args:
        table: One line a repetition, part and method, with its ``published_gain``.
    """
    style.use()
    parts = {name: select(table, part=name) for name in (*PARTS, "synthetic")}
    patches = parts.pop("synthetic")
    images = {name: lines for name, lines in parts.items() if len(lines)}
    rows: list[Any] = [(_predictors, images), (_further, images)] if images else []
    if len(patches):
        rows.append((_views, patches))
    figure = Figure(figsize=(style.WIDTH, 3.5 * len(rows)), layout="constrained")
    letters = iter("abcdefghi")
    grid = figure.add_gridspec(len(rows), 1)
    for i, (drawn, lines) in enumerate(rows):
        drawn(figure.add_subfigure(grid[i]), lines, letters)
    return figure


def _predictors(figure: SubFigure, images: Mapping[str, Any], letters: Iterator[str]) -> None:
    """Gains over the standard prediction, paired by repetition, beside the published ones."""
    places = [(entry, float(y)) for y, entry in enumerate(PREDICTORS)]
    every = figure.subplots(1, len(images), sharey=True, squeeze=False)[0]
    for axes, lines in zip(every, images.values(), strict=True):
        for entry, y in places:
            gain = measured("error", "standard") - measured("error", entry.method)
            look: dict[str, Any] = {"marker": entry.marker, "color": entry.colour}
            panels.point(axes, y, panels.values(lines, gain), sideways=True, **look)
            published = panels.values(lines, measured("published_gain", entry.method))
            look = {"marker": "|", "ms": 13, "mew": 1.8, "color": style.INK}
            panels.mark(axes, y, published, sideways=True, **look)
        axes.axvline(0, color=style.INK, ls="--", lw=1)
        axes.set_yticks(range(len(PREDICTORS)), [entry.label for entry in PREDICTORS], fontsize=9)
        axes.set_ylim(len(PREDICTORS) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
        error = 100 * select(lines, method="standard")["error"].mean()
        axes.set_xlabel(f"gain over the standard prediction,\npoints of its {error:.1f}% error")
        kind = "made up" if lines["data"].iat[0] == "multi_view" else "images"
        number = lines["train_images"].max()
        style.title(axes, next(letters), f"{lines['name'].iat[0]}, {number:,.0f} {kind}")
    label = panels.by_repetition(panels.repetitions(lines))
    every[-1].plot([], [], "o", color=style.GREY, label=label)
    every[-1].plot([], [], "|", ms=11, mew=1.8, color=style.INK, label="published, other size")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8.5, frameon=False)


def _further(figure: SubFigure, images: Mapping[str, Any], letters: Iterator[str]) -> None:
    """Means over few masks, and smaller nets."""
    left, right = figure.subplots(1, 2)
    _by_masks(left, images)
    style.title(left, next(letters), "Masks against the student")
    shrunk = [name for name, lines in images.items() if _has(lines, "factor")]
    if shrunk:
        _compression(right, images[shrunk[0]])
        style.title(right, next(letters), f"Smaller nets, {images[shrunk[0]]['name'].iat[0]}")
    else:
        right.set_axis_off()


def _has(lines: pd.DataFrame, name: str) -> bool:
    return name in lines.columns and bool(lines[name].notna().any())


def _by_masks(axes: Axes, images: Mapping[str, Any]) -> None:
    """Errors less the standard one's: lines for means over masks, squares for the student."""
    most = 1.0
    for i, (name, lines) in enumerate(images.items()):
        standard, shift = measured("error", "standard"), 1.06 ** (i - 1)
        masks = sorted(lines["masks"].dropna().unique())
        points: dict[float, Estimate] = {
            shift * number: measured("error", masks=number) - standard for number in masks
        }
        look: dict[str, Any] = {"color": PARTS[name]}
        most = max(masks)
        panels.curve(axes, lines, points, label=lines["name"].iat[0], **look)
        student = panels.values(lines, measured("error", "distilled") - standard)
        panels.point(axes, 2 * most * shift**2, student, marker="s", **look)
    axes.plot([], [], "s", color="white", mec=style.INK, label="student (copy)")
    axes.axhline(0, color=style.INK, ls="--", lw=1)
    axes.set_xscale("log")
    ticks = (1, 10, 100)
    axes.set_xticks([*ticks, 2 * most], [*map(str, ticks), "student"])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axes.set_xlabel("masks averaged")
    axes.set_ylabel("error less the standard\nprediction's, points")
    axes.legend(fontsize=8.5)


def _compression(axes: Axes, lines: Any) -> None:
    """Errors by size of nets on labels and of students, shrunk in all layers or in one."""
    sizes: dict[tuple[str, float], float] = {
        (layers, factor): size
        for layers, factor, size in lines[["layers", "factor", "parameters"]]
        .dropna()
        .itertuples(index=False)
    }
    for layers, line in (("all", "-"), ("hidden", ":")):
        for by, name, colour in (
            ("labels", "labels, dropout", style.COLOURS["one"]),
            ("masks", "student of masks", style.COLOURS["self"]),
        ):
            points = {
                size: measured("error", layers=which, factor=factor, taught_by=by)
                for (which, factor), size in sorted(sizes.items(), key=lambda each: each[1])
                if which in (layers, "none")
            }
            what = "all layers" if layers == "all" else "hidden layer"
            look: dict[str, Any] = {"color": colour, "ls": line, "label": f"{name}; {what}"}
            panels.curve(axes, lines, points, low=0, high=1, **look)
    axes.set_xscale("log")
    least, most = min(sizes.values()), max(sizes.values())
    ticks = [least, (least * most) ** 0.5, most]
    axes.set_xticks(ticks, [f"{size / 1000:.0f}k" for size in ticks])
    axes.minorticks_off()
    axes.set_xlabel("parameters; the largest net has the teacher's size")
    axes.set_ylabel("test error")
    axes.legend(fontsize=8, title="how it was taught; what is smaller", title_fontsize=8)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.45 * (high - low))  # for the legend


def _views(figure: SubFigure, lines: Any, letters: Iterator[str]) -> None:
    """Views covered by predictors, and by what is dropped in training."""
    left, middle, right = figure.subplots(1, 3)
    _by_predictor(left, lines)
    style.title(left, next(letters), "Patches: views by predictor")
    width = select(lines, method="standard")["width"].iat[0]
    other = lines[(lines["width"] != width) & (lines["dropped"] == "neuron")]
    p = other["probability"].iat[0]  # at all widths
    for dropped, label, colour in (
        ("neuron", "neurons", style.COLOURS["one"]),
        ("patch", "whole patches", style.COLOURS["ensemble"]),
    ):
        _curve(middle, lines, "probability", label, colour, dropped, width=width)
    middle.set_xlabel("probability of dropout in training")
    style.title(middle, next(letters), "By what is dropped")
    _curve(right, lines, "width", "no dropout", style.INK, probability=0.0)
    colour = style.COLOURS["one"]
    _curve(right, lines, "width", "dropout of neurons", colour, "neuron", probability=p)
    widths = sorted(lines["width"].unique())
    right.set_xscale("log")
    right.set_xticks(widths, [f"{each:g}" for each in widths])
    right.minorticks_off()
    right.set_xlabel("neurons of a class")
    style.title(right, next(letters), "By width")
    for axes in (middle, right):
        axes.set_ylim(0, 1.1)
        axes.legend(fontsize=8.5)


def _by_predictor(axes: Axes, lines: Any) -> None:
    """Bars, with what is predicted of them."""
    for x, entry in enumerate(VIEWS):
        found = panels.values(lines, measured("coverage", entry.method))
        if found is not None:
            panels.bar(axes, x, found, entry.colour)
        predicted = panels.values(lines, measured("predicted", entry.method))
        panels.mark(axes, x, predicted, marker="_", ms=26, mew=1.6, color=style.INK, zorder=6)
    axes.plot([], [], "_", ms=12, mew=1.6, color=style.INK, label="predicted")
    axes.set_xticks(range(len(VIEWS)), [entry.label for entry in VIEWS], fontsize=8)
    axes.set_ylim(0, 1.25)
    axes.set_ylabel(f"views covered\n{panels.by_repetition(panels.repetitions(lines))}")
    axes.grid(axis="x", visible=False)
    axes.legend(fontsize=8.5, loc="upper left")


def _curve(
    axes: Axes, lines: Any, axis: str, label: str, colour: str, dropped: str = "", **where: Any
) -> None:
    """Coverage along an axis of networks with such dropout, and of those with none if they fit."""
    known: Any = select(lines[lines["dropped"].isin(["nothing", dropped])], **where)
    points = {
        float(x): measured("coverage", str(method))
        for x, method in known[[axis, "method"]].sort_values(axis).itertuples(index=False)
    }
    panels.curve(axes, lines, points, low=0, high=1, color=colour, label=label)
