"""Scripts of several parts, each with cells of its own: which run, are claimed of and shown."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pandas as pd

from multiview.runs.claims import Claim
from multiview.runs.estimates import select
from multiview.runs.tables import Column, Listing

SYNTHETIC = "synthetic"
C = TypeVar("C")


def cells_of(
    parts: Mapping[str, C | Sequence[C]], only_if_asked: Collection[str] = ()
) -> Callable[[Any], list[C]]:
    """Cells for ``Preset.cells``: those of the part that the options name, or of all but some.

    Args:
        parts: A cell, or cells, by what the option calls them.
        only_if_asked: What "all" leaves out.
    """

    lists: dict[str, list[Any]] = {
        name: list(each) if isinstance(each, list | tuple) else [each]
        for name, each in parts.items()
    }

    def cells(options: Any) -> list[C]:
        if options.part == "all":
            return [c for name, each in lists.items() if name not in only_if_asked for c in each]
        if options.part not in lists:
            raise ValueError(
                f"part={options.part} is not in this preset, which has {', '.join(parts)}: take "
                "another --preset or --part."
            )
        return list(lists[options.part])

    return cells


def claims_of(
    parts: Mapping[str, Callable[..., Iterable[Claim]]],
) -> Callable[[Sequence[Any]], Iterator[Claim]]:
    """Claims for ``Experiment.claims``: those of each part.

    Args:
        parts: ``claims(*cells)`` of the cells of a part, by its name.
    """

    def claims(cells: Sequence[Any]) -> Iterator[Claim]:
        for part in dict.fromkeys(cell.part for cell in cells):
            yield from parts[part](*(cell for cell in cells if cell.part == part))

    return claims


def derived_of(
    parts: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]],
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Columns for ``Experiment.derived``: each part's lines with what follows from them."""

    def derived(table: pd.DataFrame) -> pd.DataFrame:
        each = [
            parts.get(str(name), lambda lines: lines)(lines)
            for name, lines in table.groupby("part", sort=False)
        ]
        return pd.concat(each)

    return derived


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
