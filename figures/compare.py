"""Methods as rows: test errors and, where views are known, the fraction of them learned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import measured

COLOURS = {
    "labels alone": style.COLOURS["one"],
    "averaging": style.COLOURS["ensemble"],
    "students": style.COLOURS["distilled"],
    "dropout in training": style.COLOURS["dropout"],
    "rocket launching": style.COLOURS["rocket"],
    "units behind gates": style.COLOURS["gates"],
    "tangent kernels": style.COLOURS["kernels"],
}
Rows = list[tuple[Entry, float]]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one comparison.

    Args:
        table: One line a repetition and method, with its ``label`` and ``group``.
    """
    style.use()
    rows = _rows(table)
    known = "coverage" in table
    height = 1.4 + 0.32 * len(rows)
    figure = Figure(figsize=(style.WIDTH if known else 6.5, height), layout="constrained")
    panels_of = figure.subplots(1, 2 if known else 1, sharey=True, squeeze=False)[0]
    if known:
        _coverage(panels_of[0], table, rows)
    _errors(panels_of[-1], table, rows, "single" if known else "error")
    style.title(panels_of[-1], "b" if known else "a", "Test errors")
    panels_of[0].set_yticks([y for _, y in rows], [entry.label for entry, _ in rows], fontsize=9)
    panels_of[0].set_ylim(len(rows) - 0.4, -0.6)
    figure.suptitle(str(table["part"].iloc[0]), x=0.01, ha="left", fontsize=10, color=style.GREY)
    return figure


def _rows(table: pd.DataFrame) -> Rows:
    """Each method and its height, in the order of the run."""
    named = table.loc[table["label"].notna(), ["method", "label", "group"]].drop_duplicates()
    return [
        (Entry(method, f"{group}: {label}" if group else label, COLOURS.get(group, style.INK)), y)
        for y, (method, label, group) in enumerate(named.itertuples(index=False))
    ]


def _coverage(axes: Axes, table: pd.DataFrame, rows: Rows) -> None:
    panels.ladder(axes, table, rows, "coverage", low=0, high=1)
    for entry, y in rows:
        theory = panels.values(table, measured("predicted", entry.method))
        panels.mark(
            axes, y, theory, sideways=True, marker="|", ms=11, mew=1.8, color=style.INK, zorder=2
        )
    axes.plot([], [], "|", ms=9, mew=1.8, color=style.INK, label="theory")
    axes.plot(
        [], [], "o", ms=5.5, color=style.GREY, label=panels.by_repetition(panels.repetitions(table))
    )
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.08), fontsize=8.5, frameon=False, ncols=2
    )
    axes.set_xlim(0, 1.03)
    style.title(axes, "a", "Views learned: c")


def _errors(axes: Axes, table: pd.DataFrame, rows: Rows, kind: str) -> None:
    """Errors on single-view samples of patches, or on all test samples of another setting."""
    top = max(0.05, panels.ladder(axes, table, rows, kind, low=0, high=1))
    axes.set_xlim(-0.02 * top, min(1.02, 1.12 * top))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.set_xlabel("of single-view samples" if kind == "single" else "")
