"""Strips: what is seen on them is the verdict, on a linear scale that cuts nothing off."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_runs import toy_claim

from multiview.runs.claims import Judgement, verdict_of
from multiview.runs.intervals import Interval
from multiview.runs.strips import MOST_BOXES, boxes, scaled, strip_of

NUMBERS = st.integers(-1000, 1000).map(lambda number: number / 8)
INTERVALS = st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted).map(
    lambda each: Interval(each[1], each[0], each[2])
)  # fmt: skip


@st.composite
def ranges(draw):
    low, high = sorted([draw(NUMBERS), draw(NUMBERS)])
    return draw(st.sampled_from([(low, high), (-math.inf, high), (low, math.inf), (low, low)]))


@given(ranges(), INTERVALS)
def test_the_verdict_is_seen(predicted, interval):
    strip = scaled(predicted, interval)
    assert strip.band is not None
    assert strip.interval is not None
    assert strip.mean is not None
    ends = [-math.inf if strip.opens[0] else strip.band[0]]
    ends.append(math.inf if strip.opens[1] else strip.band[1])
    seen = verdict_of((ends[0], ends[1]), Interval(strip.mean, *strip.interval))
    assert seen == verdict_of(predicted, interval)


@given(ranges(), INTERVALS)
def test_a_strip_is_linear_and_holds_the_interval(predicted, interval):
    strip = scaled(predicted, interval)
    assert strip.interval is not None
    assert strip.mean is not None
    low, high = strip.interval
    assert 0 < low <= strip.mean <= high < 1
    finite = [end for end in predicted if math.isfinite(end)]
    middle = sum(finite) / len(finite)
    shown = [low - 0.5, strip.mean - 0.5, high - 0.5]
    given = [interval.low - middle, interval.mean - middle, interval.high - middle]
    scale = max(map(abs, shown)) / max(*map(abs, given), 1e-9)
    assert shown == pytest.approx([scale * each for each in given], abs=1e-9)
    assert strip.opens == (predicted[0] == -math.inf, predicted[1] == math.inf)
    for place, value, edge in zip(strip.band or (), predicted, (0, 1), strict=True):
        expected = edge if math.isinf(value) else 0.5 + scale * (value - middle)
        if any(given) or math.isinf(value):
            assert place == pytest.approx(expected, abs=1e-9)


def test_a_value_of_unknown_spread_has_no_interval_and_no_value_no_mark():
    one = scaled((0.0, 1.0), Interval(0.75, -math.inf, math.inf, "none"))
    assert (one.band, one.mean, one.interval) == ((0.25, 0.75), 0.625, None)
    none = scaled((0.0, math.inf), None)
    assert (none.band, none.mean, none.interval) == ((0.5, 1.0), None, None)
    anything = scaled((-math.inf, math.inf), Interval(3.0, 2.0, 4.0))
    assert anything.band == (0.0, 1.0)
    assert anything.mean == 0.5


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_check_is_drawn_as_its_repetitions(holds, fails):
    found = boxes(holds, holds + fails)
    assert sum(box.width for box in found) == pytest.approx(1.0 if found else 0.0)
    held = sum(box.width for box in found if box.holds)
    assert held == pytest.approx(holds / max(holds + fails, 1))
    if holds + fails <= MOST_BOXES:
        assert [box.holds for box in found] == [True] * holds + [False] * fails
    check = toy_claim(0.0, 0.0, kind="check")
    judgement = Judgement(claim=check, repetitions=holds + fails, missing=0, holds=holds)
    assert strip_of(judgement).boxes == found
    assert strip_of(judgement).band is None
