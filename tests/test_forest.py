"""Forest plots: what is drawn are the table's numbers."""

from typing import Any

import pandas as pd
import pytest
from drawn_numbers import intervals, points
from matplotlib.figure import Figure

from figures.forest import Line, forest
from multiview.runs.estimates import measured


def test_a_forest_draws_the_means_the_intervals_and_what_stands_beside():
    table = pd.DataFrame(
        [
            {"seed": seed, "method": who, "error": error, "published": 0.02}
            for seed, one, other in ((0, 0.30, 0.26), (1, 0.32, 0.29), (2, 0.31, 0.26))
            for who, error in (("one", one), ("other", other))
        ]
    )
    gain = measured("error", "one") - measured("error", "other")
    unknown = measured("error", "absent")
    axes = Figure().subplots()
    beside = measured("published", "other")
    line = Line("other", gain, "red", beside=beside)
    forest(axes, table, {"left out": [Line("none", unknown, "red")], "heading": [line]})
    assert points(axes) == [("o", pytest.approx(0.04), 1), ("x", pytest.approx(0.02), 1)]
    expected = gain.of(table).interval()
    ((low, high),) = intervals(axes)
    repetitions: Any = axes.collections[-1].get_offsets()
    assert sorted(repetitions[:, 0]) == pytest.approx([0.03, 0.04, 0.05])
    assert [low[0], high[0]] == pytest.approx([expected.low, expected.high])
    assert [each.get_text() for each in axes.texts] == ["heading"]
    assert [each.get_text() for each in axes.get_yticklabels()] == ["other"]
    assert axes.xaxis.get_major_formatter()(0.035, 0) == "3.5"
