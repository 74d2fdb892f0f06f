"""Intervals: scipy as oracle, laws, limits. How often they cover: test_interval_coverage.py."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from multiview.runs.intervals import interval_of

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 6))
samples = st.lists(numbers, min_size=2, max_size=20).filter(lambda xs: np.std(xs) > 1e-3)
confidences = st.sampled_from([0.5, 0.9, 0.95, 0.99])
units = st.sampled_from([1, 4, 20, 100])
kinds = st.sampled_from(["fraction", "difference"])
signed = st.lists(st.integers(-20, 20).map(lambda lost: lost / 20), min_size=2, max_size=10)


def fractions(values, kind):
    return np.abs(values) if kind == "fraction" else np.asarray(values)


@given(samples, confidences)
def test_numbers_have_scipys_interval(values, confidence):
    mean, low, high, method = interval_of(values, confidence=confidence)
    expected = stats.t.interval(
        confidence, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    assert method == "t"
    assert mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    assert (low, high) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert interval_of(values, 20, "number", confidence) == (mean, low, high, method)


@given(samples, st.sampled_from([-2.0, 0.5, 3.0]), numbers)
def test_the_interval_of_numbers_moves_with_the_unit(values, scale, shift):
    mean, low, high, _ = interval_of(values)
    ends = sorted([scale * low + shift, scale * high + shift])
    moved = interval_of([scale * value + shift for value in values])
    assert moved[:3] == pytest.approx((scale * mean + shift, *ends), rel=1e-6, abs=1e-5)


@given(signed, units, kinds, confidences)
def test_counted_values_have_an_interval_within_their_range(values, units, kind, confidence):
    sample = fractions(values, kind)
    mean, low, high, method = interval_of(sample, units, kind, confidence)
    least = 0 if kind == "fraction" else -1
    assert method == "views"
    assert least <= low <= mean <= high <= 1
    assert high > low  # never of length zero, whatever agrees


@given(signed, units, kinds)
def test_more_confidence_and_fewer_repetitions_mean_longer_intervals(values, units, kind):
    sample = fractions(values, kind)

    def inside(inner, outer):
        return outer.low <= inner.low + 1e-9 and inner.high <= outer.high + 1e-9

    found = interval_of(sample, units, kind)
    assert inside(found, interval_of(sample, units, kind, 0.99))
    assert inside(interval_of(sample, units, kind, repetitions=4 * len(sample)), found)
    assert interval_of(sample, units, kind, repetitions=len(sample)) == found


@given(signed, units)
def test_kept_views_mirror_lost_ones(values, units):
    lost = interval_of(np.abs(values), units, "fraction")
    kept = interval_of(1 - np.abs(values), units, "fraction")
    assert (1 - kept.high, 1 - kept.low) == pytest.approx((lost.low, lost.high), abs=1e-7)
    difference = interval_of(values, units, "difference")
    swapped = interval_of(-np.asarray(values), units, "difference")
    assert (-swapped.high, -swapped.low) == pytest.approx((difference.low, difference.high))


def test_many_repetitions_without_overdispersion_have_clopper_and_pearsons_interval():
    lost = np.random.default_rng(0).binomial(20, 0.3, 4000)
    found = interval_of(lost / 20, 20, "fraction")
    # Of binomial counts, whose over-dispersion is about 1 and which show it well.
    expected = stats.binomtest(int(lost.sum()), 80_000).proportion_ci(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=2e-4)


def test_views_lost_in_bunches_lengthen_the_interval():
    """Six of sixty views lost: in equal parts, or all by one repetition."""
    equal = interval_of([0.1, 0.1, 0.1], 20, "fraction")
    bunch = interval_of([0.3, 0.0, 0.0], 20, "fraction")
    pooled = stats.binomtest(6, 60).proportion_ci(0.95)
    assert equal.mean == pytest.approx(bunch.mean)
    assert bunch.high > 1.5 * equal.high
    assert bunch.high > 1.5 * pooled.high


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_no_lost_view_in_n_is_not_zero(n):
    none = interval_of([0.0] * n, 20, "fraction")
    clopper_pearson = stats.binomtest(0, 20 * n).proportion_ci(0.95).high
    assert (none.mean, none.low) == (0, 0)
    assert clopper_pearson < none.high < 6 * clopper_pearson / n**0.5
    assert interval_of([1.0] * n, 20, "fraction").high == 1
    assert none.high < interval_of([0.0] * n, 10, "fraction").high


@pytest.mark.parametrize("level", [0.0, 0.1, -0.3])
def test_equal_differences_are_bound_by_no_discordant_view(level):
    found = interval_of([level] * 3, 20, "difference")
    bound = stats.binomtest(0, 60).proportion_ci(0.95).high
    assert found.low <= level - bound + 1e-9
    assert found.high >= level + bound - 1e-9
    # Also where the differences agree nearly: Student's interval would be 0.01 long.
    nearly = interval_of([level, level + 0.001, level - 0.001], 20, "difference")
    assert nearly.high - nearly.low >= 2 * bound - 1e-9


def test_differences_of_both_signs_have_students_interval():
    values = [0.3, -0.2, 0.05, -0.4, 0.1]
    assert interval_of(values, 20, "difference")[:3] == pytest.approx(interval_of(values)[:3])


def test_a_difference_from_a_method_that_loses_nothing_is_as_skewed_as_a_fraction():
    values = [0.0, 0.0, 0.0, 0.15, 0.0]
    found, plain = (interval_of(values, 20, kind) for kind in ("difference", "fraction"))
    assert found.high == plain.high > interval_of(values).high
    assert interval_of(np.negative(values), 20, "difference").low == -found.high


@pytest.mark.parametrize(("units", "kind"), [(None, "number"), (20, "fraction")])
def test_one_value_says_nothing(units, kind):
    assert interval_of([0.3], units, kind) == (0.3, -math.inf, math.inf, "none")


@pytest.mark.parametrize("kind", ["number", "fraction", "difference"])
def test_equal_values_that_are_no_counts_do_not_show_their_spread(kind):
    # The mean of three times 0.1 is rounded, and so is 0.3 - 0.2.
    for values in ([0.1] * 3, [0.1, 0.3 - 0.2, 0.1]):
        found = interval_of(values, None, kind)
        assert (found.low, found.high, found.method) == (-math.inf, math.inf, "none")
    assert np.mean([0.1] * 3) != interval_of([0.1] * 3).mean == 0.1


def test_the_mean_lies_in_its_interval_though_a_fraction_was_rounded():
    found = interval_of([1 + 1e-7] * 3, 20, "fraction")
    assert found.low < found.mean <= found.high


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 0.0], np.ones((1, 2))])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(ValueError, match="finite numbers"):
        interval_of(values)


@pytest.mark.parametrize(
    ("values", "units", "kind", "match"),
    [
        ([0.5, 1.5], 20, "fraction", r"\[0, 1\]"),
        ([0.5, -0.1], 20, "fraction", r"\[0, 1\]"),
        ([0.5, -1.1], 20, "difference", r"\[-1, 1\]"),
        ([0.5, 0.1], 0, "fraction", "one view"),
    ],
)
def test_impossible_fractions_are_refused(values, units, kind, match):
    with pytest.raises(ValueError, match=match):
        interval_of(values, units, kind)
