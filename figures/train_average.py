"""Networks trained apart and as one, by their number and width; students by temperature."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from multiview.runs.intervals import mean_interval

MEAN = "#CC79A7"  # the palette's next colour
WAYS = {  # name, colour, marker, line
    "one": ("one network", style.COLOURS["one"], "o", "-"),
    "sum": ("trained as a sum", style.COLOURS["sum"], "s", "-"),
    "mean_knee": ("trained as a mean, K-fold knee", style.INK, "x", ":"),
    "mean": ("trained as a mean", MEAN, "D", "-"),
    "ensemble": ("ensemble, trained apart", style.COLOURS["ensemble"], "^", "-"),
}
STARTS = {  # name, colour, marker, shift that keeps intervals apart
    "fresh": ("fresh start", style.COLOURS["distilled"], "o", 0.97),
    "member": ("started from a teacher", style.COLOURS["self"], "s", 1.03),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``train_average``.

    Args:
        table: One row a cell; ``part`` tells the two kinds apart.
    """
    style.use()
    joint = table.loc[table["part"] == "joint"]
    students = table.loc[table["part"] == "temperature"]
    figure = Figure(figsize=(style.WIDTH, 9.2), layout="constrained")
    (by_size, by_width), (covered, wrong) = figure.subplots(2, 2)
    if len(joint):
        size, width = _most_common(joint["members"]), _most_common(joint["width"])
        _joint(by_size, joint.loc[joint["width"] == width], "members")
        by_size.set_xlabel(f"number of networks, K (width {width})")
        by_size.set_ylabel("error on single-view samples")
        # The theorem's law begins with one network, which no cell averages.
        law = np.linspace(1, joint["members"].to_numpy().max(), 100)
        by_size.plot(law, 2.0**-law, "--", color="grey", lw=1.2, label="theory, $2^{-K}$")
        by_size.set_xlim(0.7, law[-1] + 0.5)
        style.title(by_size, "a", "Only training apart follows $2^{-K}$")
        _joint(by_width, joint.loc[joint["members"] == size], "width")
        by_width.set_xlabel(f"width, neurons per class (K = {size})")
        style.title(by_width, "b", "At every width")
        top = max(axes.get_ylim()[1] for axes in (by_size, by_width))
        for axes in (by_size, by_width):  # so that the panels compare
            axes.set_ylim(-0.01, top)
        figure.legend(
            *by_size.get_legend_handles_labels(),
            title=_note(joint),
            title_fontsize=9,
            fontsize=9,
            loc="outside upper center",
            ncols=3,
        )
    if len(students):
        _students(covered, students, "_coverage")
        covered.set_ylabel("fraction of views covered")
        style.title(covered, "c", "Hotter students cover more views")
        _students(wrong, students, "")
        wrong.set_ylabel("error on single-view samples")
        style.title(wrong, "d", "and err less, from either start")
        figure.legend(
            *wrong.get_legend_handles_labels(),
            title=_note(students),
            title_fontsize=9,
            fontsize=9,
            loc="outside lower center",
            ncols=4,
        )
    return figure


def _most_common(values: pd.Series) -> int:
    """The value that most cells share: that of the other axis's cells."""
    return int(values.value_counts().index[0])


def _note(rows: pd.DataFrame) -> str:
    return f"mean, 95% interval, n = {rows['seed'].nunique()}"


def _joint(axes: Axes, rows: pd.DataFrame, axis: str) -> None:
    """Every way of training against ``axis``."""
    places = np.unique(rows[axis].to_numpy())
    for i, (way, (name, colour, marker, line)) in enumerate(WAYS.items()):
        intervals = [mean_interval(rows.loc[rows[axis] == x, way].to_numpy()) for x in places]
        apart = 0.012 * np.ptp(places) * (i - len(WAYS) // 2)  # keeps intervals legible
        _line(axes, places + apart, intervals, name, colour, marker, line)
    axes.set_xticks(places)


def _students(axes: Axes, rows: pd.DataFrame, ending: str) -> None:
    """Students by temperature, beside the paper's update, one network and the teacher."""
    temperatures = np.asarray(rows["temperatures"].iloc[0], float)
    beyond = 2.2 * temperatures[-1]  # where the paper's update, which has no T, is drawn
    for start, (name, colour, marker, shift) in STARTS.items():
        values = np.stack(rows[start + ending].to_list()).T
        intervals = [mean_interval(each) for each in values]
        _line(axes, temperatures * shift, intervals, name, colour, marker, "-")
        paper = [mean_interval(rows[f"{start}_paper{ending}"].to_numpy())]
        _line(axes, np.array([beyond * shift]), paper, None, colour, marker, "-")
    for who, label, colour in (
        ("one", "one network", style.COLOURS["one"]),
        ("ensemble", "the teacher", style.COLOURS["ensemble"]),
    ):
        level = rows[who + ending].to_numpy().mean()
        axes.axhline(level, color=colour, ls="--", lw=1.3, label=label, zorder=1)
    axes.set_xscale("log", base=2)
    ticks = [*temperatures, beyond]
    axes.set_xticks(ticks, [*(f"{T:g}" for T in temperatures), "paper's\nupdate"])
    axes.set_xlabel("temperature of Hinton's loss, T")


def _line(
    axes: Axes, x: np.ndarray, intervals: list, name: str | None, colour: str, marker: str, ls: str
) -> None:
    """Means with their 95% intervals, cut to what a fraction can be."""
    mean, low, high = np.clip(np.array(intervals, float), 0, 1).T
    axes.plot(x, mean, marker=marker, ms=6, ls=ls, color=colour, label=name, zorder=3)
    axes.vlines(x, low, high, color=colour, lw=1.4, alpha=0.7, zorder=2)
