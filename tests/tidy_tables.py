"""Made-up tables as a run reads them, one line a cell and method: for claims, tables, figures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from multiview.runs.claims import Claim, judge
from multiview.runs.rows import check_no_clash, plain_cell, split_result
from multiview.runs.store import as_table

Row = Mapping[str, Mapping[str, Any]]  # method -> measure -> value


def table_of(*computed: tuple[Any, Row]) -> pd.DataFrame:
    """One line a cell and method.

    Args:
        computed: Each cell and its result.
    """
    rows = []
    for i, (cell, result) in enumerate(computed):
        plain = plain_cell(cell)
        check_no_clash(plain, result)
        values, arrays = split_result(result)
        row = {"cell": plain, "result": values, "arrays": arrays}
        rows.append({"key": f"{i}", **row, "status": "ok"})
    return as_table(rows)


def repeated(computed: Mapping[Any, Row], n: int = 3) -> pd.DataFrame:
    """Repetitions whose numbers differ by 1e-5 or so; whole numbers, which are settings, do not.

    Args:
        computed: The result of each cell of a repetition.
    """
    draws = np.random.default_rng(0)

    def moved(value: Any) -> Any:
        return value + 1e-5 * draws.standard_normal() if isinstance(value, float) else value

    def drawn(row: Row) -> Row:
        return {
            method: {measure: moved(value) for measure, value in line.items()}
            for method, line in row.items()
        }

    return table_of(
        *((replace(cell, seed=i), drawn(row)) for i in range(n) for cell, row in computed.items())
    )


def changed(row: Row, changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The result with other values, by ``method.measure``."""
    found = {method: dict(line) for method, line in row.items()}
    for name, value in changes.items():
        method, _, measure = name.partition(".")
        found[method][measure] = value
    return found


def rows_as_table(*rows: Row, **cell: Any) -> pd.DataFrame:
    """The rows of the seeds 0, 1, ... as the store returns them, with these fields of the cell."""
    return pd.DataFrame(
        [
            {**cell, "seed": seed, "method": method, **measures, "status": "ok"}
            for seed, row in enumerate(rows)
            for method, measures in row.items()
        ]
    )


def with_measures(row: Row, method: str, **measures: Any) -> dict[str, dict[str, Any]]:
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


def verdicts_of(claims: Iterable[Claim], table: pd.DataFrame) -> dict[str, str]:
    """The verdict on each claim by its name; a claim that breaks fails the test."""
    found = [judge(claim, table) for claim in claims]
    assert not any("Error" in each.note for each in found), [each.note for each in found]
    return {each.claim.name: each.verdict for each in found}
