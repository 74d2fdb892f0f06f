"""Tables in which every repetition measures nearly the same, for verdicts on claims."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from tidy_tables import table_of

Row = Mapping[str, Mapping[str, Any]]


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
