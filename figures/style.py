"""One look for all figures: sizes, and one colour a method."""

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes

WIDTH = 10.0  # inches, of a figure over the whole page
DATA = {  # names of data sets as readers know them
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "mnist": "MNIST",
    "multi_view": "made-up images",
}
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
