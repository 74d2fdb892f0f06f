"""Claims: the verdict, what it may not be drawn from, and what many claims together allow."""

import json
import math
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from multiview.runs.claims import MOST_SEEDS, Claim, Judgement, at_least, at_most, judge, within
from multiview.runs.counts import benjamini_hochberg, summary_of
from multiview.runs.intervals import interval_of
from multiview.runs.registration import edited, registered

fractions = st.floats(0, 1).map(lambda x: round(x, 3))
counts = st.integers(0, 20).map(lambda lost: lost / 20)
everything = (-math.inf, math.inf)


@dataclass(frozen=True)
class Stand:
    """An estimate that reads the column ``value``, or does what it is told."""

    units: int | None = None
    kind: str = "number"
    text: str = "value"
    read: Any = None

    def of(self, table):
        by_seed = table.set_index("seed")["value"] if self.read is None else self.read(table)
        return SimpleNamespace(by_seed=by_seed, units=self.units, kind=self.kind)


def claim(predicted, units=None, kind="number", read=None, **settings):
    settings = {"name": "c", "source": "Theorem 1", "statement": "s", **settings}
    if units is not None and kind == "number":
        kind = "fraction"
    estimate = settings.pop("estimate", Stand(units, kind, read=read))
    low, high = predicted
    return Claim(predicted=(float(low), float(high)), estimate=estimate, **settings)


def table(values, status=None):
    return pd.DataFrame(
        {"seed": range(len(values)), "value": values, "status": status or ["ok"] * len(values)}
    )


@pytest.mark.parametrize(
    ("predicted", "verdict"),
    [
        ((0.0, 1.0), "supported"),
        (at_most(0.6), "supported"),
        ((0.6, 1.0), "refuted"),
        (at_most(0.3), "refuted"),
        (at_least(0.5), "undecided"),
        (within(0.01, of=0.5), "undecided"),  # the prediction lies inside the interval
    ],
)
def test_the_verdict_follows_the_interval(predicted, verdict):
    values = [0.4, 0.5, 0.6, 0.5, 0.45, 0.55]  # 0.5 [0.43, 0.57]
    assert judge(claim(predicted), table(values)).verdict == verdict


def test_predictions_are_written_in_words():
    assert at_most(0.1) == (-math.inf, 0.1)
    assert at_least(0.1) == (0.1, math.inf)
    assert within(0.05) == (-0.05, 0.05)
    assert within(0.25, of=0.5) == (0.25, 0.75)


@given(st.lists(counts, min_size=2, max_size=12), fractions, fractions, st.sampled_from([None, 20]))
def test_verdicts_agree_with_the_interval_drawn_by_hand(values, a, b, units):
    low, high = sorted([a, b])
    found = judge(claim((low, high), units), table(values))
    drawn = interval_of(values, units, "fraction" if units else "number")
    inside = low <= drawn.low and drawn.high <= high
    outside = drawn.high < low or high < drawn.low
    assert found.interval == drawn
    assert found.verdict == ("supported" if inside else "refuted" if outside else "undecided")
    assert (found.repetitions, found.missing) == (len(values), 0)


@given(st.lists(counts, min_size=2, max_size=12), fractions, fractions, st.booleans())
def test_the_further_seeds_are_the_fewest_that_decide(values, a, b, counted):
    judged = claim(sorted([a, b]), units=20 if counted else None)
    found = judge(judged, table(values))
    assume(found.further_seeds is not None)
    assert found.further_seeds is not None
    assert found.verdict == "undecided"

    def decided(further):  # by a sample of exactly the same mean and spread, however long
        n = len(values) + further
        if counted:
            ends = interval_of(values, 20, "fraction", repetitions=n)[1:3]
        else:
            scale = np.std(values, ddof=1) / np.sqrt(n)
            ends = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=scale)
        low, high = judged.predicted
        return (low <= ends[0] and ends[1] <= high) or ends[1] < low or ends[0] > high

    assert found.further_seeds >= 1
    assert decided(found.further_seeds)
    assert found.further_seeds == 1 or not decided(found.further_seeds - 1)


def test_a_mean_on_the_edge_is_never_decided():
    found = judge(claim(at_least(0.5)), table([0.25, 0.75, 0.5]))
    assert (found.verdict, found.further_seeds) == ("undecided", None)
    assert found.p_value == pytest.approx(1)
    nearly = judge(claim(at_least(0.5 - 1e-5)), table([0.25, 0.75, 0.5]))
    assert nearly.further_seeds is None or nearly.further_seeds > MOST_SEEDS / 2


def test_no_error_at_all_is_judged_by_the_views():
    few, many = claim(at_most(0.02), units=20), claim(at_most(0.02), units=400)
    assert judge(few, table([0.0] * 3)).verdict == "undecided"
    assert judge(many, table([0.0] * 3)).verdict == "supported"
    further = judge(few, table([0.0] * 3)).further_seeds
    assert further is not None
    assert judge(few, table([0.0] * (3 + further))).verdict == "supported"
    assert judge(few, table([0.0] * (2 + further))).verdict == "undecided"


def test_equal_numbers_decide_nothing():
    found = judge(claim(at_most(0.5)), table([0.0] * 3))
    assert (found.verdict, found.further_seeds, found.p_value) == ("undecided", None, 1)
    assert found.note == "3 equal values: unknown spread"
    assert judge(claim(at_most(0.5)), table([0.0, 0.0, 0.1])).note == ""


@pytest.mark.parametrize("units", [None, 1000])
def test_one_repetition_never_decides(units):
    found = judge(claim((0.0, 0.5), units), table([0.0]))
    assert (found.verdict, found.further_seeds, found.note) == ("undecided", 1, "")


def test_failed_lines_are_left_out_and_counted():
    rows = table([0.1, 0.11, 99.0, 0.1], status=["ok", "ok", "failed", "ok"])
    found = judge(claim((0.0, 0.2)), rows)
    assert (found.verdict, found.repetitions, found.missing) == ("supported", 3, 1)


def test_missing_values_are_left_out_and_counted():
    found = judge(claim((0.0, 0.2)), table([0.1, math.nan, 0.101]))
    assert (found.verdict, found.repetitions, found.missing) == ("supported", 2, 1)
    fewer = claim((0.0, 0.2), read=lambda t: t.set_index("seed")["value"].iloc[:2])
    assert judge(fewer, table([0.1, 0.101, 5.0])).missing == 1


def test_without_any_value_nothing_is_decided():
    found = judge(claim(everything), table([1.0, 2.0], status=["failed", "failed"]))
    assert (found.verdict, found.interval, found.missing) == ("undecided", None, 2)
    assert found.note == "no cell succeeded"
    empty = judge(claim(everything), table([math.nan, math.nan]))
    assert (empty.verdict, empty.interval, empty.p_value) == ("undecided", None, None)
    assert (empty.repetitions, empty.missing) == (0, 2)


@pytest.mark.parametrize("units", [None, 100])
@pytest.mark.parametrize("infinite", [math.inf, -math.inf])
@given(st.lists(fractions | st.just(math.nan), max_size=4), st.integers(1, 3))
def test_an_infinite_value_leaves_a_claim_undecided(units, infinite, others, count):
    found = judge(claim((0, 1), units), table([*others, *[infinite] * count]))
    assert (found.verdict, found.interval, found.further_seeds) == ("undecided", None, None)
    used = sum(not math.isnan(value) for value in others) + count
    assert found.note == f"{count} of {used} values are infinite"
    assert found.repetitions == used
    assert found.missing == len(others) + count - used


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=4))
def test_any_numbers_are_judged(values):
    found = judge(claim((0, 1)), table(values))
    assert found.verdict in ("supported", "refuted", "undecided")
    if found.interval is not None:
        assert not any(math.isnan(end) for end in found.interval[:3])


@pytest.mark.parametrize(
    "read",
    [
        lambda t: t["value"].map(str) + "?",
        lambda t: 1 / 0,
        lambda t: [None, "a"],
        lambda t: t["value"].loc[[77]],
        lambda t: t.column_of_no_line,
        lambda t: pd.Series([[0.1], [0.1, 0.2]]),
    ],
)
@pytest.mark.parametrize("kind", ["claim", "check"])
def test_an_estimate_that_fails_leaves_a_claim_undecided(read, kind):
    found = judge(replace(claim((0, 1), read=read), kind=kind), table([0.1, 0.2]))
    assert (found.verdict, found.interval, found.missing) == ("undecided", None, 2)
    assert "Error: " in found.note


def test_values_of_one_repetition_are_not_taken_for_independent():
    rows = pd.DataFrame({"seed": [0, 0, 1, 1], "value": [0.1] * 4, "status": ["ok"] * 4})
    with pytest.raises(ValueError, match="one value per seed"):
        judge(claim((0, 1)), rows)
    # As many values as seeds, but two of them of one seed and none of another.
    repeated = claim((0, 1), read=lambda t: t.set_index("seed")["value"].iloc[[0, 1]])
    with pytest.raises(ValueError, match="one value per seed"):
        judge(repeated, rows)
    more = claim((0, 1), read=lambda t: pd.Series([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="3 values for 2 seeds"):
        judge(more, rows)


@pytest.mark.parametrize("bad", [(1, 0), (math.nan, 0)])
def test_reversed_predictions_are_refused(bad):
    with pytest.raises(ValueError, match="predicted"):
        claim(bad)


def test_fractions_outside_0_and_1_are_refused():
    with pytest.raises(ValueError, match="fraction lies in"):
        judge(claim((0, 1), units=10), table([0.5, 1.5]))


# Checks


def check(predicted, **settings):
    return replace(claim(predicted, **settings), kind="check")


@pytest.mark.parametrize(
    ("values", "verdict", "note"),
    [
        ([0.0] * 10, "supported", "holds in 10 of 10"),
        ([0.0] * 9 + [0.2], "refuted", "holds in 9 of 10"),
        ([0.0], "supported", "holds in 1 of 1"),
        ([0.0, math.nan], "supported", "holds in 1 of 1"),
        ([0.1, math.inf], "refuted", "holds in 1 of 2"),
    ],
)
def test_a_check_is_judged_by_counting(values, verdict, note):
    found = judge(check((0.0, 0.1)), table(values))
    assert (found.verdict, found.note) == (verdict, note)
    assert (found.interval, found.p_value, found.further_seeds) == (None, None, None)
    assert found.repetitions + found.missing == len(values)


def test_a_check_without_values_is_undecided():
    assert judge(check((0, 1)), table([math.nan])).verdict == "undecided"


def test_a_check_is_never_primary():
    with pytest.raises(ValueError, match="only a claim"):
        check((0, 1), primary=True)


# Many claims


@given(st.lists(fractions, min_size=2, max_size=8), fractions)
def test_the_p_value_against_a_bound_is_students(values, bound):
    assume(np.std(values) > 1e-3)
    found = judge(claim(at_most(bound)), table(values))
    _, expected = stats.ttest_1samp(values, bound)
    assert found.p_value == pytest.approx(max(expected, 1e-9), rel=1e-4)


@given(st.lists(counts, min_size=2, max_size=8), fractions, fractions, st.sampled_from([None, 20]))
def test_a_p_value_below_5_percent_is_a_decided_verdict(values, a, b, units):
    found = judge(claim(sorted([a, b]), units), table(values))
    assert found.p_value is not None
    assert 0 < found.p_value <= 1
    assume(abs(found.p_value - 0.05) > 1e-6)
    assert (found.p_value < 0.05) == (found.verdict != "undecided")


def judged(p, verdict=None, kind="claim", primary=False):
    if verdict is None:
        verdict = "undecided" if p is None or p > 0.05 else "supported"
    made = claim((0, 1), primary=primary) if kind == "claim" else check((0, 1))
    p = None if kind == "check" else p
    return Judgement(claim=made, repetitions=3, missing=0, verdict=verdict, p_value=p)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=20), st.sampled_from([0.05, 0.01]))
def test_the_survivors_are_scipys(ps, level):
    expected = stats.false_discovery_control(ps) <= level
    assert benjamini_hochberg([judged(p) for p in ps], level) == expected.tolist()


def test_survivors_are_decided_claims_and_neither_checks_nor_untested_claims():
    ps = [0.01, 0.02, 0.03, 0.04, 0.9]
    some = [judged(p) for p in ps]
    assert benjamini_hochberg(some) == [True, True, True, True, False]
    others = [judged(None, kind="check", verdict="supported"), judged(None)]
    # They widen no family: with five more p-values of 1, none but the first would survive.
    assert benjamini_hochberg(others * 5 + some)[10:] == [True, True, True, True, False]
    assert benjamini_hochberg(others) == [False, False]
    assert benjamini_hochberg([*some, *[judged(1.0)] * 5]) == [False] * 10
    assert benjamini_hochberg([judged(0.2), judged(0.01)], level=0.5) == [False, True]
    assert benjamini_hochberg([]) == []


def test_the_summary_counts_claims_and_checks_apart():
    judgements = [
        judged(0.001, "supported", primary=True),
        judged(0.049, "refuted", primary=True),
        judged(0.5),
        judged(0.6),
        judged(None, "supported", kind="check"),
        judged(None, "refuted", kind="check"),
        judged(None, "supported", kind="check"),
    ]
    summary = summary_of(judgements)
    assert summary.claims == {"supported": 1, "refuted": 1, "undecided": 2}
    assert summary.checks == {"supported": 2, "refuted": 1, "undecided": 0}
    assert summary.primary == {"supported": 1, "refuted": 1, "undecided": 0}
    assert summary.surviving == 1  # 0.049 > 0.05 x 2 / 4


def test_summaries_of_runs_are_added_without_correcting_across_runs():
    one = [judged(0.02, "supported", primary=True), judged(0.5), judged(None, kind="check")]
    other = [judged(0.04, "refuted")]
    total = summary_of(one) + summary_of(other)
    assert total.claims == {"supported": 1, "refuted": 1, "undecided": 1}
    assert total.checks == summary_of(one).checks
    assert total.primary == {"supported": 1, "refuted": 0, "undecided": 0}
    assert total.surviving == 2
    assert summary_of([*one, *other]).surviving == 0  # 0.02 > 0.05 / 3, 0.04 > 0.05 x 2 / 3
    assert summary_of([]) + total == total
    assert str(total).startswith("3 claims: 1 supported, 1 refuted, 1 undecided; 2 of the decided")


# Registration


def test_a_registration_survives_json_and_tells_what_was_edited():
    first = claim(at_most(0.1), name="n", primary=True)
    kept = json.loads(json.dumps(registered(first), allow_nan=False))
    assert edited(first, kept) == []
    assert edited(first, None) == ["added"]
    assert kept["predicted"] == [None, 0.1]
    assert kept["digest"] == "cd42404d52ad55cc"  # of "value"
    changes = {
        "name": "m",
        "source": "Theorem 2",
        "statement": "t",
        "predicted": (-math.inf, 0.2),
        "decided": "after",
        "primary": False,
    }
    for field, value in changes.items():
        assert edited(replace(first, **{field: value}), kept) == [field]
    assert edited(replace(first, primary=False, kind="check"), kept) == ["kind", "primary"]
    rewritten = replace(first, estimate=Stand(text="value - 1"))
    assert edited(rewritten, kept) == ["digest"]
    assert edited(rewritten, {**kept, "source": ""}) == ["source", "digest"]
    del kept["statement"]
    assert edited(first, kept) == ["statement"]
