"""One look for all figures: sizes, and one colour a method."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from multiview.runs.intervals import mean_interval

WIDTH = 10.0  # inches, of a figure over the whole page
# Okabe and Ito's palette and, but for the brown, Tol's, told apart by colour-blind readers too.
COLOURS = {
    "one": "#0072B2",
    "ensemble": "#009E73",
    "sum": "#E69F00",
    "distilled": "#D55E00",
    "self": "#56B4E9",
    "rocket": "#CC79A7",
    "dropout": "#882255",
    "gates": "#8C6D31",
    "kernels": "#332288",
}
INK = "#222222"
GREY = "#777777"  # of what belongs to no method
FAINT = "#ECECEC"  # of what is not there


def use() -> None:
    """Set the defaults every figure is drawn with."""
    sns.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    mpl.rcParams.update(
        {
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "figure.dpi": 150,
            "grid.color": "#E4E4E4",
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )


def title(axes: Axes, letter: str, text: str) -> None:
    """A panel's title, which says what to see in it."""
    axes.set_title(f"{letter}  {text}", fontsize=11, pad=10)


def curve(axes: Axes, table: pd.DataFrame, x: str, y: str, **look: Any) -> None:
    """Mean of ``y`` at each value of ``x``, with its 95% interval over the rows there."""
    known = table.loc[table[y].notna()]
    groups = [(value, mean_interval(rows[y].to_numpy(float))) for value, rows in known.groupby(x)]
    places = np.array([value for value, _ in groups]).astype(float)
    mean = np.array([interval.mean for _, interval in groups])
    # The interval of one value is the whole line: nothing to draw.
    reach = np.array([[i.mean - i.low, i.high - i.mean] for _, i in groups]).T
    axes.errorbar(
        places,
        mean,
        yerr=np.where(np.isfinite(reach), reach, 0),
        **({"marker": "o", "ms": 4.5, "lw": 1.4, "elinewidth": 1, "capsize": 2} | look),
    )
