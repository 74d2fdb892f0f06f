"""Tables of made-up rows, one line a repetition and method, for claims, tables and figures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

Row = Mapping[str, Mapping[str, Any]]  # method -> measure -> value


def table_of(*rows: Row, **cell: Any) -> pd.DataFrame:
    """The rows of the seeds 0, 1, ... as the store returns them, with these fields of the cell."""
    return pd.DataFrame(
        [
            {**cell, "seed": seed, "method": method, **measures, "status": "ok"}
            for seed, row in enumerate(rows)
            for method, measures in row.items()
        ]
    )


def changed(row: Row, method: str, **measures: Any) -> dict[str, dict[str, Any]]:
    """The row with other measures of one method."""
    found = {name: dict(each) for name, each in row.items()}
    return found | {method: found.get(method, {}) | measures}


def alike(row: Row, repetitions: int) -> Iterator[Row]:
    """Repetitions of a row whose numbers differ by next to nothing: equal ones show no spread."""

    def near(value: Any, step: int) -> Any:
        return value + 1e-8 * step * max(1, abs(value)) if isinstance(value, float) else value

    for seed in range(repetitions):
        yield {
            method: {
                measure: near(value, seed * (1 + i + 100 * j))
                for j, (measure, value) in enumerate(each.items())
            }
            for i, (method, each) in enumerate(row.items())
        }


def texts(listings: Any, table: pd.DataFrame) -> str:
    """All that is printed, as Markdown."""
    grids: Sequence[Any] = [listing.grid(table) for listing in listings]
    return "\n".join(grid.markdown() for grid in grids)
