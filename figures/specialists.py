"""Specialists beside a generalist: errors on images, confusable classes, views on patches."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import panels, style
from figures.panels import Entry
from multiview.runs.estimates import Estimate, measured, select

SETS = "#CC79A7"  # the palette's next colour: other sets of classes
GENERALIST, ENSEMBLE = style.COLOURS["one"], style.COLOURS["ensemble"]
TUNED, FRESH = style.COLOURS["self"], style.COLOURS["distilled"]
IMAGES = (
    Entry("tuned", "+ specialists\nfrom it", TUNED),
    Entry("fresh", "+ fresh\nspecialists", FRESH),
    Entry("superclass", "+ those of\nsuperclasses", SETS),
    Entry("random", "+ those of\nrandom sets", SETS),
    Entry("continued", "generalist\ntrained on", style.COLOURS["sum"]),
)
PATCHES = (
    Entry("generalist", "generalist", GENERALIST),
    Entry("tuned_top", "+ its class's,\nfrom it", TUNED),
    Entry("tuned_all", "+ all,\nfrom it", TUNED),
    Entry("fresh_top", "+ its class's,\nfresh", FRESH),
    Entry("fresh_all", "+ all,\nfresh", FRESH),
    Entry("pair", "two\ngeneralists", ENSEMBLE),
)
DATA = {"cifar100": "CIFAR-100", "multi_view": "made-up images"}
COVERED = {  # error: who covers the class, share of the images
    "error_outside": ("no specialist", "share_outside"),
    "error_inside": ("one specialist", "share_inside"),
}
error = partial(measured, "error")


class Point(NamedTuple):
    """A mean with its interval and a dot a repetition."""

    label: str
    estimate: Estimate
    colour: str


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``specialists``.

    Args:
        table: One line a repetition, part and method; ``part`` tells images from patches.
    """
    style.use()
    parts = [("cifar100", _images, 7.2), ("synthetic", _patches, 3.7)]
    chosen = [each for each in parts if each[0] in set(table["part"])]
    heights = [height for *_, height in chosen]
    figure = Figure(figsize=(style.WIDTH, sum(heights)), layout="constrained")
    grid, letters = figure.add_gridspec(len(chosen), 1, height_ratios=heights), iter("abcd")
    for i, (part, panel, _) in enumerate(chosen):
        panel(figure.add_subfigure(grid[i]), select(table, part=part), letters)
    return figure


def _images(figure: SubFigure, table: pd.DataFrame, letters: Iterator[str]) -> None:
    """Gains by specialists, and where the class is covered; agreement with superclasses."""
    grid = figure.add_gridspec(2, 1, height_ratios=(1.2, 1))
    axes = figure.add_subfigure(grid[0]).subplots()
    _points(axes, table, _gains(table))
    axes.axhline(0, color=style.INK, lw=1)
    repetitions = panels.by_repetition(panels.repetitions(table))
    axes.set_ylabel(f"points of test error gained\n{repetitions}")
    first, own = table.iloc[0], _mean(table, error("generalist"))
    what = f"{DATA.get(first['data'], first['data'])}, {first['num_train']:,.0f} training images"
    style.title(axes, next(letters), f"{what}: gain over a generalist that errs on {own:.1%}")
    left, right = figure.add_subfigure(grid[1]).subplots(1, 2)
    _covering(left, table)
    style.title(left, next(letters), "Gain where a specialist covers the class")
    _agreement(right, table)
    style.title(right, next(letters), "Confusable sets against superclasses")


def _gains(table: pd.DataFrame) -> list[Point]:
    """Gains of specialists over the generalist, and of averages over one of those averaged."""
    points = [
        Point(each.label, (error("generalist") - error(each.method)) * 100, each.colour)
        for each in IMAGES
    ]
    for size in sorted(table["size"].dropna().unique())[1:]:
        gain = (error(size=1) - error(size=size)) * 100
        points.append(Point(f"{size:.0f} general-\nists averaged", gain, ENSEMBLE))
    return points


def _points(axes: Axes, table: pd.DataFrame, points: Sequence[Point]) -> None:
    for x, each in enumerate(points):
        found = panels.values(table, each.estimate)
        if found is None:
            continue
        look = {"ms": 7.5, "color": each.colour, "mec": style.INK}
        panels.point(axes, x, found, **look)
        panels.dots(axes, x + 0.12, found, spread=0, s=18, color="white", ec=style.INK, lw=0.8)
        mean = float(found.by_seed.mean())
        offset = {"xytext": (-9, -3), "textcoords": "offset points", "ha": "right"}
        axes.annotate(f"{mean:.2g}", (x, mean), fontsize=9, **offset)
    axes.set_xticks(range(len(points)), [each.label for each in points], fontsize=8.5)
    axes.set_xlim(-0.6, len(points) - 0.4)
    axes.grid(axis="x", visible=False)


def _mean(table: pd.DataFrame, estimate: Estimate) -> float:
    return float(estimate.of(table).by_seed.mean())


def _covering(axes: Axes, table: pd.DataFrame) -> None:
    """Points of error gained, on the classes that no specialist covers and on the others."""
    points = []
    for measure, (name, share_of) in COVERED.items():
        gain = (measured(measure, "generalist") - measured(measure, "tuned")) * 100
        share = 100 * _mean(table, measured(share_of, "data"))
        label = f"{name} covers the class\n({share:.0f}% of the images)"
        points.append(Point(label, gain, TUNED))
    _points(axes, table, points)
    axes.axhline(0, color=style.INK, lw=1)
    axes.set_ylabel("points of error gained by\nspecialists from the generalist")


def _agreement(axes: Axes, table: pd.DataFrame) -> None:
    """The adjusted Rand index by the columns that are clustered, and by chance."""
    ends = [_mean(table, measured(end, "data")) for end in ("null_low", "null_high")]
    axes.axhspan(*ends, color="grey", alpha=0.3, lw=0, label="classes at random, 95%")
    points = []
    for columns in ("covariance", "correlation"):
        method = f"kmeans_{columns}"
        largest = _mean(table, measured("largest_set", method))
        label = f"K-means on {columns}\n(largest set: {largest:.0f} classes)"
        points.append(Point(label, measured("agreement", method), SETS))
    _points(axes, table, points)
    axes.set_ylabel("adjusted Rand index")
    axes.legend(fontsize=8.5, loc="upper left")


def _patches(figure: SubFigure, table: pd.DataFrame, letters: Iterator[str]) -> None:
    """Views covered, by where the specialists start and which are consulted."""
    axes = figure.subplots()
    tops = []
    for x, entry in enumerate(PATCHES):
        found = panels.values(table, measured("coverage", entry.method))
        if found is not None:
            tops.append(panels.bar(axes, x, found, entry.colour))
    own = _mean(table, measured("coverage", "generalist"))
    axes.axhline(own, color=GENERALIST, ls="--", lw=1, zorder=1)
    axes.set_xticks(range(len(PATCHES)), [entry.label for entry in PATCHES], fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.18 * max(tops) or 1)
    axes.set_ylabel(f"views covered\n{panels.by_repetition(panels.repetitions(table))}")
    style.title(axes, next(letters), "Synthetic patches: views covered, by where specialists start")
