"""Leads and winners, growth of both views, memorised samples, and the tail of the loss."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

LEADS = {  # as the table's ``leads`` has them, and as they are written here
    "1 to 1.05": "1-1.05",
    "1.05 to 1.1": "1.05-1.1",
    "1.1 to 1.2": "1.1-1.2",
    "1.2 to 1.5": "1.2-1.5",
    "1.5 and more": "> 1.5",
}
WINNER, LOSER = style.COLOURS["one"], style.COLOURS["distilled"]
PARTS = {  # of the label's logit
    "label's strong views": style.COLOURS["one"],
    "label's weak view": style.COLOURS["distilled"],
    "other classes' features": style.COLOURS["sum"],
    "no feature": "#888888",
}
GROUPS = (  # method, its name, and the measures: parts of the logit, their sum, the error
    ("multi", "multi-view", "parts", "logit", "error"),
    ("known", "single-view,\nlearned", "parts", "logit", "error"),
    ("lost", "single-view,\nnot learned", "parts", "logit", "error"),
    ("lost", "not learned,\nfresh noise", "fresh_parts", "fresh_logit", "fresh_error"),
)


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``lottery``.

    Args:
        table: Lines of two cells a repetition, with empty and with noisy ``background``, and those
            by the lead.
    """
    style.use()
    empty = select(table, background="empty")
    members = select(empty, method="member")
    figure = Figure(figsize=(style.WIDTH, 8.6), layout="constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    _accuracy(a, empty)
    style.title(a, "a", "The view ahead at the start is learned")
    _rise(b, members)
    style.title(b, "b", "One view grows; most others stay behind")
    _parts(c, table)
    style.title(c, "c", "What is not learned is known by its noise")
    _tail(d, members)
    style.title(d, "d", "In the tail of the loss the other view grows")
    return figure


def _accuracy(axes: Axes, table: pd.DataFrame) -> None:
    """Dots: repetitions; circles: their mean, with its 95% interval; above: number of classes."""
    for offset, method, face, label in (
        (-0.13, "ahead", WINNER, "lead weighted by S"),
        (0.13, "ahead_unweighted", "white", "without S"),
    ):
        look = {"color": WINNER, "mfc": face, "mew": 1.4, "ms": 6.5, "zorder": 4}
        for x, leads in enumerate(LEADS):
            found = panels.values(table, measured("accuracy", method, leads=leads))
            panels.dots(axes, x + offset, found)
            panels.point(axes, x + offset, found, low=0, high=1, **look)
        axes.plot([], [], "o", label=label, **look)
    for x, leads in enumerate(LEADS):
        number = select(table, method="ahead", leads=leads)["classes"].sum()
        axes.text(x, 1.04, f"{number:.0f}", ha="center", fontsize=8.5)
    axes.axhline(0.5, color=style.INK, ls="--", lw=1)
    axes.text(len(LEADS) - 0.6, 0.515, "chance", ha="right", va="bottom", fontsize=8.5)
    axes.set_xticks(range(len(LEADS)), list(LEADS.values()))
    axes.set_xlim(-0.6, len(LEADS) - 0.4)
    axes.set_ylim(-0.03, 1.12)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("lead at the start (above: number of classes)")
    note = panels.by_repetition(panels.repetitions(table))
    axes.set_ylabel(f"predicted view learned\n{note}")
    axes.legend(loc="lower right", fontsize=8.5)


def _rise(axes: Axes, table: pd.DataFrame) -> None:
    """Median over all classes of all networks, with bands that hold 80% of them."""
    time = np.asarray(table["rise_time"].iloc[0])
    views = (("learned views", "rise_winner", WINNER), ("other views", "rise_loser", LOSER))
    for name, measure, colour in views:
        paths = np.concatenate([np.asarray(p).reshape(-1, len(time)) for p in table[measure]])
        paths = paths[~np.isnan(paths[:, 0])]
        with np.errstate(all="ignore"):
            low, middle, high = (10 ** np.nanquantile(paths, q, axis=0) for q in (0.1, 0.5, 0.9))
        axes.plot(time, middle, color=colour, lw=2, zorder=3)
        axes.fill_between(time, low, high, color=colour, alpha=0.18, lw=0)
        axes.annotate(
            name,
            (time[-1], middle[-1]),
            xytext=(-4, 7),
            textcoords="offset points",
            ha="right",
            color=colour,
            weight="bold",
        )
    for field, label in (("relu_knee", "knee"), ("sigma_init", r"$\sigma_0$")):
        level = table[field].iloc[0]
        axes.axhline(level, color=style.INK, ls="--", lw=1)
        axes.text(1.96, level * 0.94, label, ha="right", va="top", fontsize=8.5)
    number = sum(np.asarray(lead).size for lead in table["lead"])
    axes.set_yscale("log")
    axes.set_xlim(time[0], time[-1])
    axes.set_xlabel("time / that of the learned view half way to the knee")
    axes.set_ylabel(rf"$\Lambda$, median and 80% of {number} classes")


def _parts(axes: Axes, table: pd.DataFrame) -> None:
    """Pairs of bars: without and with noise on the patches that carry no feature."""
    tops = [0.0]
    for g, (method, _, *measures) in enumerate(GROUPS):
        for offset, background in ((-0.2, "empty"), (0.2, "noise")):
            lines = select(table, method=method, background=background)
            tops.append(_bar(axes, g + offset, lines, *measures))
    for name, colour in PARTS.items():
        axes.bar(0, 0, 0, color=colour, label=name)
    axes.set_xticks(range(len(GROUPS)), [name for _, name, *_ in GROUPS], fontsize=8.5)
    axes.set_ylim(0, 1.15 * max(tops))
    axes.grid(axis="x", visible=False)
    note = panels.by_repetition(panels.repetitions(table))
    axes.set_ylabel(f"label's logit (above: error)\n{note}")
    axes.set_xlabel("patches without a feature are zero (left bars) or noise (right)")
    axes.legend(title="from the patches with", fontsize=8.5, title_fontsize=8.5)


def _bar(axes: Axes, x: float, lines: pd.DataFrame, parts: str, logit: str, error: str) -> float:
    """The parts of the logit above each other, the interval of their sum, the error; the top."""
    known = lines.loc[lines[logit].notna()]  # else there is no such sample
    if not len(known):
        return 0.0
    heights = np.stack([np.asarray(each) for each in known[parts]]).mean(0)
    for below, height, colour in zip(
        np.cumsum(heights) - heights, heights, PARTS.values(), strict=True
    ):
        axes.bar(x, height, 0.34, below, color=colour, zorder=2)
    top = panels.point(
        axes, x, panels.values(known, measured(logit)), low=0, marker="", lw=1.2, color=style.INK
    )
    axes.annotate(
        f"{lines[error].mean():.0%}",
        (x, top),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
    )
    return top


def _tail(axes: Axes, table: pd.DataFrame) -> None:
    """Lines: mean of the repetitions; bands: their range. Each relative to where it began."""
    loss = np.asarray(table["tail_loss"].iloc[0])
    curves = {"learned view": [], "other view": [], "single-view error": []}
    for _, line in table.iterrows():
        for name, measure in (("learned view", "tail_winner"), ("other view", "tail_loser")):
            norms = np.asarray(line[measure])[:, np.asarray(line["one_view"])]
            curves[name].append(np.median(norms, 1))
        curves["single-view error"].append(np.asarray(line["tail_error"]).mean(1))
    colours = (WINNER, LOSER, style.COLOURS["ensemble"])
    for (name, values), colour in zip(curves.items(), colours, strict=True):
        paths = np.stack(values)
        relative = paths / paths[:, :1]
        mean = relative.mean(0)
        axes.plot(loss, mean, color=colour, lw=2, label=name, zorder=3)
        axes.fill_between(loss, relative.min(0), relative.max(0), color=colour, alpha=0.15, lw=0)
        reached = np.flatnonzero(~np.isnan(mean))
        if len(reached):
            begin, end = paths[:, 0].mean(), paths[:, reached[-1]].mean()
            axes.annotate(
                f"{begin:.2g} → {end:.2g}",
                (loss[reached[-1]], mean[reached[-1]]),
                xytext=(-3, 6 if mean[reached[-1]] >= 1 else -14),
                textcoords="offset points",
                ha="right",
                color=colour,
                fontsize=9,
            )
    axes.axhline(1, color=style.INK, ls="--", lw=1)
    axes.set_xscale("log")
    axes.set_xlim(loss[0], loss[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training loss, falling")
    n = panels.repetitions(table)
    axes.set_ylabel(f"relative to that at loss {loss[0]:g}\nmean and range, n = {n}")
    axes.legend(
        title=r"median $\Lambda$ where one is learned, and error",
        fontsize=8.5,
        title_fontsize=8.5,
        loc="upper left",
    )
