"""Intervals: scipy as oracle, coverage by simulation and by exact sums."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from multiview.runs.intervals import mean_interval, wilson

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 6))
samples = st.lists(numbers, min_size=2, max_size=20).filter(lambda xs: np.std(xs) > 1e-3)
counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n).map(float), st.just(n)))
confidences = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@given(samples, confidences)
def test_the_mean_interval_is_scipys(values, confidence):
    mean, low, high = mean_interval(values, confidence)
    expected = stats.t.interval(
        confidence, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    assert mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    assert (low, high) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(counts, confidences)
def test_wilson_is_scipys(count, confidence):
    successes, trials = count
    expected = stats.binomtest(int(successes), trials).proportion_ci(confidence, method="wilson")
    found = wilson(successes, trials, confidence)
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-12)


@given(samples, st.sampled_from([-2.0, 0.5, 3.0]), numbers)
def test_the_mean_interval_moves_with_the_unit(values, scale, shift):
    mean, low, high = mean_interval(values)
    ends = sorted([scale * low + shift, scale * high + shift])
    moved = mean_interval([scale * value + shift for value in values])
    assert moved == pytest.approx((scale * mean + shift, *ends), rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_mean_interval_covers_95_percent(n):
    datasets = 4000
    draws = np.random.default_rng(n).normal(3.0, 2.0, size=(datasets, n))
    covered = sum(low <= 3.0 <= high for _, low, high in map(mean_interval, draws))
    # A correct interval fails this with probability 1e-6.
    least, most = stats.binom.interval(1 - 1e-6, datasets, 0.95)
    assert least <= covered <= most


@pytest.mark.parametrize("trials", [20, 100])
def test_wilson_covers_about_95_percent(trials):
    intervals = [wilson(float(heads), trials) for heads in range(trials + 1)]
    for p in np.linspace(0.05, 0.95, 19):
        covers = [low <= p <= high for _, low, high in intervals]
        covered = stats.binom.pmf(np.arange(trials + 1), trials, p)[covers].sum()
        assert 0.91 < covered < 0.99


def test_no_error_in_n_is_not_zero():
    assert wilson(0.0, 1000) == (0.0, 0.0, pytest.approx(1.96**2 / (1000 + 1.96**2), rel=1e-3))
    assert wilson(1000.0, 1000).high == 1.0


def test_one_value_says_nothing_and_equal_values_are_exact():
    assert mean_interval([0.3]) == (0.3, -math.inf, math.inf)
    assert mean_interval([0.1] * 10) == (0.1, 0.1, 0.1)  # though their mean is rounded


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 0.0], np.ones((1, 2))])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(ValueError, match="finite numbers"):
        mean_interval(values)


@pytest.mark.parametrize(("successes", "trials"), [(0.0, 0), (-1.0, 5), (6.0, 5)])
def test_impossible_proportions_are_refused(successes, trials):
    with pytest.raises(ValueError, match="trials"):
        wilson(successes, trials)
