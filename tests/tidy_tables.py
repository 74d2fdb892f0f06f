"""Tables as a run reads them, from cells and what ``run`` returned of them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from multiview.runs.rows import plain_cell, refuse_clash, split_result
from multiview.runs.store import as_table


def table_of(*computed: tuple[Any, Mapping[str, Mapping[str, Any]]]) -> pd.DataFrame:
    """One line a cell and method.

    Args:
        computed: Each cell and its result.
    """
    rows = []
    for cell, result in computed:
        plain = plain_cell(cell)
        refuse_clash(plain, result)
        values, arrays = split_result(result)
        rows.append({"cell": plain, "result": values, "arrays": arrays, "status": "ok"})
    return as_table(rows)
