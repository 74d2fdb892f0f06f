"""How many classes Theorem 3 needs: shares of the predicted gain against x."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from figures import panels, style
from multiview.runs.estimates import measured, select

MARKERS = {10: "o", 20: "s", 40: "^", 80: "D"}
LOSSES = {"hinton": "x", "squares": "+"}
PANELS = (("distilled", "a", "A student of the ensemble"), ("self", "b", "Self-distillation"))


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``classes_needed``."""
    style.use()
    figure = Figure(figsize=(style.WIDTH, 4.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for panel, (method, letter, text) in zip(axes, PANELS, strict=True):
        shares(panel, table, method)
        style.title(panel, letter, text)
    n = panels.by_repetition(panels.repetitions(table))
    axes[0].set_ylabel(f"share of the predicted gain\n{n}")
    named = axes[0].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=6, fontsize=8.5)
    return figure


def mix(colour: str, share: float) -> str:
    """A colour with white, of which it keeps a share."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def shares(axes: Axes, table: pd.DataFrame, method: str) -> None:
    """One method with strays (filled) and without (open), q = 3 dark and q = 4 light."""
    axes.axvspan(1, 1e3, color=style.FAINT, lw=0, zorder=0)
    axes.axhline(1, color=style.GREY, lw=0.8, ls="--", zorder=1)
    axes.axhline(0, color=style.GREY, lw=0.8, zorder=1)
    places = table[["part", "spec.num_classes", "q", "Z_o", "x"]].drop_duplicates()
    seen: set[str] = set()
    for part, k, q, z, x in places.itertuples(index=False):
        where = {"part": part, "spec.num_classes": k, "q": q, "Z_o": z}
        for name, face in ((method, True), (f"{method}_no_strays", False)):
            colour = mix(style.COLOURS[method], 1.0 if q == 3 else 0.45)
            found = panels.values(table, measured("share", name, **where))
            label = f"k = {k:g}, q = {q:g}" if face else "open: without strays"
            panels.point(
                axes,
                x,
                found,
                marker=MARKERS.get(int(k), "P"),
                color=colour,
                mfc=colour if face else "white",
                label=None if found is None or label in seen else label,
            )
            seen |= set() if found is None else {label}
    for loss, marker in LOSSES.items() if method == "distilled" else ():
        lines = select(table, method=loss)
        if len(lines):
            found = panels.values(table, measured("share", loss))
            at = float(lines["x"].iloc[0]) * (1.12 if loss == "squares" else 0.9)
            called = f"{loss}, for long"
            panels.point(axes, at, found, marker=marker, color=style.INK, label=called)
    shown = places["x"].tolist()
    left, right = 0.5 * min(shown), max(2.0, 2 * max(shown))
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.set_xticks([x for x in (0.001, 0.01, 0.1, 0.3, 1.0, 3.0) if left < x < right])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_ylim(-0.3, 1.3)
    axes.set_xlabel("$x = k\\,(Z_o / Z_y)^q / 2$; grey: 1 and above")
