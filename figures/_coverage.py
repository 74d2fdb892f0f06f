"""Panels about the views that students on synthetic patches cover."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from figures import _contrast, style
from multiview.runs.intervals import mean_interval

LESSONS = {  # name, colour, marker
    "hinton": ("Hinton's loss", style.COLOURS["distilled"], "o"),
    "paper": ("the paper's update", style.COLOURS["self"], "s"),
}
BARS = {  # column, its place in a list, name, colour
    "labels": (None, "labels", style.COLOURS["sum"]),
    "heat": (0, "cold", style.COLOURS["distilled"]),
    "heat_hot": (-1, "hot", style.COLOURS["distilled"]),
    "l2": (None, "squares", style.COLOURS["distilled"]),
    "l2_centred": (None, "centred\nsquares", style.COLOURS["distilled"]),
    "scarce_soft": (None, "few,\nsoft", style.COLOURS["self"]),
    "scarce_hard": (None, "few,\nlabels", style.COLOURS["sum"]),
}


def students(figure: SubFigure, rows: pd.DataFrame, letters: str = "abc") -> None:
    """Draw the synthetic part of ``distillation``: c by teachers, by lesson, and by round.

    Args:
        rows: Its rows, one a repetition.
        letters: Of the three panels.
    """
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.5, 1))
    first, n = rows.iloc[0], len(rows)
    sizes = np.array(list(first["sizes"]), float)
    points(left, sizes, rows["teacher_coverage"], "teacher", style.COLOURS["ensemble"], "^")
    for i, (lesson, (name, colour, marker)) in enumerate(LESSONS.items()):
        apart = 1 + 0.03 * (i + 1)  # keeps intervals legible
        points(left, sizes * apart, rows[f"{lesson}_coverage"], name, colour, marker)
    law = np.mean([np.asarray(each, float) for each in rows["predicted"]], 0)
    left.plot(sizes, law, "k_", ms=14, mew=1.6, label="students, predicted", zorder=4)
    left.set_xscale("log")
    left.set_xticks(sizes, [f"{size:g}" for size in sizes])
    left.minorticks_off()
    left.set_xlabel("networks that teach, K")
    left.set_ylabel(f"fraction of views covered\nmean, 95% interval, n = {n}")
    left.legend(fontsize=8)
    style.title(left, letters[0], "Patches: by teachers")
    for x, (name, (place, _, colour)) in enumerate(BARS.items()):
        values = rows[f"{name.removesuffix('_hot')}_coverage"]
        values = values if place is None else values.str[place]
        _contrast.bar(middle, x, values.to_numpy(float), colour)
    middle.axhline(
        rows["one_coverage"].to_numpy(float).mean(), color=style.COLOURS["one"], ls="--", lw=1.3
    )
    middle.set_xticks(range(len(BARS)), [name for _, name, _ in BARS.values()], fontsize=8)
    middle.grid(axis="x", visible=False)
    style.title(middle, letters[1], "By lesson; dashed: one network")
    rounds = np.arange(len(list(first["again_hinton_coverage"])), dtype=float)
    for i, (lesson, (name, colour, marker)) in enumerate(LESSONS.items()):
        chain = rows[f"again_{lesson}_coverage"]
        points(right, rounds + 0.05 * i, chain, name, colour, marker)
    start = rows["one_coverage"].to_numpy(float).mean()
    right.plot(
        rounds, 1 - (1 - start) ** (rounds + 1), "k_", ms=14, mew=1.6, label="predicted", zorder=4
    )
    right.set_xticks(rounds)
    right.set_xlabel("round of students of students")
    right.legend(fontsize=8)
    style.title(right, letters[2], "By round")
    for axes in (left, middle, right):
        axes.set_ylim(0, 1.2)


def points(axes: Axes, x: np.ndarray, lists: Any, label: str, colour: str, marker: str) -> None:
    """Means of lists, place by place, with their 95% intervals cut to fractions."""
    values = np.stack([np.asarray(each, float) for each in lists]).T
    mean, low, high = np.array([mean_interval(each) for each in values]).T
    axes.plot(x, mean, marker=marker, ms=5.5, ls="-", lw=1, color=colour, label=label, zorder=3)
    if np.isfinite([low, high]).all():  # the interval of one value is the whole line
        low, high = np.clip([low, high], 0, 1)
        axes.vlines(x, low, high, color=colour, lw=1.3, alpha=0.7, zorder=2)
