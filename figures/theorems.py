"""Theorems 1-4: error / mu of everything, by theorem, by members, by mu and by classes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from multiview.runs.intervals import mean_interval

WHO = {  # name, what the theorem allows, marker
    "one": ("one network\n(Theorem 1)", (0.49, 0.51), "o"),
    "ensemble": ("ensemble\n(Theorem 2)", (0.0, 0.001), "^"),
    "distilled": ("student of it\n(Theorem 3)", (0.0, 0.001), "s"),
    "self": ("self-distilled\n(Theorem 4)", (0.0, 0.26), "D"),
}
SETTINGS = {"quiet": "-", "audible": ":"}
FLOOR = 1e-4


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``theorems``.

    Args:
        table: One row a cell; ``axis`` says in what it differs from the base cell of its setting.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 8.8), layout="constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    base = table.loc[table["axis"] == "base"]
    _by_theorem(a, base)
    style.title(a, "a", "Allowed by the theorem (grey), measured")
    _by_size(b, base)
    style.title(b, "b", "K networks averaged, and the law $2^{-K}$")
    for axes, axis, column, label in (
        (c, "mu", "spec.mu", "fraction of single-view samples, mu"),
        (d, "num_classes", "spec.num_classes", "classes, k"),
    ):
        _along(axes, of_four(table.loc[table["axis"].isin(["base", axis])]), column, label)
    style.title(c, "c", "Error over mu against mu, N x mu held")
    style.title(d, "d", "More classes at the same settings")
    handles, labels = c.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=4,
        fontsize=8.5,
        title="c, d: solid where other classes' features are quiet, dotted where they are audible; "
        "ensembles of 4 (students of all members)",
        title_fontsize=8.5,
    )
    return figure


def of_four(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ensembles of four everywhere, since most cells have no more members."""
    place = min(4, int(table["members"].to_numpy().min())) - 1
    mu = table["spec.mu"]
    single, multi = (table[f"by_size_{kind}"].str[place] for kind in ("single", "multi"))
    return table.assign(ensemble_per_mu=single + (1 - mu) / mu * multi)


def _by_theorem(axes: Axes, base: pd.DataFrame) -> None:
    for x, (who, (_, (low, high), _)) in enumerate(WHO.items()):
        axes.fill_between([x - 0.4, x + 0.4], low - 0.004, high + 0.004, color="#C8C8C8", lw=0)
        for shift, (setting, rows) in zip((-0.15, 0.15), _settings(base), strict=True):
            values = rows[f"{who}_per_mu"].to_numpy()
            if not len(values):
                continue
            mean, below, above = mean_interval(values)
            spread = [[mean - below], [above - mean]] if len(values) > 1 else None
            axes.errorbar(
                x + shift,
                mean,
                yerr=spread,
                marker="o",
                mfc=style.COLOURS[who] if setting == "quiet" else "white",
                color=style.COLOURS[who],
                capsize=3,
            )
            axes.annotate(
                f"{mean:.3f}",
                (x + shift, mean),
                xytext=(-2 if setting == "quiet" else 2, 11),
                textcoords="offset points",
                ha="right" if setting == "quiet" else "left",
                fontsize=8,
                bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
            )
    axes.set_xticks(range(len(WHO)), [name for name, *_ in WHO.values()], fontsize=8.5)
    axes.grid(axis="x", visible=False)
    n = base["seed"].nunique()
    axes.set_ylabel(f"error / mu\nmean, 95% interval, n = {n}; filled: quiet, open: audible")
    # Intervals of few repetitions may reach far beyond.
    means = [float(np.mean(base[f"{who}_per_mu"].to_numpy())) for who in WHO]
    axes.set_ylim(-0.02, 1.3 * max(0.5, *means))


def _settings(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(setting, rows.loc[rows["setting"] == setting]) for setting in SETTINGS]


def _by_size(axes: Axes, base: pd.DataFrame) -> None:
    """Single-view error of 1, 2, ... averaged networks, the law and its corrected form."""
    for (setting, rows), colour in zip(
        _settings(base), (style.COLOURS["ensemble"], style.COLOURS["sum"]), strict=True
    ):
        if rows.empty:
            continue
        curves = np.stack([np.asarray(each) for each in rows["by_size_single"]])
        sizes = np.arange(1, curves.shape[1] + 1)
        limits = [mean_interval(column) for column in curves.T]
        mean = np.maximum([each.mean for each in limits], FLOOR)
        axes.plot(sizes, mean, "o-", ms=4.5, color=colour, label=f"measured, {setting}")
        if len(curves) > 1:
            low = np.maximum([each.low for each in limits], FLOOR)
            axes.fill_between(
                sizes,
                low,
                np.maximum([each.high for each in limits], FLOOR),
                color=colour,
                alpha=0.2,
            )
        predicted = np.stack([np.asarray(each) for each in rows["predicted_by_size"]]).mean(0)
        axes.plot(sizes, predicted, ":", color=colour, label=f"from coverage, {setting}")
    law = base["theory_by_size"].iloc[0]
    axes.plot(range(1, len(law) + 1), law, "--", color=style.INK, lw=1.2, label="theory, $2^{-K}$")
    axes.set_yscale("log")
    axes.set_ylim(FLOOR, 1)
    axes.set_xticks(range(1, len(law) + 1))
    axes.set_xlabel("number of networks averaged, K")
    axes.set_ylabel("error on single-view samples")
    axes.legend(fontsize=8)


def _along(axes: Axes, table: pd.DataFrame, column: str, label: str) -> None:
    for setting, rows in _settings(table):
        for who, (name, _, marker) in WHO.items():
            style.curve(
                axes,
                rows,
                column,
                f"{who}_per_mu",
                color=style.COLOURS[who],
                marker=marker,
                ls=SETTINGS[setting],
                mfc=style.COLOURS[who] if setting == "quiet" else "white",
                label=name.split("\n")[0] if setting == "quiet" else None,
            )
    axes.set_xscale("log")
    values = sorted(table[column].unique())
    axes.set_xticks(values, [f"{value:g}" for value in values], fontsize=8.5)
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.set_ylabel("error / mu")
    names = [f"{who}_per_mu" for who in WHO]
    means = np.asarray(table.groupby(["setting", column])[names].mean(), float)
    axes.set_ylim(-0.02, 1.3 * means.max())
