"""Networks trained apart and as one, by their number and width; students by temperature."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import Estimate, measured, select

MEAN = "#CC79A7"  # the palette's next colour
WAYS = (  # and the line of each
    (Entry("member", "one network", style.COLOURS["one"]), "-"),
    (Entry("summed", "trained as a sum", style.COLOURS["sum"], "s"), "-"),
    (Entry("mean_knee", "trained as a mean, K-fold knee", style.INK, "x"), ":"),
    (Entry("mean", "trained as a mean", MEAN, "D"), "-"),
    (Entry("ensemble", "ensemble, trained apart", style.COLOURS["ensemble"], "^"), "-"),
)
STARTS = (  # and a shift that keeps intervals apart; the method is that of the paper's update
    (Entry("fresh", "fresh start", style.COLOURS["distilled"]), "fresh_paper", 0.97),
    (Entry("continued", "started from a teacher", style.COLOURS["self"], "s"), "continued_paper",
     1.03),
)  # fmt: skip


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``train_average``.

    Args:
        table: Lines of both kinds of cells; ``part`` tells them apart.
    """
    style.use()
    joint, students = (select(table, part=part) for part in ("joint", "temperature"))
    figure = Figure(figsize=(style.WIDTH, 9.2), layout="constrained")
    (by_size, by_width), (covered, wrong) = figure.subplots(2, 2)
    if len(joint):
        _joint(by_size, by_width, joint)
        _legend(figure, by_size, joint, loc="outside upper center", ncols=3)
    if len(students):
        _students(covered, students, "coverage")
        covered.set_ylabel("fraction of views covered")
        style.title(covered, "c", "Hotter students cover more views")
        _students(wrong, students, "single")
        wrong.set_ylabel("error on single-view samples")
        style.title(wrong, "d", "and err less, from either start")
        _legend(figure, wrong, students, loc="outside lower center", ncols=4)
    return figure


def _joint(by_size: Axes, by_width: Axes, table: pd.DataFrame) -> None:
    """Ways of training by the number of networks and by their width, on one scale."""
    cells = table.loc[table["method"] == "member"]
    size, width = _most_common(cells["members"]), _most_common(cells["width"])
    _along(by_size, select(table, width=width), "members")
    by_size.set_xlabel(f"number of networks, K (width {width})")
    by_size.set_ylabel("error on single-view samples")
    # The theorem's curve begins with one network, which no cell averages.
    numbers = np.linspace(1, cells["members"].to_numpy().max(), 100)
    by_size.plot(numbers, 2.0**-numbers, "--", color="grey", lw=1.2, label="theory, $2^{-K}$")
    by_size.set_xlim(0.7, numbers[-1] + 0.5)
    style.title(by_size, "a", "Only training apart follows $2^{-K}$")
    _along(by_width, select(table, members=size), "width")
    by_width.set_xlabel(f"width, neurons per class (K = {size})")
    style.title(by_width, "b", "At every width")
    top = max(axes.get_ylim()[1] for axes in (by_size, by_width))
    for axes in (by_size, by_width):  # so that the panels compare
        axes.set_ylim(-0.01, top)


def _most_common(values: pd.Series) -> int:
    """The value that most cells share: that of the other axis's cells."""
    return int(values.value_counts().index[0])


def _along(axes: Axes, table: pd.DataFrame, axis: str) -> None:
    """Every way of training along ``axis``, side by side so that intervals stay legible."""
    places = np.unique(table[axis].to_numpy())
    for i, (way, line) in enumerate(WAYS):
        apart = 0.012 * np.ptp(places) * (i - len(WAYS) // 2)
        points = {x + apart: measured("single", way.method, **{axis: x}) for x in places.tolist()}
        _curve(axes, table, points, way, line)
    axes.set_xticks(places)


def _students(axes: Axes, table: pd.DataFrame, measure: str) -> None:
    """Students by temperature, beside the paper's update, one network and the teacher."""
    temperatures = np.unique(table["student_temperature"].dropna().to_numpy(float))
    beyond = 2.2 * temperatures[-1]  # where the paper's update, which has no T, is drawn
    for start, paper, shift in STARTS:
        by_T = {
            shift * T: measured(measure, start=start.method, student_temperature=T)
            for T in temperatures.tolist()
        }
        _curve(axes, table, by_T, start, "-")
        _curve(axes, table, {shift * beyond: measured(measure, paper)}, start._replace(label=""))
    for who, label, colour in (
        ("member", "one network", style.COLOURS["one"]),
        ("ensemble", "the teacher", style.COLOURS["ensemble"]),
    ):
        level = float(select(table, method=who)[measure].to_numpy(float).mean())
        axes.axhline(level, color=colour, ls="--", lw=1.3, label=label, zorder=1)
    axes.set_xscale("log", base=2)
    ticks = [*temperatures, beyond]
    axes.set_xticks(ticks, [*(f"{T:g}" for T in temperatures), "paper's\nupdate"])
    axes.set_xlabel("temperature of Hinton's loss, T")


def _curve(
    axes: Axes, table: pd.DataFrame, points: dict[float, Estimate], entry: Entry, line: str = "-"
) -> None:
    """Means with their 95% intervals, cut to what a fraction can be."""
    look = {"color": entry.colour, "marker": entry.marker, "ms": 6, "ls": line, "zorder": 3}
    panels.curve(axes, table, points, low=0, high=1, label=entry.label or None, **look)


def _legend(figure: Figure, axes: Axes, table: pd.DataFrame, **where: Any) -> None:
    """The legend of a row of panels, with what its intervals are."""
    note = panels.by_repetition(panels.repetitions(table))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, title=note, title_fontsize=9, fontsize=9, **where)
