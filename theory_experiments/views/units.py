"""What is judged with the view as the unit, and how much of it counts as a difference."""

import math
from collections.abc import Collection

import pandas as pd

# Of the fraction of views covered, and of single-view errors: one view in twenty. Differences at
# least as large count, smaller ones do not, in every experiment alike.
MARGIN = 0.05
MORE = (MARGIN, math.inf)
NO_MORE = (-math.inf, MARGIN)
LESS = (-math.inf, -MARGIN)
NO_LESS = (-MARGIN, math.inf)
SAME = (-MARGIN, MARGIN)
WORDS = {
    MORE: f"by {MARGIN} or more",
    NO_MORE: f"to {MARGIN}",
    LESS: f"by {MARGIN} or more",
    NO_LESS: f"to {MARGIN}",
    SAME: f"to {MARGIN}",
}


def counted_in_views(
    table: pd.DataFrame, *measures: str, averaged: Collection[str] = ()
) -> pd.DataFrame:
    """The table with a column ``<measure>_of``: of how many views a repetition's value is a share.

    Args:
        averaged: Methods whose values are means over many networks, and so no counts.
    """
    if "spec.num_classes" not in table:  # of a script's other parts alone
        return table
    views = table["spec.num_classes"] * table["spec.num_views"]
    views = views.where(~table["method"].isin(list(averaged)))
    known = {name: views.where(table[name].notna()) for name in measures if name in table}
    return table.assign(**{f"{name}_of": values for name, values in known.items()})
