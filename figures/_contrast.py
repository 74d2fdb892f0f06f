"""Panels of the comparisons of kinds of models: by method, by ensemble size, gains over one."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from figures import panels, style
from figures.forest import Line, forest, forest_key
from multiview.runs.estimates import measured, select

ROLES = {
    "member": ("one\nmodel", style.COLOURS["one"]),
    "ensemble": ("ensemble", style.COLOURS["ensemble"]),
    "summed": ("trained\nas a sum", style.COLOURS["sum"]),
    "distilled": ("distilled", style.COLOURS["distilled"]),
}
GAINS = {
    "ensemble": ("ensemble", style.COLOURS["ensemble"]),
    "summed": ("trained as a sum", style.COLOURS["sum"]),
    "distilled": ("distilled from the ensemble", style.COLOURS["distilled"]),
}
# A figure's kinds of models: name, colour, marker.
Models = Mapping[str, tuple[str, str, str]]


def methods(axes: Axes, table: pd.DataFrame, models: Models, measure: str, label: str) -> None:
    """A group of bars a kind of model: mean and interval; dots: each repetition."""
    ticks, labels, tops = [], [], [0.0]
    for group, (model, (name, _, _)) in enumerate(models.items()):
        first = group * (len(ROLES) + 0.8)
        for i, (role, (below, colour)) in enumerate(ROLES.items()):
            found = panels.values(table, measured(measure, model=model, role=role))
            if found is not None:
                tops.append(panels.bar(axes, first + i, found, colour))
            ticks.append(first + i)
            labels.append(below)
        centre = first + (len(ROLES) - 1) / 2
        axes.text(centre, 0.97, name, ha="center", va="top", weight="bold", fontsize=10.5,
                  transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xticks(ticks, labels, fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.22 * max(tops) or 1)
    percent(axes)
    axes.set_ylabel(f"{label}\n{panels.by_repetition(panels.repetitions(table))}")


def sizes(axes: Axes, table: pd.DataFrame, models: Models, measure: str) -> list[int]:
    """Error by the number of members averaged, with intervals; returns the numbers."""
    found = sorted(int(size) for size in table["size"].dropna().unique())
    for i, (model, (name, colour, marker)) in enumerate(models.items()):
        aside = 0.12 * (i - (len(models) - 1) / 2)  # or intervals would hide each other
        points = {size + aside: measured(measure, model=model, size=size) for size in found}
        look = {"marker": marker, "color": colour, "label": name, "low": 0.0, "high": 1.0}
        panels.curve(axes, table, points, **look)
    axes.set_xticks(found)
    axes.set_xlabel("number of members averaged, K")
    axes.set_ylabel("error of their ensemble")
    return found


def gains(axes: Axes, table: pd.DataFrame, models: Mapping[str, str], measure: str) -> None:
    """What each method gains over one model, paired by repetition, with its interval.

    A student with the first member's features is compared with that member.
    """
    groups = {}
    for model, name in models.items():
        one = panels.values(table, measured(measure, model=model, role="member"))
        error = "" if one is None else f": error {one.by_seed.mean():.1%}"
        groups[f"{name}{error}"] = [
            _gain(table, measure, model, role, label, colour)
            for role, (label, colour) in GAINS.items()
        ]
    forest(axes, table, groups)
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_xlabel("points of test error gained")
    forest_key(axes, table)
    panels.legend(axes)


def _gain(
    table: pd.DataFrame, measure: str, model: str, role: str, label: str, colour: str
) -> Line:
    """One model's error minus the method's."""
    over = "member"
    if role == "distilled" and len(select(table, model=model, role="first")):
        over, label = "first", f"{label},\nover the same features on labels"
    one, other = (measured(measure, model=model, role=each) for each in (over, role))
    return Line(label, one - other, colour)


def percent(axes: Axes) -> None:
    """Name the vertical axis's ticks in percent."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
