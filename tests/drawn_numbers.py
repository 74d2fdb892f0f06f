"""Numbers read off the panels of a figure."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes


def curves(axes: Axes) -> dict[str, list[list[float]]]:
    """The points (x, y) of each curve with intervals, by its name in the legend."""
    drawn: list[Any] = list(axes.containers)
    return {each.get_label(): each[0].get_xydata().tolist() for each in drawn}


def points(axes: Axes) -> list[tuple[str, float, float]]:
    """Marker and place of every point that stands alone, in the order of drawing."""
    found: Any = [(each.get_marker(), np.asarray(each.get_xydata())) for each in axes.get_lines()]
    return [(marker, *place[0].tolist()) for marker, place in found if len(place) == 1]


def intervals(axes: Axes) -> list[list[list[float]]]:
    """The ends (x, y) of the interval of every point that stands alone."""
    drawn: list[Any] = list(axes.collections)
    return [each.get_segments()[0].tolist() for each in drawn if hasattr(each, "get_segments")]
