"""Specialists beside a generalist: errors on images, confusable classes, views on patches."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import _contrast, style
from multiview.runs.intervals import mean_interval

SETS = "#CC79A7"  # the palette's next colour: other sets of classes
IMAGES = {
    "tuned": ("+ specialists\nfrom it", style.COLOURS["self"]),
    "fresh": ("+ fresh\nspecialists", style.COLOURS["distilled"]),
    "superclass": ("+ those of\nsuperclasses", SETS),
    "random": ("+ those of\nrandom sets", SETS),
    "continued": ("generalist\ntrained on", style.COLOURS["sum"]),
}
PATCHES = {
    "one": ("generalist", style.COLOURS["one"]),
    "tuned_top": ("+ its class's,\nfrom it", style.COLOURS["self"]),
    "tuned_all": ("+ all,\nfrom it", style.COLOURS["self"]),
    "fresh_top": ("+ its class's,\nfresh", style.COLOURS["distilled"]),
    "fresh_all": ("+ all,\nfresh", style.COLOURS["distilled"]),
    "pair": ("two\ngeneralists", style.COLOURS["ensemble"]),
}
DATA = {"cifar100": "CIFAR-100", "multi_view": "made-up images"}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``specialists``.

    Args:
        table: One row a cell; ``part`` tells images from patches.
    """
    style.use()
    images, patches = (table.loc[table["part"] == part] for part in ("cifar100", "synthetic"))
    parts = [(images, _images, (3.9, 3.3)), (patches, _patches, (3.7,))]
    chosen = [(rows, panels, heights) for rows, panels, heights in parts if len(rows)]
    heights = [height for *_, each in chosen for height in each]
    figure = Figure(figsize=(style.WIDTH, sum(heights)), layout="constrained")
    subfigures = np.atleast_1d(
        np.array(
            figure.subfigures(len(chosen), 1, height_ratios=[sum(each) for *_, each in chosen])
        )
    )
    letters = iter("abcd")
    for part, (rows, panels, _) in zip(subfigures, chosen, strict=True):
        panels(part, rows, letters)
    return figure


def _images(figure, rows: pd.DataFrame, letters) -> None:
    """Gains by specialists, and where the class is covered; agreement with superclasses."""
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    axes = top.subplots()
    error = rows["generalist"].to_numpy(float)
    gains = [(error - rows[who].to_numpy(float), *look) for who, look in IMAGES.items()]
    by_size = np.stack([np.asarray(each, float) for each in rows["ensemble_by_size"]])
    for size in range(2, by_size.shape[1] + 1):
        name = f"{size} general-\nists averaged"
        gains.append((by_size[:, 0] - by_size[:, size - 1], name, style.COLOURS["ensemble"]))
    for x, (values, _, colour) in enumerate(gains):
        _interval(axes, x, 100 * values, colour)
    axes.axhline(0, color=style.INK, lw=1)
    axes.set_xticks(range(len(gains)), [name for _, name, _ in gains], fontsize=8.5)
    axes.set_xlim(-0.6, len(gains) - 0.4)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel(f"points of test error gained\nmean, 95% interval, n = {len(rows)}")
    first = rows.iloc[0]
    name = DATA.get(first["data"], first["data"])
    what = f"{name}, {first['num_train']:,} training images"
    style.title(
        axes, next(letters), f"{what}: gain over a generalist that errs on {error.mean():.1%}"
    )
    left, right = bottom.subplots(1, 2)
    _covering(left, rows)
    style.title(left, next(letters), "Gain where a specialist covers the class")
    _agreement(right, rows)
    style.title(right, next(letters), "Confusable sets against superclasses")


def _patches(figure, rows: pd.DataFrame, letters) -> None:
    """Views covered, by where the specialists start and which are consulted."""
    axes = figure.subplots()
    bars = [(rows[f"{who}_coverage"].to_numpy(float), *look) for who, look in PATCHES.items()]
    _bars(axes, bars, f"views covered\nmean, 95% interval, n = {len(rows)}")
    style.title(axes, next(letters), "Synthetic patches: views covered, by where specialists start")


def _bars(axes: Axes, bars: list, label: str) -> None:
    """Bars of (values, name, colour), and the first one's mean across."""
    highest = [_contrast.bar(axes, x, values, colour) for x, (values, _, colour) in enumerate(bars)]
    axes.axhline(bars[0][0].mean(), color=bars[0][2], ls="--", lw=1, zorder=1)
    axes.set_xticks(range(len(bars)), [name for _, name, _ in bars], fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 1.18 * max(highest) or 1)
    axes.set_ylabel(label)


def _covering(axes: Axes, rows: pd.DataFrame) -> None:
    """Points of error gained, on the classes that no specialist covers and on the others."""
    names = []
    for x, (number, name) in enumerate(((0, "no specialist"), (1, "one specialist"))):
        gain = 100 * (rows[f"generalist_{number}"] - rows[f"tuned_{number}"]).dropna().to_numpy()
        share = rows[f"share_{number}"].to_numpy(float).mean()
        names.append(f"{name} covers the class\n({100 * share:.0f}% of the images)")
        _interval(axes, x, gain, style.COLOURS["self"])
    axes.axhline(0, color=style.INK, lw=1)
    axes.set_xticks(range(len(names)), names, fontsize=8.5)
    axes.set_xlim(-0.6, 1.6)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("points of error gained by\nspecialists from the generalist")


def _agreement(axes: Axes, rows: pd.DataFrame) -> None:
    """The adjusted Rand index by the columns that are clustered, and by chance."""
    low, high = (rows[name].to_numpy(float).mean() for name in ("null_low", "null_high"))
    axes.axhspan(low, high, color="grey", alpha=0.3, lw=0, label="classes at random, 95%")
    names = []
    for x, columns in enumerate(("covariance", "correlation")):
        _interval(axes, x, rows[f"agreement_{columns}"].to_numpy(float), SETS)
        largest = rows[f"largest_{columns}"].to_numpy(float).mean()
        names.append(f"K-means on {columns}\n(largest set: {largest:.0f} classes)")
    axes.set_xticks(range(len(names)), names, fontsize=8.5)
    axes.set_xlim(-0.6, 1.6)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("adjusted Rand index")
    axes.legend(fontsize=8.5, loc="upper left")


def _interval(axes: Axes, x: float, values: np.ndarray, colour: str) -> None:
    """Each value, their mean and its 95% interval."""
    if not len(values):
        return
    mean, low, high = mean_interval(values)
    if len(values) > 1:
        axes.vlines(x, low, high, color=style.INK, lw=1.2, zorder=2)
    axes.scatter(np.full(len(values), x + 0.12), values, s=18, color="white", ec=style.INK, lw=0.8)
    axes.scatter(x, mean, s=55, color=colour, ec=style.INK, zorder=3)
    axes.annotate(
        f"{mean:.2g}", (x, mean), xytext=(-30, -3), textcoords="offset points", fontsize=9
    )
