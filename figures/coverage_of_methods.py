"""A dozen methods, a row each: the views learned, their fraction, and errors."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import measured, select

COLOURS = {
    "labels alone": style.COLOURS["one"],
    "averaging": style.COLOURS["ensemble"],
    "students": style.COLOURS["distilled"],
    "dropout in training": style.COLOURS["dropout"],
    "rocket launching": style.COLOURS["rocket"],
    "tangent kernels": style.COLOURS["kernels"],
}
# All methods are in the table of the page; those of primary claims are here.
SHOWN = (
    "member",
    "labels",
    "ensemble",
    "summed",
    "hinton",
    "paper",
    "self_continued",
    "patch",
    "rocket",
    "kernel_member",
    "kernel_ensemble",
    "kernel_distilled",
)
SPACE = 1.0  # rows that a group's name takes
Rows = list[tuple[Entry, float]]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``coverage_of_methods``.

    Args:
        table: One line a repetition and method, with its ``label`` and ``group``; the strips are of
            the first repetition.
    """
    style.use()
    rows, groups = _rows(table)
    bottom = rows[-1][1]
    figure = Figure(figsize=(style.WIDTH, 1.5 + 0.27 * bottom), layout="constrained")
    strips, coverage, errors = figure.subplots(1, 3, sharey=True, width_ratios=(1.75, 1.3, 1.1))
    first = table["seed"].iloc[0]
    _strips(strips, select(table, seed=first), rows, groups)
    style.title(strips, "a", f"Which views: seed {first:.0f}")
    _coverage(coverage, table, rows)
    style.title(coverage, "b", "Views learned: c")
    _errors(errors, table, rows)
    style.title(errors, "c", "Test errors")
    strips.set_ylim(bottom + 0.7, -0.6)
    places = [y for _, y in rows]
    strips.set_yticks(places, [entry.label for entry, _ in rows], fontsize=9)
    for axes in (strips, coverage, errors):
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    for axes in (coverage, errors):
        axes.hlines(places, 0, 1, color=style.FAINT, lw=0.8, zorder=0)
    return figure


def _rows(table: pd.DataFrame) -> tuple[Rows, dict[str, float]]:
    """Each method that is shown and its height; the height of each group's name."""
    rows: Rows = []
    groups: dict[str, float] = {}
    y = 0.0
    shown = table.loc[table["method"].isin(SHOWN), ["method", "label", "group"]]
    named = shown.drop_duplicates()
    for method, label, group in named.itertuples(index=False):
        if group not in groups:
            groups[group] = y
            y += SPACE
        rows.append((Entry(method, label, COLOURS[group]), y))
        y += 1
    return rows, groups


def _strips(axes: Axes, table: pd.DataFrame, rows: Rows, groups: dict[str, float]) -> None:
    """Draw a cell for each view, the views of a class side by side, filled where learned."""
    covered = table.set_index("method")["covered"]
    views = {name: np.asarray(each, bool) for name, each in covered.items()}
    panels.strips(  # of several networks the first one's
        axes,
        [
            (y, each if (each := views[entry.method]).ndim == 2 else each[0], entry.colour)
            for entry, y in rows
        ],
    )
    for group, y in groups.items():
        text = axes.text(-0.02, y, group, color=COLOURS[group], weight="bold", fontsize=9.5)
        text.set(ha="right", va="center", transform=axes.get_yaxis_transform())
    axes.set_xlabel("class, a cell for each of its views", fontsize=9)


def _coverage(axes: Axes, table: pd.DataFrame, rows: Rows) -> None:
    """Means with 95% intervals, and what the theory says where it does."""
    panels.ladder(axes, table, rows, "coverage", low=0, high=1)
    for entry, y in rows:
        theory = panels.values(table, measured("predicted", entry.method))
        panels.mark(
            axes, y, theory, sideways=True, marker="|", ms=11, mew=1.8, color=style.INK, zorder=2
        )
    axes.plot([], [], "|", ms=9, mew=1.8, color=style.INK, label="theory")
    label = panels.by_repetition(panels.repetitions(table))
    axes.plot([], [], "o", ms=5.5, color=style.GREY, label=label)
    axes.set_xlim(0, 1.03)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "¼", "½", "¾", "1"])
    _legend(axes)


def _errors(axes: Axes, table: pd.DataFrame, rows: Rows) -> None:
    """Errors on either kind of samples, and what c explains of those on single-view ones."""
    tops = [0.05, panels.ladder(axes, table, rows, "single", low=0, high=1)]
    from_coverage = {"marker": "|", "ms": 11, "mew": 1.2, "color": style.GREY, "zorder": 1}
    for entry, y in rows:
        multi = {"marker": "D", "ms": 4, "mfc": "white", "mec": entry.colour, "zorder": 4}
        for measure, look in (("law", from_coverage), ("multi", multi)):
            found = panels.values(table, measured(measure, entry.method))
            tops.append(panels.mark(axes, y, found, sideways=True, **look))
    top = max(tops)
    axes.plot([], [], "o", ms=5.5, color=style.GREY, label="single-view samples")
    axes.plot([], [], "D", ms=4, mfc="white", mec=style.GREY, label="multi-view samples")
    axes.plot([], [], "|", ms=9, mew=1.2, color=style.GREY, label="single-view, from c")
    ticks = np.arange(0, min(1, 1.1 * top) + 1e-9, 0.2 if top > 0.35 else 0.1)
    axes.set_xticks(ticks, [f"{100 * tick:.0f}%" for tick in ticks])
    axes.set_xlim(-0.02 * top, min(1.02, 1.12 * top))
    _legend(axes)


def _legend(axes: Axes) -> None:
    """The legend, below the panel, where it hides no row."""
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.035), fontsize=8.5, frameon=False, ncols=1
    )
