"""L0 gates: errors by what is left of a net, beside the published; views and errors by lambda."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

NAMES = {
    "mnist_mlp": "784-300-100",
    "lenet": "LeNet-5",
    "cifar10": "WRN, CIFAR-10",
    "cifar100": "WRN, CIFAR-100",
}
GATES, DROPOUT = style.COLOURS["gates"], style.COLOURS["dropout"]
NETS = {  # compared with that of one lambda: name, colour, marker
    "separate": ("L0, lambda of each layer", GATES, "D"),
    "dense": ("dense, with dropout", DROPOUT, "o"),
    "magnitude": ("the same, pruned by norm", DROPOUT, "s"),
    "small": ("size left by L0, trained anew", style.COLOURS["one"], "^"),
}
ASIDE = {"magnitude": -0.012, "small": 0.012}  # they have the size that L0 leaves


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``l0_gates``, the parts that it has.

    Args:
        table: One line a repetition, part and method.
    """
    style.use()
    parts = {str(name): lines for name, lines in table.groupby("part")}
    images = [name for name in NAMES if name in parts]
    heights = [3.6] * bool(images) + [4.2] * ("synthetic" in parts)
    figure = Figure(figsize=(style.WIDTH, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    if images:
        top = figure.add_subfigure(grid[0])
        every = top.subplots(1, len(images), squeeze=False)[0]
        for letter, axes, name in zip("abcd", every, images, strict=False):
            _by_size(axes, parts[name])
            style.title(axes, letter, _title(name, parts[name]))
        every[0].set_ylabel(f"test error, %\n{_repetitions(parts[name] for name in images)}")
        handles, labels = max((axes.get_legend_handles_labels() for axes in every), key=_number)
        where: dict[str, Any] = {"loc": "outside lower center", "frameon": False}
        top.legend(handles, labels, ncols=3, fontsize=8.5, **where)
    if "synthetic" in parts:
        axes = figure.add_subfigure(grid[-1]).subplots()
        _views(axes, parts["synthetic"])
        letter = "abcde"[len(images)]
        style.title(axes, letter, "Views and errors of a pruned network that knew both views")
    return figure


def _number(drawn: tuple[list, list]) -> int:
    return len(drawn[1])


def _title(name: str, lines: pd.DataFrame) -> str:
    """The net, and of which of its numbers the published ones are quoted from memory."""
    real = lines["data"].iat[0] != "multi_view"
    memory = real and True in list(lines["from_memory"])
    return f"Errors of {NAMES[name]}" + ("" if real else ", made up") + ("*" if memory else "")


def _repetitions(parts: Iterable[pd.DataFrame]) -> str:
    counts = sorted({panels.repetitions(lines) for lines in parts})
    return f"mean, 95% interval, n = {', '.join(map(str, counts))}"


def _by_size(axes: Axes, lines: Any) -> None:
    """Errors by multiply-adds: a curve of one lambda, the other nets, and the published."""
    adds: Any = lines.groupby("method")["multiply_adds"].mean()
    whole = adds["dense"]
    swept = select(lines, group="lambda")["method"].unique()
    points = {adds[who] / whole: measured("error", who) for who in ("equal", *swept)}
    look = {"color": GATES, "marker": "o", "label": "L0, one lambda", "low": 0.0, "high": 1.0}
    panels.curve(axes, lines, dict(sorted(points.items())), **look)
    for who, (name, colour, marker) in NETS.items():
        found = panels.values(lines, measured("error", who))
        if found is not None:
            x = adds[who] / whole + ASIDE.get(who, 0)
            look = {"color": colour, "marker": marker, "label": name, "low": 0.0, "high": 1.0}
            panels.point(axes, x, found, **look)
    _published(axes, lines, whole)
    axes.set_xlim(0, 1.06)
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    panels.hundredths(axes.xaxis)
    panels.hundredths(axes.yaxis)
    axes.set_xlabel("multiply-adds left, %")


def _published(axes: Axes, lines: Any, whole: float) -> None:
    """Crosses, each joined to the same net of ours."""
    means = lines.groupby("method")[["multiply_adds", "error"]].mean()
    known = lines.dropna(subset=["published_error"]).drop_duplicates("method")
    memory = " (*: from memory)" if True in list(known["from_memory"]) else ""
    for i, line in enumerate(known.to_dict("records")):
        (adds, error), theirs = means.loc[line["method"]], line["published_multiply_adds"]
        at, errors = [theirs / whole, adds / whole], [line["published_error"], error]
        axes.plot(at, errors, ":", color=style.GREY, lw=1, zorder=1)
        label = "" if i else f"published{memory}"
        axes.plot(at[:1], errors[:1], ls="none", label=label, **panels.PUBLISHED)


def _views(axes: Axes, lines: pd.DataFrame) -> None:
    """c and both errors by lambda, and c of soft targets."""
    curve = partial(panels.curve, axes, lines, low=0, high=1, ms=5.5)
    taught = style.COLOURS["distilled"]
    shown: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("all", "coverage", {"label": "views covered, c", "color": GATES, "lw": 2.2}),
        ("all", "multi", {"label": "multi-view error", "color": style.INK, "marker": "s"}),
        ("soft", "coverage", {"label": "c, taught by soft targets", "color": taught, "ls": "--"}),
    )
    for group, measure, look in shown:
        known: Any = select(lines, group=group)
        strengths = known.groupby("method")["strength"].mean().sort_values()
        curve({float(x): measured(measure, who) for who, x in strengths.items()}, **look)
    axes.set_xscale("log")  # lambdas grow by factors
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylim(-0.03, 1.03)
    panels.hundredths(axes.yaxis)
    axes.set_xlabel("lambda, divided by the number of samples in the loss")
    n = panels.by_repetition(panels.repetitions(lines))
    axes.set_ylabel(f"% of views or samples\n{n}")
    panels.legend(axes, ncols=3)
