"""What scripts share: claims from lines, choice of rows, and how numbers are printed."""

import numpy as np
import pandas as pd
import pytest

from theory_experiments._estimates import (
    claims_from,
    column,
    largest,
    number,
    percent,
    points,
    ratio,
    where,
)

TABLE = pd.DataFrame({"part": ["a", "a", "b"], "size": [1, 2, 2], "x": [1.0, 4.0, 9.0]})


def test_rows_are_chosen_by_every_value_named():
    assert where(TABLE, part="a")["x"].tolist() == [1, 4]
    assert where(TABLE, part="a", size=2)["x"].tolist() == [4]
    assert where(TABLE).equals(TABLE)


def test_estimates_go_row_by_row():
    assert ratio("x", "size")(TABLE).tolist() == [1, 2, 4.5]
    assert largest("size", "x")(TABLE).tolist() == [1, 4, 9]


def test_trials_may_stand_at_the_end_of_a_line():
    line = ("name", "source", "says", (0.0, 1.0), column("x"))
    first, second = claims_from([line, (*line, 7)])
    assert (first.trials, second.trials) == (None, 7)
    assert second.statement == "says"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent([0.0, 0.1]), "5.0 [0.0, 68.5]"),
        (points([-0.1, 0.1]), "0.0 [-127.1, 127.1]"),
        (points([-1e-6, -1e-6]), "0.0 [0.0, 0.0]"),
        (number([0.1, 0.3]), "0.200 [0.000, 1.471]"),
        (number([0.1, 0.3], -np.inf), "0.200 [-1.071, 1.471]"),
        (number([20.0, 20.0]), "20.0 [20.0, 20.0]"),
        (number([0.5, np.nan, 0.5]), "0.500 [0.500, 0.500]"),
        (number([np.nan]), "none"),
    ],
)
def test_a_mean_is_printed_with_its_interval(shown, expected):
    assert shown == expected
