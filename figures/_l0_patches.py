"""Panels about the views that pruned patch nets still cover."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from figures import panels, style
from multiview.runs.estimates import measured, select

BLUE, GREEN, ORANGE = (style.COLOURS[name] for name in ("one", "ensemble", "sum"))
RED = style.COLOURS["distilled"]


def draw(table: pd.DataFrame, figure: SubFigure, letters: Iterator[str]) -> None:
    """Draw the synthetic part of ``l0_gates``: what goes first, who keeps it, late or together.

    Args:
        table: Its lines, one a repetition and method.
        letters: Of the three panels.
    """
    left, middle, right = figure.subplots(1, 3)
    _what_goes_first(left, table)
    style.title(left, next(letters), "Patches: views by neurons left")
    _labels_or_soft(middle, table)
    style.title(middle, next(letters), "Views by what is taught")
    _late_and_together(right, table)
    style.title(right, next(letters), "Views by delay; averages")
    for axes in (left, middle, right):
        axes.set_ylim(-0.03, 1.3)  # room for the legend
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.legend(fontsize=8, loc="upper center", ncols=2, columnspacing=1)


def _places(table: pd.DataFrame, group: str, axis: str = "strength") -> dict[str, float]:
    """Methods of a group by their mean place on an axis, in the order of the table."""
    lines = select(table, group=group)
    return {
        str(who): float(each[axis].to_numpy(float).mean())
        for who, each in lines.groupby("method", sort=False)
    }


def _curve(
    axes: Axes, table: pd.DataFrame, positions: dict[str, float], measure: str, *look: str
) -> None:
    """Means and intervals of fractions."""
    label, colour, marker = look
    points = {x: measured(measure, who) for who, x in positions.items()}
    panels.curve(
        axes, table, points, low=0, high=1, label=label, color=colour, marker=marker, lw=1, ms=5.5
    )


def _what_goes_first(axes: Axes, table: pd.DataFrame) -> None:
    """c and both errors against the neurons that are left, of a net that knew all views."""
    left, own = (
        # None left has no logarithm; equal places would be one.
        {who: max(x, 0.1) * 1.0001**i for i, (who, x) in enumerate(neurons.items())}
        for neurons in (_places(table, group, "neurons") for group in ("all", "one"))
    )
    _curve(axes, table, left, "coverage", "c, knew both views", GREEN, "o")
    _curve(axes, table, left, "single", "single-view error", RED, "v")
    _curve(axes, table, left, "multi", "multi-view error", ORANGE, "s")
    _curve(axes, table, own, "coverage", "c, one network", BLUE, "^")
    for floor in (1, 2):
        axes.axvline(floor, color=style.INK, ls=":", lw=1)
    axes.set_xscale("log")
    axes.invert_xaxis()
    ticks = [each for each in (20, 10, 5, 2, 1, 0.5, 0.2) if each <= max(left.values())]
    axes.set_xticks([*ticks, 0.1], [*(f"{each:g}" for each in ticks), "0"])
    axes.minorticks_off()
    axes.set_xlabel("neurons of a class that are left\n(dotted: one, and one a view)")
    interval = panels.by_repetition(panels.repetitions(table))
    axes.set_ylabel(f"fraction of views (c) or samples\n{interval}")


def _labels_or_soft(axes: Axes, table: pd.DataFrame) -> None:
    """c by strength of one start, by what it is taught meanwhile."""
    mu = select(table, group="more_mu")["spec.mu"].iloc[0]
    for i, (group, label, colour, marker) in enumerate(
        (
            ("all", "labels", GREEN, "o"),
            ("soft", "soft targets", RED, "s"),
            ("cool", "soft, T=1", ORANGE, "v"),
            ("more_mu", f"labels, mu={mu:g}", BLUE, "^"),
        )
    ):
        apart = 1.05**i  # keeps intervals legible
        positions = {who: apart * strength for who, strength in _places(table, group).items()}
        _curve(axes, table, positions, "coverage", label, colour, marker)
    axes.axhline(0.5, color=style.INK, ls=":", lw=1)
    axes.set_xscale("log")
    axes.set_xlabel("lambda (divided by N samples)")
    axes.set_ylabel("fraction of views covered, c")


def _late_and_together(axes: Axes, table: pd.DataFrame) -> None:
    """c by when the penalty begins, lambda times steps alike; to the right, c of averages."""
    early, late = (_places(table, group) for group in ("from_start", "delayed"))
    sizes = _places(table, "pruned_ensemble", "size")
    strengths = list(early.values())
    for positions, label, colour, marker in (
        (early, "from step 0", RED, "v"),
        (late, "delayed", GREEN, "o"),
    ):
        by_rank = {who: float(i) for i, who in enumerate(positions)}
        _curve(axes, table, by_rank, "coverage", label, colour, marker)
    by_size = {who: len(strengths) + size - 1 for who, size in sizes.items()}
    _curve(axes, table, by_size, "coverage", "pruned, averaged", BLUE, "^")
    for who, x in by_size.items():
        found = panels.values(table, measured("predicted", who))
        panels.mark(axes, x, found, marker="_", color="k", ms=12, mew=1.6, zorder=4)
    axes.plot([], [], "k_", ms=12, mew=1.6, label="predicted")
    axes.axvline(len(strengths) - 0.5, color=style.INK, lw=1)
    names = [*(f"{each:g}" for each in strengths), *(f"K={size:g}" for size in sizes.values())]
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=45)
    times = next(iter(late.values())) / strengths[0]
    axes.set_xlabel(f"lambda (delayed: x {times:g})\n| networks averaged")
    axes.set_ylabel("fraction of views covered, c")
