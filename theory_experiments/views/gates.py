"""What the networks with gates of some cells are asked for: lambdas, and shares of weights.

A method's name is that of its group, then the value where there are several: ``cliff_10``.
"""

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from multiview.bench import Cell
from multiview.methods import Gates


def gated(cells: Sequence[Cell], *groups: str) -> Iterator[tuple[str, Gates]]:
    """Networks with gates by name: those of these groups, or all."""
    for cell in cells:
        for name, method in cell.methods.items():
            group = re.sub(r"_\d[\d.e+-]*$", "", name)
            if isinstance(method, Gates) and (group in groups or not groups):
                yield name, method


def lambdas(cells: Sequence[Cell], *groups: str) -> dict[str, float]:
    """The networks with one lambda for all layers, by rising lambda."""
    found = {
        name: method.penalty.strength
        for name, method in gated(cells, *groups)
        if isinstance(method.penalty.strength, float)
    }
    return dict(sorted(found.items(), key=lambda item: item[1]))


def shares(cells: Sequence[Cell]) -> dict[str, float]:
    """The networks that are asked for a share of their weights, with that share."""
    asked = ((name, method.penalty.target) for name, method in gated(cells))
    return {name: share for name, share in asked if share is not None}


def grouped(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the ``group`` of each method, and its ``value`` in the group; NaN of one."""
    named = table["method"].str.extract(r"^(.*?)(?:_(\d[\d.e+-]*))?$")
    return table.assign(group=named[0], value=named[1].astype(float))
