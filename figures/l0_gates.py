"""L0 gates: units and errors beside the published, errors by FLOPs, weights by lambda; patches."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from figures import _contrast, _l0_patches, style
from multiview.runs.intervals import mean_interval

NAMES = {
    "mnist_mlp": "784-300-100",
    "lenet": "LeNet-5",
    "cifar10": "WRN, CIFAR-10",
    "cifar100": "WRN, CIFAR-100",
}
WHOLE = {"mnist_mlp": (784, 300, 100), "lenet": (20, 50, 800, 500)}
# Units left and error in % by one lambda and by one of each layer (Louizos et al., ICLR 2018).
# Those of 784-300-100 are from memory; its error by layer is 1.6 as quoted by RigL. Its lambdas of
# each layer are not known, so that ours have nothing published beside them.
PUBLISHED = {
    "mnist_mlp": {"equal": ((219, 214, 100), 1.4)},
    "lenet": {"equal": ((20, 25, 45, 462), 0.9), "separate": ((9, 18, 65, 25), 1.0)},
}
FROM_MEMORY = ("mnist_mlp",)
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


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``l0_gates``, the parts that it has.

    Args:
        table: One row a repetition and part.
    """
    style.use()
    parts = dict(list(table.groupby("part")))
    images = {name: parts[name] for name in NAMES if name in parts}
    rows: list[Any] = []
    if images:
        rows += [(_errors, images), (_sizes, images)]
    if "synthetic" in parts:
        rows.append((_patches, parts["synthetic"]))
    figure = Figure(figsize=(style.WIDTH, 3.7 * len(rows)), layout="constrained")
    grid = figure.add_gridspec(len(rows), 1)
    letters = iter("abcdefghijkl")
    for i, (drawn, shown) in enumerate(rows):
        drawn(figure.add_subfigure(grid[i]), shown, letters)
    return figure


def _patches(figure: SubFigure, rows: pd.DataFrame, letters: Iterator[str]) -> None:
    _l0_patches.draw(figure, rows, "".join(next(letters) for _ in range(3)))


def _real(rows: pd.DataFrame) -> bool:
    return rows["data"].iat[0] != "multi_view"


def _errors(figure: SubFigure, images: dict[str, pd.DataFrame], letters: Iterator[str]) -> None:
    """One panel a part: errors of all nets; dashes are the published ones."""
    panels = np.atleast_1d(figure.subplots(1, len(images)))
    for axes, (part, rows) in zip(panels, images.items(), strict=True):
        known = [who for who in WHO if _has(rows, f"{who}_error")]
        tops = []
        for x, who in enumerate(known):
            tops.append(_contrast.bar(axes, x, rows[f"{who}_error"].to_numpy(float), WHO[who][1]))
            published = PUBLISHED.get(part, {}).get(who) if _real(rows) else None
            if published is not None:
                value = published[1] / 100
                axes.plot([x - 0.42, x + 0.42], [value] * 2, "k--", lw=1.5, zorder=6)
                tops.append(value)
        axes.set_xticks(range(len(known)), [WHO[who][0] for who in known], fontsize=7.5)
        axes.grid(axis="x", visible=False)
        axes.set_ylim(0, 1.25 * max(tops) or 1)
        count = rows["train_images"].iat[0]
        axes.set_ylabel(f"test error; {count:,.0f} images\n95% interval, n = {len(rows)}")
        if part in PUBLISHED and _real(rows):
            axes.plot([], [], "k--", lw=1.5, label=_published([part]))
            axes.legend(fontsize=8, loc="lower right")
        kind = "" if _real(rows) else ", made up"
        style.title(axes, next(letters), f"{NAMES[part]}{kind}")


def _sizes(figure: SubFigure, images: dict[str, pd.DataFrame], letters: Iterator[str]) -> None:
    left, middle, right = figure.subplots(1, 3)
    digits = {part: rows for part, rows in images.items() if part in WHOLE}
    if digits:
        _units(left, digits)
        style.title(left, next(letters), "Units left, layer by layer")
    else:
        left.set_axis_off()
    _by_flops(middle, images)
    style.title(middle, next(letters), "Error and FLOPs")
    cliffs = [rows for rows in images.values() if _has(rows, "cliff_shares")]
    if cliffs:
        _cliff(right, cliffs[0])
        style.title(right, next(letters), "Weights left by lambda")
    else:
        right.set_axis_off()


def _has(rows: pd.DataFrame, name: str) -> bool:
    """Whether there is such a column, and a value in each row."""
    return name in rows and bool(rows[name].notna().to_numpy().all())


def _units(axes: Axes, digits: dict[str, pd.DataFrame]) -> None:
    """Bars: left at test time, 95% intervals; dots: expected; dashes: published."""
    ticks: list[float] = []
    names: list[str] = []
    place = 0.0
    for part, rows in digits.items():
        layers = len(rows["equal_units"].iat[0])
        whole = WHOLE[part] if _real(rows) else _stack(rows["equal_units"]).max(0)
        for i in range(layers):
            for side, who in ((-0.2, "equal"), (0.2, "separate")):
                shares = _stack(rows[f"{who}_units"])[:, i : i + 1] / whole[i]
                expected = _stack(rows[f"{who}_expected_units"])[:, i].mean() / whole[i]
                axes.bar(place + side, shares.mean(), width=0.38, color=WHO[who][1], alpha=0.85)
                _intervals(axes, np.array([place + side]), shares, style.INK)
                axes.plot([place + side], [expected], "o", ms=4, color="white", mec=style.INK)
                if _real(rows) and who in PUBLISHED[part]:
                    published = PUBLISHED[part][who][0][i] / whole[i]
                    axes.plot(
                        place + side + np.array([-0.19, 0.19]), [published] * 2, "k--", lw=1.5
                    )
            ticks.append(place)
            names.append(f"{whole[i]:.0f}")
            place += 1
        place += 0.6
    axes.set_xticks(ticks, names, fontsize=8)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("units of the whole layer\n(" + "; ".join(NAMES[part] for part in digits) + ")")
    axes.set_ylabel(f"share of the layer\n95% interval, {_numbers(digits)}")
    axes.set_ylim(0, 1.7)
    for who in ("equal", "separate"):
        axes.bar([0], [0], color=WHO[who][1], label=WHO[who][0].replace("\n", " "))
    axes.plot([], [], "o", ms=4, color="white", mec=style.INK, label="expected")
    axes.plot([], [], "k--", lw=1.5, label=_published(digits))
    axes.legend(fontsize=6.5, loc="upper left")


def _published(parts: Iterable[str]) -> str:
    """What the dashes are, and which of these parts' are quoted from memory."""
    memory = [NAMES[part] for part in parts if part in FROM_MEMORY]
    return "published" + (f"\n({', '.join(memory)}: from memory)" if memory else "")


def _numbers(images: dict[str, pd.DataFrame]) -> str:
    """The numbers of repetitions."""
    counts = sorted({len(rows) for rows in images.values()})
    return "n = " + ", ".join(map(str, counts))


def _intervals(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str) -> None:
    """95% intervals of the columns of ``values`` at ``x``; none of a single repetition."""
    if len(values) < 2:
        return
    for place, column in zip(x, values.T, strict=True):
        _, low, high = mean_interval(column)
        axes.vlines(place, low, high, color=colour, lw=1.2, alpha=0.7, zorder=3)


def _stack(lists: Any) -> np.ndarray:
    return np.stack([np.asarray(each, float) for each in lists])


def _by_flops(axes: Axes, images: dict[str, pd.DataFrame]) -> None:
    """Lines: lambda rising from right to left; the dense net is at (1, 0)."""
    for part, rows in images.items():
        colour = PARTS[part]
        dense = rows["dense_flops"].to_numpy(float)[:, None]
        share, error = _stack(rows["sweep_flops"]) / dense, _stack(rows["sweep_errors"])
        gain = 100 * (error - rows[["dense_error"]].to_numpy(float))
        axes.plot(share.mean(0), gain.mean(0), "o-", ms=4, color=colour, label=NAMES[part])
        _intervals(axes, share.mean(0), gain, colour)
        for who, marker in (("separate", "D"), ("magnitude", "s"), ("small", "^")):
            if _has(rows, f"{who}_error"):
                x = (rows[f"{who}_flops"] / rows["dense_flops"]).mean()
                gaps = 100 * (
                    rows[[f"{who}_error"]].to_numpy(float) - rows[["dense_error"]].to_numpy()
                )
                _intervals(axes, np.array([x]), gaps, colour)
                axes.plot([x], [gaps.mean()], marker, ms=6, color=colour, mec="white")
    for marker, name in (("D", "by layer"), ("s", "pruned by norm"), ("^", "new start")):
        axes.plot([], [], marker, ms=6, color="grey", label=name)
    axes.axhline(0, color=style.INK, ls="--", lw=1)
    axes.set_xlabel("share of the dense net's FLOPs\n(dots: one lambda, the largest at the left)")
    axes.set_ylabel(f"error less the dense net's, points\n95% interval, {_numbers(images)}")
    axes.set_xlim(0, 1.08)
    axes.set_yscale("symlog", linthresh=1)  # on CIFAR errors differ by far more than on MNIST
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(fontsize=7.5)


def _cliff(axes: Axes, rows: pd.DataFrame) -> None:
    first = rows.iloc[0]
    strengths = first["cliff.strengths"]
    for name, label, line in (
        ("cliff_shares", "at test time", "o-"),
        ("cliff_expected", "expected", "o:"),
    ):
        shares = _stack(rows[name])
        axes.plot(strengths, shares.mean(0), line, ms=4, color=PARTS["mnist_mlp"], label=label)
        _intervals(axes, np.asarray(strengths, float), shares, PARTS["mnist_mlp"])
    target, last = first["cliff.target"], max(strengths)
    axes.axhline(target, color=style.INK, ls="--", lw=1, label=f"asked for: {target:g}")
    place = last * 1.08
    for name, face in (("target_share", True), ("target_expected_share", False)):
        values = rows[name].to_numpy(float)
        colour = style.COLOURS["distilled"]
        look: dict[str, Any] = {"color": colour, "mfc": colour if face else "white"}
        text = "got, at test time" if face else "got, expected"
        axes.plot(np.full(len(values), place), values, "s", ms=5, label=text, **look)
        place *= 1.04
    axes.set_xlabel(f"{LAMBDA}\n(SGD, gates open at first)")
    axes.set_ylabel(f"share of the weights left\n95% interval, n = {len(rows)}")
    axes.set_ylim(0, 1.08)
    axes.legend(fontsize=7.5)
