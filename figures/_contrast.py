"""Panels of the comparisons of kinds of models: by method, by ensemble size, gains over one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from figures import panels, style
from multiview.runs.estimates import Estimate, measured, select
from multiview.runs.intervals import mean_interval

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
DATA = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "mnist": "MNIST",
    "multi_view": "made-up images",
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
    heights, labels, y = [], [], 0.0
    for model, name in models.items():
        one = panels.values(table, measured(measure, model=model, role="member"))
        error = "" if one is None else f": one errs on {one.by_seed.mean():.1%}"
        heading = axes.text(0.01, y, f"{name}{error}", weight="bold", fontsize=9.5, va="center")
        heading.set(transform=axes.get_yaxis_transform(), backgroundcolor="white", zorder=4)
        for role, (label, colour) in GAINS.items():
            y += 1
            found = panels.values(table, gain(table, measure, model, role))
            panels.point(axes, y, found, sideways=True, color=colour)
            heights.append(y)
            labels.append(label)
        y += 1.3
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_yticks(heights, labels, fontsize=9)
    axes.set_ylim(y - 0.8, -0.7)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axes.set_xlabel(
        f"points of test error gained: {panels.by_repetition(panels.repetitions(table))}"
    )


def gain(table: pd.DataFrame, measure: str, model: str, role: str) -> Estimate:
    """One model's error minus the method's."""
    first = role == "distilled" and len(select(table, model=model, role="first")) > 0
    one = measured(measure, model=model, role="first" if first else "member")
    return one - measured(measure, model=model, role=role)


def percent(axes: Axes) -> None:
    """Name the vertical axis's ticks in percent."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")


def bar(axes: Axes, x: float, values: np.ndarray, colour: str) -> float:
    """One bar with the dots, the interval and the mean's number; returns the highest dot."""
    mean, low, high = mean_interval(values)
    axes.bar(x, mean, width=0.72, color=colour, alpha=0.85, zorder=2)
    if len(values) > 1:
        axes.vlines(x, max(low, 0), min(high, 1), color=style.INK, lw=1.2, zorder=3)
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    axes.scatter(x + spread, values, s=13, color="white", ec=style.INK, lw=0.8, zorder=4)
    axes.annotate(
        f"{100 * mean:.1f}%",
        (x, max(*values, mean)),
        xytext=(0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        zorder=5,
    )
    return max(*values, mean)


def by_size(
    axes: Axes,
    table: pd.DataFrame,
    models: Mapping[str, tuple[str, str, str]],
    floor: float = 0.0,
) -> np.ndarray:
    """Error against the number of members averaged, mean and range of the repetitions.

    Args:
        models: Name, colour and marker of each ``<model>_by_size``.
        floor: Drawn in the place of any error below it, for a logarithmic axis.

    Returns:
        The sizes.
    """
    sizes = np.array([])
    for model, (name, colour, marker) in models.items():
        curves = np.stack([np.asarray(curve) for curve in table[f"{model}_by_size"]])
        sizes = np.arange(1, curves.shape[1] + 1)
        mean = np.maximum(curves.mean(0), floor)
        axes.plot(sizes, mean, marker=marker, ms=5, color=colour, label=name, zorder=3)
        if len(curves) > 1:
            axes.fill_between(
                sizes,
                np.maximum(curves.min(0), floor),
                np.maximum(curves.max(0), floor),
                color=colour,
                alpha=0.15,
                lw=0,
            )
    axes.set_xticks(sizes)
    axes.set_xlabel("number of members averaged, K")
    axes.set_ylabel("error of the ensemble")
    return sizes


def size_legend(axes: Axes) -> None:
    """The legend of ``by_size``."""
    axes.legend(
        title="mean and range of repetitions",
        fontsize=8.5,
        title_fontsize=8.5,
        loc="upper right",
    )
