"""Hinton's experiments on digits, students on images, and the views that students cover."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import _coverage, panels, style
from multiview.runs.estimates import Estimate, measured, select

LACKING = {  # method and measure
    ("missing", "error"): "no 3s:\nall digits",
    ("missing", "class_error"): "no 3s:\nthe 3s",
    ("pair", "error"): "7s, 8s alone:\nall digits",
}
IMAGES = {
    "member": "one\nteacher",
    "ensemble": "teachers'\nensemble",
    "labels": "labels",
    "hinton": "mean of\nprobabilities",
    "hinton_logits": "mean of\nlogits",
    "hinton_hot": "probabilities,\nhot",
    "squares": "squares",
    "squares_centred": "centred\nsquares",
    "standardised": "standard-\nised",
}
# Teachers, ensembles and networks of labels as in the other figures; students else.
COLOURS = {
    "member": style.COLOURS["one"],
    "ensemble": style.COLOURS["ensemble"],
    "labels": style.COLOURS["sum"],
}
TAUGHT = style.COLOURS["distilled"]
LABELS = style.COLOURS["sum"]
Bar = tuple[str, Estimate, str]  # name, value, colour


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``distillation``, the parts that it has.

    Args:
        table: One line a repetition, part and method.
    """
    style.use()
    known = [part for part in ("mnist", "cifar10", "synthetic") if part in set(table["part"])]
    figure = Figure(figsize=(style.WIDTH, 3.9 * len(known)), layout="constrained")
    grid = figure.add_gridspec(len(known), 1)
    views = partial(_coverage.students, letters="fgh")
    draws = {"mnist": _digits, "cifar10": _images, "synthetic": views}
    for i, part in enumerate(known):
        draws[part](figure.add_subfigure(grid[i]), select(table, part=part))
    return figure


def _digits(figure: SubFigure, table: pd.DataFrame) -> None:
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
    error = partial(measured, "error")
    few = f"{100 * table['share'].max():g}%"
    bars: list[Bar] = [
        ("teacher", error("teacher"), style.COLOURS["one"]),
        ("labels", error("labels"), LABELS),
        ("soft\ntargets", error("hinton_T20"), TAUGHT),
        (f"labels,\n{few}", error("few_labels"), LABELS),
        (f"soft,\n{few}", error("few_hinton"), TAUGHT),
    ]
    _bars(left, table, bars)
    style.title(left, "a", f"Digits, {table['train_images'].max():,.0f} images")
    _by_temperature(middle, table)
    style.title(middle, "b", "By temperature")
    _shifts(right, table)
    style.title(right, "c", "Digits never seen")


def _bars(axes: Axes, table: pd.DataFrame, bars: Sequence[Bar]) -> None:
    found = [(panels.values(table, estimate), colour) for _, estimate, colour in bars]
    tops = [panels.bar(axes, x, each, colour) for x, (each, colour) in enumerate(found) if each]
    axes.set_xticks(range(len(bars)), [name for name, *_ in bars], fontsize=8)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.2 * max(tops, default=0) or 1)
    axes.set_ylabel(f"test error\n{panels.by_repetition(panels.repetitions(table))}")


def _by_temperature(axes: Axes, table: pd.DataFrame) -> None:
    temperatures = sorted(table["T"].dropna().unique())
    for size, marker, line in (("", "o", "-"), ("small_", "s", "--")):
        units = select(table, method=f"{size}labels")["units"].max()
        points = {T: measured("error", f"{size}hinton_T{T:g}") for T in temperatures}
        look: dict[str, Any] = {"mfc": "white"} if marker == "s" else {}
        look |= {"marker": marker, "color": TAUGHT, "label": f"{units:g} units a layer"}
        panels.curve(axes, table, points, low=0, high=1, **look)
        level = panels.values(table, measured("error", f"{size}labels"))
        if level is not None:
            label = f"... taught by labels ({units:g})"
            axes.axhline(level.by_seed.mean(), color=LABELS, ls=line, lw=1.2, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(temperatures, [f"{T:g}" for T in temperatures])
    axes.minorticks_off()
    axes.set_xlabel("temperature T of soft targets")
    axes.set_ylim(0, None)
    axes.set_ylabel("test error")
    axes.legend(fontsize=7.5, loc="lower right")


def _shifts(axes: Axes, table: pd.DataFrame) -> None:
    """Errors as trained (hollow) and with one bias shifted (filled)."""
    for x, (method, measure) in enumerate(LACKING):
        for name, side, face in ((method, -1, "white"), (f"{method}_shifted", 1, TAUGHT)):
            found, position = panels.values(table, measured(measure, name)), x + 0.13 * side
            if found is None:
                continue
            panels.point(axes, position, found, low=0, high=1, ms=7, color=TAUGHT, mfc=face)
            mean = float(found.by_seed.mean())
            text = axes.text(position + 0.09 * side, mean, f"{100 * mean:.0f}%", fontsize=8)
            text.set(ha="right" if side < 0 else "left", va="center")
    axes.plot([], [], "o", ms=7, color=TAUGHT, mfc="white", label="as trained")
    axes.plot([], [], "o", ms=7, color=TAUGHT, label="one bias shifted")
    axes.set_xticks(range(len(LACKING)), list(LACKING.values()), fontsize=8)
    axes.set_xlim(-0.6, len(LACKING) - 0.4)
    axes.set_ylim(0, 1.05)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("test error")
    axes.legend(fontsize=8, loc="upper left")


def _images(figure: SubFigure, table: pd.DataFrame) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(2.6, 1))
    bars = [
        (label, measured("error", who), COLOURS.get(who, TAUGHT)) for who, label in IMAGES.items()
    ]
    _bars(left, table, bars)
    first = table.iloc[0]
    name = {"cifar10": "CIFAR-10", "multi_view": "Made-up images"}.get(first["data"], first["data"])
    images = f"{name}, {first['num_train']:,.0f} images"
    style.title(left, "d", f"{images}: small students of an ensemble")
    _rounds(right, table)
    style.title(right, "e", "Born again")


def _rounds(axes: Axes, table: pd.DataFrame) -> None:
    """Each repetition's error round by round, and their mean."""
    rounds = table.pivot_table("error", index="round", columns="seed")
    axes.plot(rounds, color=style.COLOURS["self"], lw=1, marker="o", ms=3.5)
    axes.plot(rounds.mean(axis=1), color=style.INK, lw=2, marker="D", ms=5, label="mean")
    names = [f"round {r:.0f}" if r else "labels" for r in rounds.index]
    axes.set_xticks(rounds.index, names, fontsize=8)
    axes.set_ylabel("test error")
    axes.legend(fontsize=8)
