"""Experiments of several parts, each with cells of its own: which run, are claimed of and shown."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pandas as pd

from multiview.runs.claims import Claim
from multiview.runs.estimates import select
from multiview.runs.tables import Column, Listing

SYNTHETIC = "synthetic"
C = TypeVar("C")


def cells_of(parts: Mapping[str, C]) -> Callable[[Any], list[C]]:
    """Cells for ``Preset.cells``: those of the part that ``options.part`` names, or of all.

    Args:
        parts: A cell by the name of its part.
    """

    def cells(options: Any) -> list[C]:
        if options.part not in ("all", *parts):
            raise ValueError(
                f"part={options.part} is not in this preset, which has {', '.join(parts)}: take "
                "another --preset or --part."
            )
        return [cell for name, cell in parts.items() if options.part in ("all", name)]

    return cells


def claims_of(
    parts: Mapping[str, Callable[[Any], Iterable[Claim]]],
) -> Callable[[Sequence[Any]], Iterator[Claim]]:
    """Claims for ``Experiment.claims``: those of each cell's part, from that cell.

    Args:
        parts: ``claims(cell)`` by the name of their part.
    """

    def claims(cells: Sequence[Any]) -> Iterator[Claim]:
        for cell in cells:
            yield from parts[cell.part](cell)

    return claims


def tables_of(
    parts: Mapping[str, Callable[[pd.DataFrame], Iterable[Listing]]],
) -> Callable[[pd.DataFrame], Iterator[Listing]]:
    """Tables for ``Experiment.tables``: those of parts that have lines, each of its own lines."""

    def tables(table: pd.DataFrame) -> Iterator[Listing]:
        for name, listings in parts.items():
            if len(lines := select(table, part=name)):
                for listing in listings(lines):
                    columns = [_of_part(name, column) for column in listing.columns]
                    yield replace(listing, columns=columns)

    return tables


def _of_part(part: str, column: Column) -> Column:
    """The column, of the lines of one part: parts may have methods of one name."""
    return replace(column, text=lambda table, line: column.text(select(table, part=part), line))
