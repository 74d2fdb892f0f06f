"""The lottery: leads and winners, the race, what is learned by heart, and the tail of the loss."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from multiview.runs.intervals import mean_interval

BINS = (1.0, 1.05, 1.1, 1.2, 1.5, np.inf)
WINNER, LOSER = style.COLOURS["one"], style.COLOURS["distilled"]
PARTS = {  # of the label's logit
    "label's strong views": style.COLOURS["one"],
    "label's weak view": style.COLOURS["distilled"],
    "other classes' features": style.COLOURS["sum"],
    "no feature": "#888888",
}
GROUPS = {
    "multi": ("multi-view", ""),
    "known": ("single-view,\nlearned", ""),
    "lost": ("single-view,\nlost", ""),
    "fresh": ("lost, with\nfresh noise", "fresh_"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``lottery``.

    Args:
        table: Two rows a repetition, with empty and with noisy patches where no feature is.
    """
    style.use()
    empty = table.loc[table["spec.sigma_background"] == 0]
    figure = Figure(figsize=(style.WIDTH, 8.6), layout="constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    _accuracy(a, empty)
    style.title(a, "a", "The view ahead at the start wins")
    _rise(b, empty)
    style.title(b, "b", "The winner escapes; most losers stay behind")
    _parts(c, table)
    style.title(c, "c", "A lost sample is known by its noise")
    _tail(d, empty)
    style.title(d, "d", "In the tail of the loss the loser grows")
    return figure


def _accuracy(axes: Axes, table: pd.DataFrame) -> None:
    """Dots: repetitions; circles: their mean, with its 95% interval; above: number of classes."""
    names = [f"{low:g}-{high:g}" for low, high in pairwise(BINS[:-1])]
    for offset, kind, face, label in (
        (-0.13, "", WINNER, "lead weighted by S"),
        (0.13, "_plain", "white", "without S"),
    ):
        for x, (low, high) in enumerate(pairwise(BINS)):
            rates, count = [], 0
            for _, row in table.iterrows():
                lead = row[f"lead{kind}"]
                chosen = (lead >= low) & ((lead < high) | np.isinf(high))
                count += int(chosen.sum())
                if chosen.any():
                    rates.append(row[f"right{kind}"][chosen].mean())
            if not rates:
                continue
            spread = np.linspace(-0.07, 0.07, len(rates)) if len(rates) > 1 else np.zeros(1)
            axes.scatter(x + offset + spread, rates, s=9, color="#BBBBBB", lw=0, zorder=2)
            mean, begin, end = mean_interval(rates)
            if len(rates) > 1:
                axes.vlines(x + offset, max(begin, 0), min(end, 1), color=WINNER, lw=1.6, zorder=3)
            named = label if x == len(BINS) - 2 else None
            axes.scatter(
                x + offset, mean, s=45, color=face, ec=WINNER, lw=1.4, zorder=4, label=named
            )
            if kind == "":
                axes.text(x, 1.04, str(count), ha="center", fontsize=8.5)
    axes.axhline(0.5, color=style.INK, ls="--", lw=1)
    axes.text(len(BINS) - 1.6, 0.515, "chance", ha="right", va="bottom", fontsize=8.5)
    axes.set_xticks(range(len(BINS) - 1), [*names, f"> {BINS[-2]:g}"])
    axes.set_xlim(-0.6, len(BINS) - 1.4)
    axes.set_ylim(-0.03, 1.12)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("lead at the start (above: number of classes)")
    axes.set_ylabel(f"predicted view learned\nmean, 95% interval, n = {len(table)}")
    axes.legend(loc="lower right", fontsize=8.5)


def _rise(axes: Axes, table: pd.DataFrame) -> None:
    """Median over all classes of all networks, with bands that hold 80% of them."""
    time = np.asarray(table["rise_time"].iloc[0])
    for name, colour in (("winner", WINNER), ("loser", LOSER)):
        paths = np.concatenate(
            [np.asarray(p).reshape(-1, len(time)) for p in table[f"rise_{name}"]]
        )
        paths = paths[~np.isnan(paths[:, 0])]
        with np.errstate(all="ignore"):
            low, middle, high = (10 ** np.nanquantile(paths, q, axis=0) for q in (0.1, 0.5, 0.9))
        axes.plot(time, middle, color=colour, lw=2, zorder=3)
        axes.fill_between(time, low, high, color=colour, alpha=0.18, lw=0)
        axes.annotate(
            f"{name}s",
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
    axes.set_xlabel("time of the gradient flow / the class's time of escape")
    axes.set_ylabel(rf"$\Lambda$, median and 80% of {number} classes")


def _parts(axes: Axes, table: pd.DataFrame) -> None:
    """Pairs of bars: without and with noise on the patches that carry no feature."""
    settings = sorted(table["spec.sigma_background"].unique())
    ticks, tops = [], []
    for g, (group, (_, prefix)) in enumerate(GROUPS.items()):
        key = "lost" if group == "fresh" else group
        for s, setting in enumerate(settings):
            rows = table.loc[table["spec.sigma_background"] == setting]
            parts = np.stack([np.asarray(p) for p in rows[f"{prefix}parts_{key}"]])
            errors = rows[f"{prefix}error_{key}"].mean()  # NaN where there is no such sample
            parts = parts[~np.isnan(parts).any(1)]
            if not len(parts):
                continue
            x, bottom = g + 0.4 * (s - (len(settings) - 1) / 2), 0.0
            for i, (name, colour) in enumerate(PARTS.items()):
                height = parts[:, i].mean()
                label = name if g == s == 0 else None
                axes.bar(x, height, 0.34, bottom, color=colour, zorder=2, label=label)
                bottom += height
            _, low, high = mean_interval(parts.sum(1))
            if len(parts) > 1:
                axes.vlines(x, max(low, 0), high, color=style.INK, lw=1.2, zorder=3)
            else:
                high = bottom
            tops.append(high)
            axes.annotate(
                f"{errors:.0%}",
                (x, high),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
            )
        ticks.append(g)
    axes.set_xticks(ticks, [name for name, _ in GROUPS.values()], fontsize=8.5)
    axes.set_ylim(0, 1.15 * max(tops))
    axes.grid(axis="x", visible=False)
    n = table["seed"].nunique()
    axes.set_ylabel(f"label's logit (above: error)\nmean, 95% interval, n = {n}")
    axes.set_xlabel("patches without a feature are zero (left bars) or noise (right)")
    axes.legend(title="from the patches with", fontsize=8.5, title_fontsize=8.5)


def _tail(axes: Axes, table: pd.DataFrame) -> None:
    """Lines: mean of the repetitions; bands: their range. Each relative to where it began."""
    loss = np.asarray(table["tail_loss"].iloc[0])
    curves = {"winning view": [], "losing view": [], "single-view error": []}
    for _, row in table.iterrows():
        for name, column in (("winning view", "tail_winner"), ("losing view", "tail_loser")):
            norms = np.asarray(row[column])[:, np.asarray(row["one_view"])]
            curves[name].append(np.median(norms, 1))
        curves["single-view error"].append(np.asarray(row["tail_error"]).mean(1))
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
    axes.set_ylabel(f"relative to that at loss {loss[0]:g}\nmean and range, n = {len(table)}")
    axes.legend(
        title=r"median $\Lambda$ where one is learned, and error",
        fontsize=8.5,
        title_fontsize=8.5,
        loc="upper left",
    )
