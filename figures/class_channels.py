"""Channels that carry classes: in two networks and a student, of one class, and how nets agree."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

CLASS = 1  # of CIFAR-10 the paper's: cars
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
SHOWN = 12  # channels of one class
KINDS = {
    "member": ("networks on labels", style.COLOURS["one"]),
    "distilled": ("students", style.COLOURS["distilled"]),
}
OF_ONE = {"of_one": ("students of one network", style.COLOURS["self"])}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``class_channels``.

    Args:
        table: One line a repetition and method; what is shown of single networks is of the first.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 7.4), layout="constrained")
    top, bottom = (figure.add_subfigure(part) for part in figure.add_gridspec(2, 1))
    carried = {who: select(table, method=who)["carried"].iloc[0] for who in KINDS}
    number = carried["member"].shape[1]
    of_cifar10 = table["data"].iat[0] == "cifar10"
    names = CIFAR10 if of_cifar10 else [str(each) for each in range(number)]
    _maps(top, carried, names)
    left, right = bottom.subplots(1, 2, width_ratios=(1.5, 1))
    _one_class(left, carried)
    style.title(left, "b", f"What blanking a channel costs the class “{names[CLASS]}”")
    _agreement(right, table)
    style.title(right, "c", "The same channels?")
    return figure


def _maps(figure: Any, carried: dict[str, np.ndarray], names: list[str]) -> None:
    """Classes against channels: two networks, and a student of the ensemble."""
    shown = {
        "one network": carried["member"][0],
        "another start": carried["member"][1],
        "a student of the ensemble": carried["distilled"][0],
    }
    first = carried["member"][0]
    order = np.lexsort((-first.max(0), first.argmax(0)))  # by the class that each carries most
    most = np.quantile(np.abs(np.stack(list(shown.values()))), 0.995)
    every = figure.subplots(1, 3, sharey=True)
    for letter, axes, (label, each) in zip("a  ", every, shown.items(), strict=True):
        image = axes.imshow(
            each[:, order], aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most, rasterized=True
        )
        style.title(axes, letter, label)
        axes.set_xticks([])
        axes.grid(visible=False)
    every[1].set_xlabel("channels, in the order of their classes in the first network")
    if len(names) <= 20:
        every[0].set_yticks(range(len(names)), names, fontsize=8)
    bar = figure.colorbar(image, ax=every, shrink=0.9)
    bar.set_label("log-odds lost by blanking")


def _one_class(axes: Axes, carried: dict[str, np.ndarray]) -> None:
    """The channels that carry one class most, in each network and each student."""
    means = carried["member"][:, CLASS].mean(0)
    order = np.argsort(-means)[:SHOWN]
    for aside, (who, (label, colour)) in zip((-0.13, 0.13), KINDS.items(), strict=True):
        each = carried[who][:, CLASS][:, order]  # (networks, channels)
        places = np.arange(len(order)) + aside
        look = {"s": 16, "color": colour, "alpha": 0.6, "lw": 0}
        axes.scatter(np.tile(places, len(each)), each.ravel(), label=label, **look)
    axes.axhline(0, color=style.INK, lw=1)
    axes.set_xticks(range(len(order)), [str(channel) for channel in order], fontsize=8)
    axes.set_xlabel("channel")
    axes.set_ylabel("log-odds lost (a dot a network)")
    axes.grid(axis="x", visible=False)
    panels.legend(axes)


def _agreement(axes: Axes, table: pd.DataFrame) -> None:
    """Correlations over channels, of one class and of two."""
    places = {"agree": "one class", "with_mean": "with the mean\nof the others"}
    places["agree_others"] = "two classes"
    kinds = KINDS | OF_ONE
    for aside, (who, (label, colour)) in zip((-0.15, 0, 0.15), kinds.items(), strict=True):
        for i, name in enumerate(places):
            found = panels.values(table, measured(name, who))
            look = {"color": colour, "marker": "o", "ms": 6}
            look |= {"label": label} if i == 0 else {}
            panels.point(axes, i + aside, found, low=-1, high=1, **look)
    axes.axhline(0, color=style.INK, lw=1)
    axes.set_xticks(range(len(places)), list(places.values()), fontsize=9)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_ylim(None, 1)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("correlation over channels\n" + panels.by_repetition(panels.repetitions(table)))
    panels.legend(axes)
