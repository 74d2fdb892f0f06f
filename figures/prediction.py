"""A diagnosis: error by the number of networks, measured and predicted, and predicted gains."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import panels, style

LOOK = {"logits": (-0.06, "mean logits", "o"), "probabilities": (0.06, "mean probabilities", "s")}
KINDS = {
    "ensemble": ("the average", style.COLOURS["ensemble"]),
    "student": ("one student", style.COLOURS["distilled"]),
    "self": ("self-distillation", style.COLOURS["self"]),
}


def draw(table: pd.DataFrame) -> Figure:
    """Draw one diagnosis.

    Args:
        table: Of ``Diagnosis``: a line a prediction, and one for each size that was measured.
    """
    style.use()
    figure = Figure(figsize=(style.WIDTH, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    _errors(left, table)
    style.title(left, "a", "Error by number of networks")
    _gains(right, table)
    style.title(right, "b", "Predicted gain over one network")
    return figure


def _errors(axes: Axes, table: Any) -> None:
    """Measured errors of averages, and predicted ones with their intervals."""
    for average, (aside, label, marker) in LOOK.items():
        own = table[table["average"] == average]
        measured = own[own["kind"] == "measured"]
        look = {"ls": "none", "marker": marker, "ms": 6}
        axes.plot(
            measured["size"], measured["error"], color=style.INK, label=f"measured, {label}", **look
        )
        ahead = own[(own["kind"] == "ensemble") & own["extrapolated"].eq(True)]
        colour = KINDS["ensemble"][1]
        axes.vlines(
            ahead["size"] + aside, ahead["error_low"], ahead["error_high"], color=colour, lw=1.4
        )
        look |= {"color": colour, "mfc": "white", "label": f"predicted, {label}"}
        axes.plot(ahead["size"] + aside, ahead["error"], **look)
    axes.set_ylim(0, None)
    axes.set_xlabel("networks that are averaged")
    axes.set_ylabel("error, %")
    panels.hundredths(axes.yaxis)
    panels.legend(axes)


def _gains(axes: Axes, table: Any) -> None:
    """Predicted gains by mean logits, of students and of self-distillation, below each other."""
    chosen = table[(table["average"] == "logits") & table["kind"].isin(list(KINDS))]
    names = []
    for y, each in enumerate(chosen.to_dict("records")):
        name, colour = KINDS[each["kind"]]
        names.append(name if each["kind"] == "self" else f"{name} of {each['size']}")
        axes.hlines(y, each["gain_low"], each["gain_high"], color=colour, lw=1.6)
        axes.plot(each["gain"], y, "o", ms=6, color=colour)
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    panels.hundredths(axes.xaxis)
    level = 100 * float(table["level"].iloc[0])
    axes.set_xlabel(f"points, with {level:g}% prediction interval")
