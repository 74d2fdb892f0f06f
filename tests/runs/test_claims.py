"""Claims: the verdict, and what it may not be drawn from."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from multiview.runs.claims import MOST_SEEDS, Claim, judge
from multiview.runs.intervals import mean_interval, wilson

fractions = st.floats(0, 1).map(lambda x: round(x, 3))


def claim(low, high, trials=None, estimate=lambda table: table["value"]):
    return Claim(
        name="c",
        source="Theorem 1",
        statement="s",
        predicted=(float(low), float(high)),
        estimate=estimate,
        trials=trials,
    )


def table(values, status=None):
    return pd.DataFrame(
        {"seed": range(len(values)), "value": values, "status": status or ["ok"] * len(values)}
    )


@pytest.mark.parametrize(
    ("predicted", "verdict"),
    [
        ((0.0, 1.0), "supported"),
        ((-math.inf, 0.6), "supported"),
        ((0.6, 1.0), "refuted"),
        ((-math.inf, 0.3), "refuted"),
        ((0.5, 1.0), "inconclusive"),
        ((0.49, 0.51), "inconclusive"),  # the prediction lies inside the interval
    ],
)
def test_the_verdict_follows_the_interval(predicted, verdict):
    values = [0.4, 0.5, 0.6, 0.5, 0.45, 0.55]  # 0.5 [0.43, 0.57]
    assert judge(claim(*predicted), table(values)).verdict == verdict


@given(st.lists(fractions, min_size=2, max_size=12), fractions, fractions)
def test_verdicts_agree_with_the_interval_drawn_by_hand(values, a, b):
    low, high = sorted([a, b])
    found = judge(claim(low, high), table(values))
    _, left, right = mean_interval(values)
    inside = low <= left and right <= high
    outside = right < low or high < left
    assert found.verdict == ("supported" if inside else "refuted" if outside else "inconclusive")
    assert found.repetitions == len(values)
    assert found.missing == 0


@given(st.lists(fractions, min_size=2, max_size=12), fractions, fractions, st.booleans())
def test_the_further_seeds_are_the_fewest_that_decide(values, a, b, proportions):
    judged = claim(*sorted([a, b]), trials=50 if proportions else None)
    found = judge(judged, table(values))
    assume(found.further_seeds is not None)
    assert found.further_seeds is not None
    assert found.verdict == "inconclusive"

    def verdict(further):  # by a sample of exactly the same mean and spread, however long
        n, mean, spread = len(values) + further, np.mean(values), np.std(values, ddof=1)
        if spread < 1e-9:
            if not proportions:
                return "unreachable"
            ends = wilson(values[0] * 50 * n, 50 * n)[1:]
        else:
            ends = stats.t.interval(0.95, n - 1, loc=mean, scale=spread / np.sqrt(n))
            ends = np.clip(ends, 0, 1) if proportions else ends
        low, high = judged.predicted
        if low <= ends[0] and ends[1] <= high:
            return "supported"
        return "refuted" if ends[1] < low or ends[0] > high else "inconclusive"

    assert found.further_seeds >= 1
    assert verdict(found.further_seeds) != "inconclusive"
    if found.further_seeds > 1:
        assert verdict(found.further_seeds - 1) == "inconclusive"


def test_a_mean_on_the_edge_is_never_decided():
    found = judge(claim(0.5, 1.0), table([0.25, 0.75, 0.5]))
    assert (found.verdict, found.further_seeds) == ("inconclusive", None)
    nearly = judge(claim(0.5 - 1e-5, 1.0), table([0.25, 0.75, 0.5]))
    assert nearly.further_seeds is None or nearly.further_seeds > MOST_SEEDS / 2


def test_no_error_at_all_is_judged_by_wilson():
    few, many = claim(0.0, 0.0005, trials=1000), claim(0.0, 0.0005, trials=4000)
    assert judge(few, table([0.0] * 3)).verdict == "inconclusive"
    assert judge(many, table([0.0] * 3)).verdict == "supported"
    further = judge(few, table([0.0] * 3)).further_seeds
    assert further is not None
    assert judge(few, table([0.0] * (3 + further))).verdict == "supported"
    assert judge(few, table([0.0] * (2 + further))).verdict == "inconclusive"
    assert judge(claim(0.0, 0.0), table([0.0] * 3)).verdict == "supported"  # an exact law


def test_the_interval_of_a_proportion_ends_at_0_and_1():
    values = [0.0, 0.01, 0.0]
    assert judge(claim(0.0, 0.03), table(values)).verdict == "inconclusive"
    assert judge(claim(0.0, 0.03, trials=100), table(values)).verdict == "supported"


def test_one_repetition_never_decides():
    found = judge(claim(0.0, 0.5, trials=1000), table([0.0]))
    assert (found.verdict, found.further_seeds) == ("inconclusive", 1)
    assert judge(claim(0.0, 0.5), table([9.0])).verdict == "inconclusive"


def test_failed_rows_are_left_out_and_counted():
    rows = table([0.1, 0.1, 99.0, 0.1], status=["ok", "ok", "failed", "ok"])
    found = judge(claim(0.0, 0.2), rows)
    assert (found.verdict, found.repetitions, found.missing) == ("supported", 3, 1)


def test_missing_values_are_left_out_and_counted():
    found = judge(claim(0.0, 0.2), table([0.1, math.nan, 0.1]))
    assert (found.verdict, found.repetitions, found.missing) == ("supported", 2, 1)


def test_without_any_value_nothing_is_decided():
    found = judge(claim(-math.inf, math.inf), table([1.0, 2.0], status=["failed", "failed"]))
    assert (found.verdict, found.interval, found.missing) == ("inconclusive", None, 2)
    largest = claim(0, 1, estimate=lambda t: [max(t["value"])])  # fails on no rows
    assert judge(largest, table([1.0], status=["failed"])).interval is None
    absent = claim(0, 1, estimate=lambda t: t.set_index("seed").loc[[77]]["value"])
    column = claim(0, 1, estimate=lambda t: t.column_of_no_row)
    assert judge(column, table([1.0, 2.0])).missing == 2
    found = judge(absent, table([1.0, 2.0]))
    assert (found.verdict, found.missing) == ("inconclusive", 2)
    assert "77" in found.note


@pytest.mark.parametrize("trials", [None, 100])
@pytest.mark.parametrize("infinite", [math.inf, -math.inf])
@given(st.lists(fractions | st.just(math.nan), max_size=4), st.integers(1, 3))
def test_an_infinite_value_leaves_a_claim_undecided(trials, infinite, others, count):
    found = judge(claim(0, 1, trials), table([*others, *[infinite] * count]))
    assert (found.verdict, found.interval, found.further_seeds) == ("inconclusive", None, None)
    used = sum(not math.isnan(value) for value in others) + count
    assert found.note == f"{count} of {used} values are infinite"
    assert found.repetitions == used
    assert found.missing == len(others) + count - used


@pytest.mark.parametrize("trials", [None, 100])
def test_no_value_at_all_leaves_a_claim_undecided(trials):
    found = judge(claim(0, 1, trials), table([math.nan, math.nan]))
    assert (found.verdict, found.interval, found.repetitions) == ("inconclusive", None, 0)
    assert found.missing == 2


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=4))
def test_any_numbers_are_judged(values):
    found = judge(claim(0, 1), table(values))
    assert found.verdict in ("supported", "refuted", "inconclusive")
    if found.interval is not None:
        assert not any(math.isnan(end) for end in found.interval)


@pytest.mark.parametrize(
    "estimate",
    [
        lambda t: t["value"].map(str) + "?",
        lambda t: 1 / 0,
        lambda t: [None, "a"],
        lambda t: t["value"].iloc[7],
        lambda t: int(math.nan),
        lambda t: [[0.1], [0.1, 0.2]],
    ],
)
def test_an_estimate_that_fails_leaves_a_claim_undecided(estimate):
    found = judge(claim(0, 1, estimate=estimate), table([0.1, 0.2]))
    assert (found.verdict, found.interval, found.missing) == ("inconclusive", None, 2)
    assert "Error: " in found.note


def test_values_of_one_repetition_are_not_taken_for_independent():
    rows = pd.DataFrame({"seed": [0, 0, 1, 1], "value": [0.1] * 4, "status": ["ok"] * 4})
    with pytest.raises(ValueError, match="one value per seed"):
        judge(claim(0, 1), rows)


def test_paired_differences_see_what_the_means_hide():
    level = np.asarray([0.1, 0.5, 0.9, 0.3])  # repetitions differ far more than the methods
    gain = np.asarray([0.049, 0.05, 0.051, 0.05])
    rows = pd.DataFrame(
        {
            "seed": [*range(4), *range(4)],
            "method": ["a"] * 4 + ["b"] * 4,
            "value": [*level, *(level - gain)],
            "status": ["ok"] * 8,
        }
    )

    def difference(t):
        wide = t.pivot(index="seed", columns="method", values="value")
        return wide["a"] - wide["b"]

    assert judge(claim(0.04, 0.06, estimate=difference), rows).verdict == "supported"


@pytest.mark.parametrize("bad", [{"low": 1, "high": 0}, {"low": math.nan, "high": 0}])
def test_reversed_predictions_are_refused(bad):
    with pytest.raises(ValueError, match="predicted"):
        claim(**bad)


def test_fractions_outside_0_and_1_are_refused():
    with pytest.raises(ValueError, match="fractions"):
        judge(claim(0, 1, trials=10), table([0.5, 1.5]))
    with pytest.raises(ValueError, match="trials"):
        claim(0, 1, trials=0)
