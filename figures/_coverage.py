"""Panels about the views that students on synthetic patches cover."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from figures import panels, style
from multiview.runs.estimates import Estimate, measured

T = 4.0  # of Hinton's loss where it is not varied
KD_LOSSES = {  # name, colour, marker
    "hinton": ("Hinton's loss", style.COLOURS["distilled"], "o"),
    "paper": ("the paper's update", style.COLOURS["self"], "s"),
}
coverage = partial(measured, "coverage")


def students(figure: SubFigure, table: pd.DataFrame, letters: str = "abc") -> None:
    """Draw the synthetic part of ``distillation``: c by teachers, by KD loss, and by round.

    Args:
        table: Its lines.
        letters: Of the three panels.
    """
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.5, 1))
    _by_teachers(left, table)
    style.title(left, letters[0], "Patches: by teachers")
    _by_loss(middle, table)
    style.title(middle, letters[1], "By KD loss; dashed: one network")
    _by_round(right, table)
    style.title(right, letters[2], "By round")
    for axes in (left, middle, right):
        axes.set_ylim(0, 1.2)


def _by_teachers(axes: Axes, table: pd.DataFrame) -> None:
    sizes = sizes_of(table)
    curve = partial(panels.curve, axes, table, low=0, high=1, ms=5.5, lw=1)
    teachers = {float(size): coverage(f"ensemble_{size}") for size in sizes}
    curve(teachers, color=style.COLOURS["ensemble"], marker="^", label="teacher")
    for i, (loss, (name, colour, marker)) in enumerate(KD_LOSSES.items()):
        temperature: dict[str, Any] = {"T": T} if loss == "hinton" else {}
        apart = 1 + 0.03 * (i + 1)  # keeps intervals legible
        points = {size * apart: coverage(kd_loss=loss, size=size, **temperature) for size in sizes}
        curve(points, color=colour, marker=marker, label=name)
    predicted = {float(size): measured("predicted", kd_loss="paper", size=size) for size in sizes}
    _theory(axes, table, predicted, "students, predicted")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("networks that teach, K")
    spread = panels.by_repetition(panels.repetitions(table))
    axes.set_ylabel(f"fraction of views covered\n{spread}")
    axes.legend(fontsize=8)


def sizes_of(table: pd.DataFrame) -> list[int]:
    """K of the teachers, rising."""
    return sorted({int(size) for size in table["size"].dropna()})


def _theory(
    axes: Axes, table: pd.DataFrame, predicted: Mapping[float, Estimate], label: str
) -> None:
    """A dash where the theory puts c of the students."""
    for x, each in predicted.items():
        found = panels.values(table, each)
        panels.mark(axes, x, found, marker="_", ms=14, mew=1.6, color="k", zorder=4, label=label)
        label = ""  # one entry in the legend


def _by_loss(axes: Axes, table: pd.DataFrame) -> None:
    K, temperatures = sizes_of(table)[-1], sorted(table["T"].dropna().unique())
    taught, by_labels = style.COLOURS["distilled"], style.COLOURS["sum"]
    bars = {
        "labels": (coverage("labels"), by_labels),
        "cold": (coverage(kd_loss="hinton", size=K, T=temperatures[0]), taught),
        "hot": (coverage(kd_loss="hinton", size=K, T=temperatures[-1]), taught),
        "squares": (coverage(kd_loss="squares", size=K), taught),
        "centred\nsquares": (coverage(kd_loss="squares_centred", size=K), taught),
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
    rounds = range(int(max(table["round"].dropna())) + 1)
    for i, (loss, (name, colour, marker)) in enumerate(KD_LOSSES.items()):
        points = {r + 0.05 * i: coverage(chain=loss, round=r) for r in rounds}
        look = {"ms": 5.5, "lw": 1, "color": colour, "marker": marker, "label": name}
        panels.curve(axes, table, points, low=0, high=1, **look)
    predicted = {float(r): measured("predicted", chain="paper", round=r) for r in rounds}
    _theory(axes, table, predicted, "predicted")
    axes.set_xticks(rounds)
    axes.set_xlabel("round of students of students")
    axes.legend(fontsize=8, loc="lower right")
