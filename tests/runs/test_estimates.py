"""Estimates: plain pandas as oracle, what is paired, what is counted in views, what is refused."""

import math
import operator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiview.runs.claims import Claim
from multiview.runs.estimates import Values, average, by_repetition, largest, measured, select
from multiview.runs.registration import registered

METHODS = ("one", "two")
SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
numbers = st.floats(0.125, 1).map(lambda x: round(x, 3))  # fractions that may be divided by


@st.composite
def tables(draw):
    """A line a seed and method, in any order, some missing; no column of views."""
    seeds = draw(st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True))
    lines = [
        {"seed": seed, "method": method, "error": draw(numbers | st.just(math.nan)), "size": size}
        for seed in seeds
        for method in METHODS
        for size in (3, 4)
        if draw(st.integers(0, 4))
    ]
    found = pd.DataFrame(draw(st.permutations(lines)), columns=["seed", "method", "error", "size"])
    return found.astype({"seed": int, "error": float, "size": int})


def plain(table, method, size=3):
    """The values of a method by seed, by pandas alone."""
    return table.query("method == @method and size == @size").set_index("seed")["error"]


def same(found: Values, expected: pd.Series):
    """Whether equal values stand at equal seeds; those that are missing may have a NaN."""
    one, other = found.by_seed.dropna().sort_index(), expected.dropna().sort_index()
    assert one.index.tolist() == other.index.tolist()
    np.testing.assert_array_equal(one, other)


ONE, TWO = (measured("error", method, size=3) for method in METHODS)


@given(tables())
def test_a_measure_is_read_by_seed(table):
    same(ONE.of(table), plain(table, "one"))
    same(measured("error", size=4, method="two").of(table), plain(table, "two", 4))


@given(tables(), st.sampled_from(list(SIGNS)), numbers)
def test_operations_pair_by_seed(table, sign, number):
    one, two = plain(table, "one"), plain(table, "two")
    apply = SIGNS[sign]
    same(apply(ONE, TWO).of(table), apply(one, two))
    same(apply(ONE, number).of(table), apply(one, number))
    same(abs(apply(ONE, TWO) - number).of(table), (apply(one, two) - number).abs())


@given(tables())
def test_the_largest_and_the_average_are_missing_where_one_is(table):
    both = pd.concat([plain(table, "one"), plain(table, "two")], axis=1)
    same(largest([ONE, TWO]).of(table), both.max(axis=1, skipna=False))
    same(average(iter([ONE, TWO])).of(table), both.mean(axis=1, skipna=False))
    same(largest([ONE]).of(table), plain(table, "one"))


@given(tables())
def test_an_estimate_may_see_all_lines_of_a_repetition(table):
    def span(lines):
        return float(lines["error"].max() - lines["error"].min())

    spread = by_repetition("spread", span)
    groups = table.groupby("seed")["error"]
    same(spread.of(table), groups.max() - groups.min())
    threes = by_repetition("number of lines", len, size=3)
    same(threes.of(table), table[table["size"] == 3].groupby("seed").size().astype(float))


def table_of(**methods):
    """A table of three seeds: the errors of each method and the views they are counted in."""
    return pd.concat(
        pd.DataFrame({"seed": range(3), "method": name, "error": values, "error_of": units})
        for name, (values, units) in methods.items()
    )


COUNTED = table_of(
    one=([0.5, 0.25, 0.0], 20),
    two=([0.25, 0.25, 0.5], 20),
    few=([0.1, 0.2, 0.3], 10),
    smooth=([0.1, 0.2, 0.3], math.nan),
    odd=([0.1, 0.2, 0.3], [20, 20, 10]),
    gap=([0.1, 0.2, 0.3], [20, 20, math.nan]),
)
A, B = measured("error", "one"), measured("error", "two")
FEW, SMOOTH = measured("error", "few"), measured("error", "smooth")


@pytest.mark.parametrize(
    ("estimate", "units", "kind"),
    [
        (A, 20, "fraction"),
        (FEW, 10, "fraction"),
        (SMOOTH, None, "number"),
        (measured("error", "odd"), None, "number"),
        (measured("error", "gap"), None, "number"),
        (A - B, 20, "difference"),
        (A - FEW, 10, "difference"),  # by the coarser of both
        (A - 0.25, 20, "difference"),
        (A - SMOOTH, None, "number"),
        (SMOOTH - A, None, "number"),
        ((A - B) - (B - A), None, "number"),
        ((A - B) - 0.1, None, "number"),
        (A - (A - B), None, "number"),
        (A + B, None, "number"),
        (A * 2, None, "number"),
        (A / B, None, "number"),
        (abs(A - B), None, "number"),
        (abs(A), None, "number"),
        (largest([A, B]), None, "number"),
        (average([A, B]), None, "number"),
        (by_repetition("first", lambda lines: lines["error"].iloc[0]), None, "number"),
    ],
)
def test_differences_of_fractions_stay_counted_and_nothing_else(estimate, units, kind):
    found = estimate.of(COUNTED)
    assert (found.units, found.kind) == (units, kind)
    assert len(found.by_seed) == 3


def test_the_interval_knows_the_unit():
    counted, smooth = A.of(COUNTED).interval(), SMOOTH.of(COUNTED).interval()
    assert (counted.method, smooth.method) == ("views", "t")
    missing = Values(pd.Series([0.1, math.nan, 0.3])).interval()
    assert missing == Values(pd.Series([0.1, 0.3])).interval()
    wider = A.of(COUNTED).interval(0.99)
    assert wider.low < counted.low < counted.high < wider.high
    with pytest.raises(ValueError, match="non-empty list of finite numbers"):
        Values(pd.Series([math.nan])).interval()


def test_two_lines_of_a_repetition_are_refused():
    table = pd.DataFrame({"seed": [0, 0], "method": "one", "size": [3, 4], "error": [0.1, 0.2]})
    with pytest.raises(ValueError, match=r"measured\('error', method='one'\) fits two lines"):
        measured("error", "one").of(table)
    assert measured("error", "one", size=4).of(table).by_seed.tolist() == [0.2]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="absent"):
        measured("absent", "one").of(COUNTED)
    with pytest.raises(KeyError, match="absent"):
        measured("error", absent=1).of(COUNTED)


def test_a_method_that_is_not_there_has_no_values():
    found = (measured("error", "three") - measured("error", "one")).of(COUNTED)
    assert found.by_seed.isna().all()
    assert measured("error", "three").of(COUNTED).by_seed.empty


def test_lines_are_selected_by_values_of_any_type():
    table = pd.DataFrame({"sizes": [(1, 2), (1,), ()], "mu": [0.1, 0.2, math.nan], "n": range(3)})
    assert select(table, sizes=(1, 2))["n"].tolist() == [0]
    assert select(table, sizes=())["n"].tolist() == [2]
    assert select(table, mu=0.2, sizes=(1,))["n"].tolist() == [1]
    assert select(table, sizes=(3,)).empty
    assert select(table)["n"].tolist() == [0, 1, 2]


TEXTS = {
    "measured('error')": measured("error"),
    "measured('error', method='one')": A,
    "measured('error', method='one', size=3, sizes=(1, 2))": measured(
        "error", "one", size=3, sizes=(1, 2)
    ),
    "(measured('error', method='one') - measured('error', method='two'))": A - B,
    "((measured('error', method='one') * 2.0) + measured('error', method='two'))": A * 2 + B,
    "(measured('error', method='one') * (measured('error', method='two') + 2.0))": A * (B + 2),
    "abs((measured('error', method='one') / 0.5))": abs(A / 0.5),
    "largest(measured('error', method='one'), measured('error', method='two'))": largest([A, B]),
    "average(measured('error', method='one'))": average([A]),
    "by_repetition('slope', size=3)": by_repetition("slope", lambda lines: 0.0, size=3),
}


@pytest.mark.parametrize("text", TEXTS)
def test_an_estimate_is_written_as_it_was_made(text):
    assert TEXTS[text].text == text


def digest(estimate):
    claim = Claim(name="c", source="", statement="", predicted=(0, 1), estimate=estimate)
    return registered(claim)["digest"]


def test_equal_estimates_have_equal_digests_and_others_do_not():
    assert digest(A - B) == digest(measured("error", "one") - measured("error", "two"))
    assert digest(A * 2) == digest(A * 2.0)
    assert digest(measured("error", "one")) == digest(measured("error", method="one"))
    others = [*TEXTS.values(), B - A, A + B, A - 0.5, A - 0.25, largest([B, A])]
    assert len({digest(each) for each in others}) == len(others)
