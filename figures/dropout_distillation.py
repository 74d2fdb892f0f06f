"""Masks, their mean and students of it: gains on images; views on patches by what is dropped."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from figures.forest import Line, forest, forest_key
from figures.panels import Entry
from multiview.runs.estimates import measured, select

PARTS = ("mnist", "cifar10", "cifar100")
PREDICTORS = (
    Entry("masks_100", "mean over 100 masks", style.COLOURS["ensemble"]),
    Entry("distilled", "student, from a copy", style.COLOURS["distilled"]),
    Entry("fresh", "student, fresh start", style.COLOURS["distilled"], "D"),
    Entry("expectation_linear", "expectation-linear training", style.COLOURS["dropout"], "s"),
)
TOGETHER = 4  # networks without dropout that those with it are held against


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``dropout_distillation``, the parts that it has.

    Args:
        table: One line a repetition, part and method, with its ``published_gain``.
    """
    style.use()
    images: Any = table[table["part"].isin(PARTS)]
    both = [(_gains, images), (_views, select(table, part="synthetic"))]
    drawn = [(panel, lines) for panel, lines in both if len(lines)]
    figure = Figure(figsize=(style.WIDTH, 4.8), layout="constrained")
    widths = [1.35, 1][: len(drawn)]
    every = figure.subplots(1, len(drawn), squeeze=False, width_ratios=widths)[0]
    for axes, letter, (panel, lines) in zip(every, "ab", drawn, strict=False):
        style.title(axes, letter, panel(axes, lines))
    return figure


def _gains(axes: Axes, table: Any) -> str:
    """Gains over the standard prediction, paired by repetition, beside the published ones."""
    parts = {part: select(table, part=part) for part in PARTS}
    groups = {_heading(lines): _lines(part) for part, lines in parts.items() if len(lines)}
    forest(axes, table, groups)
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_xlabel("points of test error gained over the standard prediction")
    forest_key(axes, table)
    if table["published_gain"].notna().any():
        axes.plot([], [], ls="none", label="published, larger networks", **panels.PUBLISHED)
    panels.legend(axes)
    return "Gains of masks and their students"


def _heading(lines: pd.DataFrame) -> str:
    kind = "made-up images" if lines["data"].iat[0] == "multi_view" else "images"
    error = select(lines, method="standard")["error"].mean()
    number = lines["train_images"].max()
    return f"{lines['name'].iat[0]}, {number:,.0f} {kind}: error {error:.1%}"


def _lines(part: str) -> list[Line]:
    """Each predictor's gain."""
    error = partial(measured, "error", part=part)
    return [
        Line(
            *(entry.label, error("standard") - error(entry.method), entry.colour, entry.marker),
            beside=measured("published_gain", entry.method, part=part),
        )
        for entry in PREDICTORS
    ]


def _views(axes: Axes, lines: pd.DataFrame) -> str:
    """Coverage by how often neurons and patches are dropped, and that of four networks."""
    own = select(lines, width=select(lines, method="standard")["width"].iat[0])
    looks: dict[str, dict[str, Any]] = {
        "patch": {"label": "whole patches dropped"},
        "neuron": {"label": "neurons dropped", "ls": "--", "mfc": "white"},
    }
    for dropped, look in looks.items():
        points = {
            rate: measured("coverage", method, width=own["width"].iat[0])
            for rate, method in _rates(own, dropped).items()
        }
        look |= {"color": style.COLOURS["dropout"], "ms": 6}
        panels.curve(axes, own, points, low=0, high=1, **look)
    one = panels.values(own, measured("coverage", dropped="nothing"))
    if one is not None:
        c = float(one.by_seed.mean())
        alone = {"lw": 1, "ls": "--", "label": "one network, none dropped"}
        axes.axhline(c, color=style.COLOURS["one"], **alone)
        together = {"lw": 1.4, "ls": ":", "label": f"{TOGETHER} such networks, closed form"}
        axes.axhline(1 - (1 - c) ** TOGETHER, color=style.INK, **together)
    panels.hundredths(axes.yaxis)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("probability of being dropped in training")
    n = panels.by_repetition(panels.repetitions(lines))
    axes.set_ylabel(f"views covered, c in %\n{n}")
    panels.legend(axes)
    return "Views by dropout in training"


def _rates(lines: Any, dropped: str) -> Mapping[float, str]:
    """Networks by how often this is dropped, from never on."""
    known = lines[lines["dropped"].isin(["nothing", dropped])].sort_values("probability")
    return dict(zip(known["probability"].astype(float), known["method"], strict=True))
