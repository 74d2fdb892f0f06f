"""How a measure changes with a column: straight lines by least squares, one a repetition."""

from typing import Any

import numpy as np
import pandas as pd

from multiview.runs.estimates import Estimate, by_repetition


def per_doubling(measure: str, along: str, **where: Any) -> Estimate:
    """The change of a measure with each doubling of another column, over lines so chosen."""

    def slope(lines: pd.DataFrame) -> float:
        return float(np.polyfit(np.log2(lines[along].to_numpy(float)), lines[measure], 1)[0])

    return by_repetition(f"slope of {measure} by the binary logarithm of {along}", slope, **where)


def at_zero(measure: str, along: str, most: float, **where: Any) -> Estimate:
    """A measure extrapolated to where another column is 0, from values of it up to ``most``."""

    def intercept(lines: pd.DataFrame) -> float:
        near = lines.loc[lines[along] <= most]
        return float(np.polyfit(near[along], near[measure], 1)[1])

    return by_repetition(
        f"{measure} extrapolated to no {along} from up to {most}", intercept, **where
    )
