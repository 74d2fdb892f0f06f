"""Panels about the views that students on synthetic patches cover."""

from collections.abc import Mapping
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from figures import panels, style
from multiview.runs.estimates import Estimate, measured

LESSONS = {  # name, colour, marker
    "hinton": ("Hinton's loss", style.COLOURS["distilled"], "o"),
    "paper": ("the paper's update", style.COLOURS["self"], "s"),
}
coverage = partial(measured, "coverage")


def students(figure: SubFigure, table: pd.DataFrame, letters: str = "abc") -> None:
    """Draw the synthetic part of ``distillation``: c by teachers, by lesson, and by round.

    Args:
        table: Its lines.
        letters: Of the three panels.
    """
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.5, 1))
    _by_teachers(left, table)
    style.title(left, letters[0], "Patches: by teachers")
    _by_lesson(middle, table)
    style.title(middle, letters[1], "By lesson; dashed: one network")
    _by_round(right, table)
    style.title(right, letters[2], "By round")
    for axes in (left, middle, right):
        axes.set_ylim(0, 1.2)


def _by_teachers(axes: Axes, table: pd.DataFrame) -> None:
    first = table.iloc[0]
    sizes = first["sizes"]
    curve = partial(panels.curve, axes, table, low=0, high=1, ms=5.5, lw=1)
    teachers = {size: coverage(f"ensemble_{size}") for size in sizes}
    curve(teachers, color=style.COLOURS["ensemble"], marker="^", label="teacher")
    for i, (lesson, (name, colour, marker)) in enumerate(LESSONS.items()):
        heat = {"T": first["temperature"]} if lesson == "hinton" else {}
        apart = 1 + 0.03 * (i + 1)  # keeps intervals legible
        points = {size * apart: coverage(lesson=lesson, size=size, **heat) for size in sizes}
        curve(points, color=colour, marker=marker, label=name)
    laws = {size: measured("predicted", lesson="paper", size=size) for size in sizes}
    _theory(axes, table, laws, "students, predicted")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("networks that teach, K")
    says = panels.by_repetition(panels.repetitions(table))
    axes.set_ylabel(f"fraction of views covered\n{says}")
    axes.legend(fontsize=8)


def _theory(axes: Axes, table: pd.DataFrame, laws: Mapping[float, Estimate], label: str) -> None:
    """A dash where the theory puts c of the students."""
    for x, law in laws.items():
        found = panels.values(table, law)
        panels.mark(axes, x, found, marker="_", ms=14, mew=1.6, color="k", zorder=4, label=label)
        label = ""  # one entry in the legend


def _by_lesson(axes: Axes, table: pd.DataFrame) -> None:
    first = table.iloc[0]
    K, temperatures = first["sizes"][-1], first["temperatures"]
    taught, by_labels = style.COLOURS["distilled"], style.COLOURS["sum"]
    bars = {
        "labels": (coverage("labels"), by_labels),
        "cold": (coverage(lesson="hinton", size=K, T=temperatures[0]), taught),
        "hot": (coverage(lesson="hinton", size=K, T=temperatures[-1]), taught),
        "squares": (coverage(lesson="squares", size=K), taught),
        "centred\nsquares": (coverage(lesson="squares_centred", size=K), taught),
        "few,\nsoft": (coverage("few_hinton"), style.COLOURS["self"]),
        "few,\nlabels": (coverage("few_labels"), by_labels),
    }
    for x, (estimate, colour) in enumerate(bars.values()):
        if found := panels.values(table, estimate):
            panels.bar(axes, x, found, colour)
    if one := panels.values(table, coverage("member")):
        axes.axhline(one.by_seed.mean(), color=style.COLOURS["one"], ls="--", lw=1.3)
    axes.set_xticks(range(len(bars)), list(bars), fontsize=8)
    axes.grid(axis="x", visible=False)


def _by_round(axes: Axes, table: pd.DataFrame) -> None:
    rounds = range(int(table.iloc[0]["rounds"]) + 1)
    for i, (lesson, (name, colour, marker)) in enumerate(LESSONS.items()):
        points = {r + 0.05 * i: coverage(chain=lesson, round=r) for r in rounds}
        look = {"ms": 5.5, "lw": 1, "color": colour, "marker": marker, "label": name}
        panels.curve(axes, table, points, low=0, high=1, **look)
    laws = {float(r): measured("predicted", chain="paper", round=r) for r in rounds}
    _theory(axes, table, laws, "predicted")
    axes.set_xticks(rounds)
    axes.set_xlabel("round of students of students")
    axes.legend(fontsize=8, loc="lower right")
