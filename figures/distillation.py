"""Hinton's experiments on digits, students on images, and the views that students cover."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import _contrast, _coverage, style
from multiview.runs.intervals import mean_interval

DIGITS = {
    "teacher": "teacher",
    "hard": "labels",
    "soft": "soft\ntargets",
    "few_hard": "labels,\n{few:g}%",
    "few_soft": "soft,\n{few:g}%",
}
LACKING = {  # column, its ending after the shift, name
    "missing": "no 3s:\nall digits",
    "missing_class": "no 3s:\nthe 3s",
    "pair": "7s, 8s alone:\nall digits",
}
IMAGES = {
    "one": "one\nteacher",
    "ensemble": "teachers'\nensemble",
    "labels": "labels",
    "kd": "mean of\nprobabilities",
    "kd_logits": "mean of\nlogits",
    "kd_hot": "probabilities,\nhot",
    "l2": "squares",
    "l2_centred": "centred\nsquares",
}
COLOURS = {"teacher": "one", "one": "one", "ensemble": "ensemble", "labels": "sum", "hard": "sum"}


def colour(name: str) -> str:
    """Teachers, ensembles and networks of labels as in the other figures; students else."""
    key = "sum" if name.endswith("hard") else COLOURS.get(name, "distilled")
    return style.COLOURS[key]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``distillation``, the parts that it has.

    Args:
        table: One row a repetition and part.
    """
    style.use()
    parts = dict(list(table.groupby("part")))
    known = [name for name in ("mnist", "cifar10", "synthetic") if name in parts]
    figure = Figure(figsize=(style.WIDTH, 3.9 * len(known)), layout="constrained")
    grid = figure.add_gridspec(len(known), 1)
    views = partial(_coverage.students, letters="fgh")
    draws = {"mnist": _digits, "cifar10": _images, "synthetic": views}
    for i, name in enumerate(known):
        draws[name](figure.add_subfigure(grid[i]), parts[name])
    return figure


def _digits(figure: SubFigure, table: pd.DataFrame) -> None:
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
    few = 100 * table.iloc[0]["few"]
    _bars(left, table, {who: name.format(few=few) for who, name in DIGITS.items()})
    style.title(left, "a", f"Digits, {table.iloc[0]['train_images']:,.0f} images")
    _heat(middle, table)
    style.title(middle, "b", "By temperature")
    _shifts(right, table)
    style.title(right, "c", "Digits never seen")


def _bars(axes: Axes, table: pd.DataFrame, names: dict[str, str]) -> None:
    highest = [
        _contrast.bar(axes, x, table[name].to_numpy(float), colour(name))
        for x, name in enumerate(names)
    ]
    axes.set_xticks(range(len(names)), list(names.values()), fontsize=8)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.2 * max(highest) or 1)
    axes.set_ylabel(f"test error\nmean, 95% interval, n = {len(table)}")


def _heat(axes: Axes, table: pd.DataFrame) -> None:
    first = table.iloc[0]
    for name, hard, widths, marker in (
        ("by_temperature", "hard", "student_widths", "o"),
        ("small_by_temperature", "small_hard", "small_widths", "s"),
    ):
        each = [mean_interval(np.array(values, float)) for values in zip(*table[name], strict=True)]
        means = np.array([interval.mean for interval in each])
        reach = np.array([[i.mean - i.low, i.high - i.mean] for i in each]).T
        label = f"{first[widths][0]} units a layer"
        axes.errorbar(
            first["temperatures"],
            means,
            yerr=np.where(np.isfinite(reach), reach, 0),
            marker=marker,
            ms=5,
            capsize=2,
            color=style.COLOURS["distilled"],
            mfc="white" if marker == "s" else None,
            label=label,
        )
        axes.axhline(
            float(table[hard].to_numpy(float).mean()),
            color=style.COLOURS["sum"],
            ls="--" if marker == "s" else "-",
            lw=1.2,
            label=f"... taught by labels ({first[widths][0]})",
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(first["temperatures"], [f"{T:g}" for T in first["temperatures"]])
    axes.minorticks_off()
    axes.set_xlabel("temperature T of soft targets")
    axes.set_ylim(0, None)
    axes.set_ylabel("test error")
    axes.legend(fontsize=7.5, loc="lower right")


def _shifts(axes: Axes, table: pd.DataFrame) -> None:
    for x, name in enumerate(LACKING):
        for offset, ending, shade in ((-0.2, "", 0.45), (0.2, "_shifted", 0.95)):
            values = table[f"{name}{ending}"].to_numpy(float)
            mean, low, high = mean_interval(values)
            label = ("as trained" if not ending else "one bias shifted") if x == 0 else None
            place = x + offset
            axes.bar(place, mean, 0.36, color=style.COLOURS["distilled"], alpha=shade, label=label)
            if len(values) > 1:
                axes.vlines(place, max(low, 0), min(high, 1), color=style.INK, lw=1.2)
            top = min(high, 1) if len(values) > 1 else mean
            axes.text(place, top + 0.01, f"{100 * mean:.0f}%", ha="center", fontsize=8)
    axes.set_xticks(range(len(LACKING)), list(LACKING.values()), fontsize=8)
    axes.set_ylim(0, 1.05)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("test error")
    axes.legend(fontsize=8, loc="upper left")


def _images(figure: SubFigure, table: pd.DataFrame) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(2.6, 1))
    _bars(left, table, IMAGES)
    first = table.iloc[0]
    name = {"cifar10": "CIFAR-10", "multi_view": "Made-up images"}.get(first["data"], first["data"])
    style.title(
        left, "d", f"{name}, {first['num_train']:,.0f} images: small students of an ensemble"
    )
    rounds = np.stack([np.asarray(each, float) for each in table["generations"]])
    places = range(rounds.shape[1])
    for each in rounds:
        right.plot(places, each, color=style.COLOURS["self"], lw=1, marker="o", ms=3.5)
    right.plot(places, rounds.mean(0), color=style.INK, lw=2, marker="D", ms=5, label="mean")
    right.set_xticks(places, ["labels", *(f"round {i}" for i in places[1:])], fontsize=8)
    right.set_ylabel("test error")
    right.legend(fontsize=8)
    style.title(right, "e", "Born again")
