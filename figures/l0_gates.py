"""L0 gates: units and errors beside the published, errors by FLOPs, weights by lambda; patches."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import _l0_patches, panels, style
from multiview.runs.estimates import Estimate, by_repetition, measured, select

NAMES = {
    "mnist_mlp": "784-300-100",
    "lenet": "LeNet-5",
    "cifar10": "WRN, CIFAR-10",
    "cifar100": "WRN, CIFAR-100",
}
WHOLE = {"mnist_mlp": (784, 300, 100), "lenet": (20, 50, 800, 500)}
LAMBDA = "lambda, divided by N in the loss"
WHO = {
    "dense": ("dense,\ndropout", style.INK),
    "equal": ("L0, one\nlambda", style.COLOURS["gates"]),
    "separate": ("L0, by\nlayer", style.COLOURS["self"]),
    "magnitude": ("by\nnorm", style.COLOURS["sum"]),
    "small": ("same size,\nanew", style.COLOURS["ensemble"]),
}
PARTS = {
    "mnist_mlp": style.COLOURS["one"],
    "lenet": style.COLOURS["distilled"],
    "cifar10": style.COLOURS["ensemble"],
    "cifar100": style.COLOURS["sum"],
}
Images = Mapping[str, pd.DataFrame]  # the lines of each part


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``l0_gates``, the parts that it has.

    Args:
        table: One line a repetition, part and method.
    """
    style.use()
    parts = dict(list(table.groupby("part")))
    images = {name: parts[name] for name in NAMES if name in parts}
    rows: list[Callable[[SubFigure, Iterator[str]], None]] = []
    if images:
        rows += [partial(_errors, images), partial(_sizes, images)]
    if "synthetic" in parts:
        rows.append(partial(_l0_patches.draw, parts["synthetic"]))
    figure = Figure(figsize=(style.WIDTH, 3.7 * len(rows)), layout="constrained")
    grid = figure.add_gridspec(len(rows), 1)
    letters = iter("abcdefghijkl")
    for i, drawn in enumerate(rows):
        drawn(figure.add_subfigure(grid[i]), letters)
    return figure


def _real(lines: pd.DataFrame) -> bool:
    return lines["data"].iat[0] != "multi_view"


def _known(lines: pd.DataFrame) -> list[str]:
    """Which of the compared nets there are."""
    return [who for who in WHO if who in set(lines["method"])]


def _published(lines: pd.DataFrame, who: str) -> dict[str, Any] | None:
    """What is published of this net; None where nothing is."""
    known = select(lines, method=who).dropna(subset=["published_error"]).to_dict("records")
    return known[0] if known else None


def _memory(lines: pd.DataFrame) -> bool:
    """Whether numbers published of this part are quoted from memory."""
    return True in list(lines["from_memory"])


def _errors(images: Images, figure: SubFigure, letters: Iterator[str]) -> None:
    """One panel a part: errors of all nets; dashes are the published ones."""
    for axes, (part, lines) in zip(
        np.atleast_1d(figure.subplots(1, len(images))), images.items(), strict=True
    ):
        tops, known = [0.0], _known(lines)
        for x, who in enumerate(known):
            found = panels.values(lines, measured("error", who))
            assert found is not None
            tops.append(panels.bar(axes, x, found, WHO[who][1]))
            published = _published(lines, who)
            if published is not None:
                tops.append(published["published_error"])
                axes.plot([x - 0.42, x + 0.42], [tops[-1]] * 2, "k--", lw=1.5, zorder=6)
        axes.set_xticks(range(len(known)), [WHO[who][0] for who in known], fontsize=7.5)
        axes.grid(axis="x", visible=False)
        axes.set_ylim(0, 1.25 * max(tops) or 1)
        count = select(lines, method="data")["train_images"].iat[0]
        axes.set_ylabel(f"test error; {count:,.0f} images\n95% interval, {_repetitions([lines])}")
        if len(lines.dropna(subset=["published_error"])):
            axes.plot([], [], "k--", lw=1.5, label=_dashes({part: lines}))
            axes.legend(fontsize=8, loc="lower right")
        kind = "" if _real(lines) else ", made up"
        style.title(axes, next(letters), f"{NAMES[part]}{kind}")


def _sizes(images: Images, figure: SubFigure, letters: Iterator[str]) -> None:
    left, middle, right = figure.subplots(1, 3)
    digits = {part: lines for part, lines in images.items() if part in WHOLE}
    if digits:
        _units(left, digits)
        style.title(left, next(letters), "Units left, layer by layer")
    else:
        left.set_axis_off()
    _by_flops(middle, images)
    style.title(middle, next(letters), "Error and FLOPs")
    cliffs = [lines for lines in images.values() if len(select(lines, group="cliff"))]
    if cliffs:
        _cliff(right, cliffs[0])
        style.title(right, next(letters), "Weights left by lambda")
    else:
        right.set_axis_off()


def _units(axes: Axes, digits: Images) -> None:
    """Bars: left at test time, 95% intervals; dots: expected; dashes: published."""
    ticks: dict[float, str] = {}
    x = 0.0
    for part, lines in digits.items():
        known = np.array(list(select(lines, method="equal")["units"]), float)
        whole = WHOLE[part] if _real(lines) else known.max(0)
        for i, size in enumerate(whole):
            for side, who in ((-0.2, "equal"), (0.2, "separate")):
                _layer(axes, x + side, lines, who, i, size)
            ticks[x] = f"{size:.0f}"
            x += 1
        x += 0.6
    axes.set_xticks(list(ticks), list(ticks.values()), fontsize=8)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("units of the whole layer\n(" + "; ".join(NAMES[part] for part in digits) + ")")
    axes.set_ylabel(f"share of the layer\n95% interval, {_repetitions(digits.values())}")
    axes.set_ylim(0, 1.7)
    for who in ("equal", "separate"):
        axes.bar([0], [0], color=WHO[who][1], label=WHO[who][0].replace("\n", " "))
    axes.plot([], [], "o", ms=4, color="white", mec=style.INK, label="expected")
    axes.plot([], [], "k--", lw=1.5, label=_dashes(digits))
    axes.legend(fontsize=6.5, loc="upper left")


def _layer(axes: Axes, x: float, lines: pd.DataFrame, who: str, layer: int, whole: float) -> None:
    """The share of one layer's units that one net has left."""

    def share(name: str) -> Estimate:
        def of(repetition: pd.DataFrame) -> float:
            return repetition[name].iat[0][layer] / whole

        return by_repetition(f"{name} of layer {layer}", of, method=who)

    left = panels.values(lines, share("units"))
    if left is None:
        return
    axes.bar(x, left.by_seed.mean(), width=0.38, color=WHO[who][1], alpha=0.85)
    panels.point(axes, x, left, low=0, high=1, marker="", lw=1.2, color=style.INK)
    expected = panels.values(lines, share("expected_units"))
    panels.mark(axes, x, expected, marker="o", ms=4, color="white", mec=style.INK)
    published = _published(lines, who)
    if published is not None:
        height = published["published_units"][layer] / whole
        axes.plot([x - 0.19, x + 0.19], [height] * 2, "k--", lw=1.5)


def _dashes(images: Images) -> str:
    """What the dashes are, and of which parts they are quoted from memory."""
    memory = [NAMES[part] for part, lines in images.items() if _memory(lines)]
    return "published" + (f"\n({', '.join(memory)}: from memory)" if memory else "")


def _repetitions(parts: Iterable[pd.DataFrame]) -> str:
    """The numbers of repetitions."""
    counts = sorted({panels.repetitions(lines) for lines in parts})
    return "n = " + ", ".join(map(str, counts))


def _by_flops(axes: Axes, images: Images) -> None:
    """Lines: lambda rising from right to left; the dense net is at (1, 0)."""
    for part, lines in images.items():
        colour = PARTS[part]
        swept = (
            lines.dropna(subset=["flops", "strength"]).sort_values("strength")["method"].unique()
        )
        panels.curve(axes, lines, _gains(lines, swept), color=colour, ms=4, label=NAMES[part])
        for who, marker in (("separate", "D"), ("magnitude", "s"), ("small", "^")):
            if who in _known(lines):
                ((x, gain),) = _gains(lines, [who]).items()
                look = {"marker": marker, "ms": 6, "color": colour, "mec": "white", "lw": 1.2}
                panels.point(axes, x, panels.values(lines, gain), **look)
    for marker, name in (("D", "by layer"), ("s", "pruned by norm"), ("^", "new start")):
        axes.plot([], [], marker, ms=6, color="grey", label=name)
    axes.axhline(0, color=style.INK, ls="--", lw=1)
    axes.set_xlabel("share of the dense net's FLOPs\n(dots: one lambda, the largest at the left)")
    interval = f"95% interval, {_repetitions(images.values())}"
    axes.set_ylabel(f"error less the dense net's, points\n{interval}")
    axes.set_xlim(0, 1.08)
    axes.set_yscale("symlog", linthresh=1)  # on CIFAR errors differ by far more than on MNIST
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(fontsize=7.5)


def _gains(lines: pd.DataFrame, methods: Iterable[str]) -> dict[float, Estimate]:
    """Points of error above the dense net's, at the share of its FLOPs."""

    def flops(who: str) -> float:
        return select(lines, method=who)["flops"].to_numpy(float).mean()

    whole, dense = flops("dense"), measured("error", "dense")
    return {flops(who) / whole: (measured("error", who) - dense) * 100 for who in methods}


def _cliff(axes: Axes, lines: pd.DataFrame) -> None:
    """Shares of the weights by lambda, and where a share was asked for."""
    swept, asked = (select(lines, group=group) for group in ("cliff", "target"))
    strengths = dict(zip(swept["method"], swept["strength"].to_numpy(float), strict=True))
    last, colour = max(strengths.values()), PARTS["mnist_mlp"]
    target = float(asked["target"].to_numpy()[0])
    axes.axhline(target, color=style.INK, ls="--", lw=1, label=f"asked for: {target:g}")
    got = style.COLOURS["distilled"]
    for i, (measure, label, line, face) in enumerate(
        (("share_open", "at test time", "-", got), ("expected_share", "expected", ":", "white"))
    ):
        points = {strength: measured(measure, who) for who, strength in strengths.items()}
        panels.curve(axes, lines, points, low=0, high=1, color=colour, ls=line, ms=4, label=label)
        found = panels.values(lines, measured(measure, group="target"))
        look = {"marker": "s", "ms": 5, "color": got, "mfc": face, "label": f"got, {label}"}
        panels.point(axes, last * (1.08 + 0.045 * i), found, low=0, high=1, **look)
    axes.set_xlabel(f"{LAMBDA}\n(SGD, gates open at first)")
    axes.set_ylabel(f"share of the weights left\n95% interval, {_repetitions([lines])}")
    axes.set_ylim(0, 1.08)
    axes.legend(fontsize=7.5)
