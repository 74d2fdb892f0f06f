"""Panels about the views that pruned patch nets still cover."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from figures import style
from figures._coverage import points

BLUE, GREEN, ORANGE = (style.COLOURS[name] for name in ("one", "ensemble", "sum"))
RED = style.COLOURS["distilled"]


def draw(figure: SubFigure, rows: pd.DataFrame, letters: str = "abc") -> None:
    """Draw the synthetic part of ``l0_gates``: what goes first, who keeps it, late or together.

    Args:
        rows: Its rows, one a repetition.
        letters: Of the three panels.
    """
    left, middle, right = figure.subplots(1, 3)
    _what_goes_first(left, rows)
    style.title(left, letters[0], "Patches: views by neurons left")
    _labels_or_soft(middle, rows)
    style.title(middle, letters[1], "Views by what is taught")
    _late_and_together(right, rows)
    style.title(right, letters[2], "Views by delay; averages")
    for axes in (left, middle, right):
        axes.set_ylim(-0.03, 1.3)  # room for the legend
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.legend(fontsize=8, loc="upper center", ncols=2, columnspacing=1)


def _what_goes_first(axes: Axes, rows: pd.DataFrame) -> None:
    """c and both errors against the neurons that are left, of a net that knew all views."""
    neurons = np.mean([np.asarray(each, float) for each in rows["all_neurons"]], 0)
    x = np.maximum(neurons, 0.1)  # none left has no logarithm
    for name, label, colour, marker in (
        ("all_coverage", "c, knew both views", GREEN, "o"),
        ("all_single", "single-view error", RED, "v"),
        ("all_multi", "multi-view error", ORANGE, "s"),
    ):
        points(axes, x, rows[name], label, colour, marker)
    own = np.mean([np.asarray(each, float) for each in rows["one_neurons"]], 0)
    points(axes, np.maximum(own, 0.1), rows["one_coverage"], "c, one network", BLUE, "^")
    for floor in (1, 2):
        axes.axvline(floor, color=style.INK, ls=":", lw=1)
    axes.set_xscale("log")
    axes.invert_xaxis()
    ticks = [each for each in (20, 10, 5, 2, 1, 0.5, 0.2) if each <= x.max()]
    axes.set_xticks([*ticks, 0.1], [*(f"{each:g}" for each in ticks), "0"])
    axes.minorticks_off()
    axes.set_xlabel("neurons of a class that are left\n(dotted: one, and one a view)")
    axes.set_ylabel(f"fraction of views (c) or samples\nmean, 95% interval, n = {len(rows)}")


def _labels_or_soft(axes: Axes, rows: pd.DataFrame) -> None:
    """c by strength of one start, by what it is taught meanwhile."""
    first = rows.iloc[0]
    strengths = np.array(list(first["strengths"]), float)
    for i, (who, label, colour, marker) in enumerate(
        (
            ("all", "labels", GREEN, "o"),
            ("soft", f"soft, T={first['temperature']:g}", RED, "s"),
            ("cool", "soft, T=1", ORANGE, "v"),
        )
    ):
        x = strengths * 1.05**i  # keeps intervals legible
        points(axes, x, rows[f"{who}_coverage"], label, colour, marker)
    places = np.array(list(first["other_strengths"]), float)
    label = f"labels, mu={first['other_mu']:g}"
    points(axes, places, rows["more_mu_coverage"], label, BLUE, "^")
    axes.axhline(0.5, color=style.INK, ls=":", lw=1)
    axes.set_xscale("log")
    axes.set_xlabel("lambda (divided by N samples)")
    axes.set_ylabel("fraction of views covered, c")


def _late_and_together(axes: Axes, rows: pd.DataFrame) -> None:
    """c by when the penalty begins, lambda times steps alike; to the right, of averages."""
    strengths = np.array(list(rows.iloc[0]["scratch_strengths"]), float)
    by_strength = np.arange(len(strengths), dtype=float)
    for who, label, colour, marker in (
        ("from_start", "from step 0", RED, "v"),
        ("delayed", "delayed", GREEN, "o"),
    ):
        points(axes, by_strength, rows[f"{who}_coverage"], label, colour, marker)
    sizes = range(1, len(rows.iloc[0]["predicted_ensemble"]) + 1)
    by_size = len(strengths) + np.arange(len(sizes), dtype=float)
    points(axes, by_size, rows["pruned_ensemble_coverage"], "pruned, averaged", BLUE, "^")
    law = np.mean([np.asarray(each, float) for each in rows["predicted_ensemble"]], 0)
    axes.plot(by_size, law, "k_", ms=12, mew=1.6, label="predicted", zorder=4)
    axes.axvline(len(strengths) - 0.5, color=style.INK, lw=1)
    names = [*(f"{each:g}" for each in strengths), *(f"K={size}" for size in sizes)]
    axes.set_xticks([*by_strength, *by_size], names, fontsize=8, rotation=45)
    times = 1 / (1 - rows.iloc[0]["delay"])
    axes.set_xlabel(f"lambda (delayed: x {times:g})\n| networks averaged")
    axes.set_ylabel("fraction of views covered, c")
