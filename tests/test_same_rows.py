"""The comparison of two trees, on dumps made up for it."""

import math

import numpy as np
import pandas as pd
import pytest
from same_rows import claims_of, compare, leaves, plain_fields, values_by_seed

RESULT = {
    "labels_single": 0.1234567,
    "averaging_single": 0.7654321,
    "by_size": [0.11, 0.12, 0.13],
    "margins": np.linspace(0, 1, 12).reshape(3, 4),
    "members": 2,
    "kind": "SGD",
    "unknown": None,
}
CLAIM = {"source": "Theorem 2", "predicted": ["0x0.0p+0", "0x1.0p+0"]}


def cell(seed, result, **fields):
    """A dumped cell."""
    return {
        "fields": {"seed": seed, **fields},
        "status": "ok",
        "leaves": list(leaves(result)),
    }


def claims(*values, **fields):
    """The dumped claims of a preset: one, with these values."""
    pairs = [(str(seed), value.hex()) for seed, value in enumerate(values)]
    return {"laptop": {"c": {**CLAIM, "values": pairs, **fields}}, "smoke": {}}


def dump(*results, claims_=None, **fields):
    """A dump with one cell a seed."""
    cells = [cell(seed, result, **fields) for seed, result in enumerate(results)]
    return {"cells": cells, "claims": claims_ or claims(0.25, 0.5)}


def differences(base, new):
    """All that differs."""
    report = compare(base, new)
    return report.differences + report.claim_differences


def test_the_same_rows_are_equal():
    report = compare(dump(RESULT, RESULT), dump(RESULT, RESULT))
    assert not report.differences + report.claim_differences + report.remarks
    assert "2 cells by fields, 2 here; 14 values: 14 by name" in report.summary
    assert "8 informative; 0 differ; 0 names new; 1 claims: 1 equal, 0 of no" in report.summary


@pytest.mark.parametrize("name", ["labels_single", "by_size", "margins", "members", "kind"])
def test_one_bit_is_seen(name):
    value = RESULT[name]
    moved = value + "x" if isinstance(value, str) else np.nextafter(value, np.inf)
    found = differences(dump(RESULT), dump({**RESULT, name: moved}))
    assert len(found) == 1
    assert found[0].startswith(f"cell 0 (seed 0): {name} = ")
    assert ", here " in found[0]


def test_a_small_value_of_the_same_name_is_not_looked_for_elsewhere():
    base = dump({"failed": 0.0, "others": [0.0, 1.0]})
    assert not differences(base, dump({"labels": {"lost": 0.0}, "data": {"others": [0.0, 1.0]}}))
    moved = dump({"data": {"failed": 1.0, "others": [0.0, 1.0]}})
    found = differences(base, moved)
    assert len(found) == 1
    assert "failed = 0.0" in found[0]


def test_the_sign_of_zero_is_a_bit():
    assert differences(dump({"a": 0.0}), dump({"a": -0.0}))


def test_methods_and_measures_are_names_of_today():
    tidy = {
        "labels": {"single": RESULT["labels_single"], "margins": RESULT["margins"]},
        "averaging": {"single": RESULT["averaging_single"]},
        "data": {"members": 2, "kind": "SGD", "sizes": RESULT["by_size"]},
    }
    report = compare(dump(RESULT), dump(tidy))
    assert not report.differences
    # By name: two errors, members, kind. None may be left out.
    assert "4 by name, 2 by value, 0 by element, 1 NaN left out" in report.summary


def test_a_list_is_an_array_and_an_int_a_float():
    lists = {**RESULT, "margins": RESULT["margins"].tolist(), "members": 2.0}
    single = {**RESULT, "by_size": np.array(RESULT["by_size"]), "unknown": math.nan}
    assert not differences(dump(lists), dump(single))


def test_a_list_may_become_one_value_each_and_back():
    split = {"one": {"size": 0.11}, "two": {"size": 0.12}, "three": {"size": 0.13}}
    whole = {"by_size": RESULT["by_size"]}
    report = compare(dump(whole), dump(split))
    assert not report.differences
    assert "1 values: 0 by name, 0 by value, 1 by element" in report.summary
    assert not differences(dump(split), dump(whole))
    del split["two"]
    assert len(differences(dump(whole), dump(split))) == 1


def test_a_value_that_is_gone_is_named():
    found = differences(dump({"a": 0.25}), dump({"a": 0.5}))
    assert found == [
        "cell 0 (seed 0): a = 0.25 0x1.0000000000000p-2, here 0.5 0x1.0000000000000p-1"
    ]
    without = {name: value for name, value in RESULT.items() if name != "labels_single"}
    assert differences(dump(RESULT), dump(without))[0].endswith("nowhere here")


def test_new_values_are_no_difference():
    report = compare(dump(RESULT), dump({**RESULT, "more": 0.987}))
    assert not report.differences
    assert report.remarks == ["new: more"]


def test_a_value_that_wanders_between_names_is_remarked():
    first, second = {"one": 0.11, "two": 0.12}, {"one": 0.12, "two": 0.11}
    renamed = [{"1": 0.11, "2": 0.12}, {"1": 0.12, "2": 0.11}]
    assert not compare(dump(first, second), dump(*renamed)).remarks
    report = compare(dump(first, second), dump(renamed[0], renamed[0]))
    assert not report.differences
    assert len(report.remarks) == 2


def test_wall_times_are_left_out():
    base, new = claims(0.25), claims(0.5)
    for each in (base, new):
        each["laptop"] = {"CIFAR-10: time": each["laptop"]["c"]}
    timed = dump({"a": 0.1, "joint_seconds": 1.5}, claims_=base)
    assert not differences(timed, dump({"a": 0.1, "rocket": {"seconds": 1.25}}, claims_=new))


def test_values_of_another_seed_do_not_count():
    first, second = RESULT, {**RESULT, "labels_single": 0.3}
    assert len(differences(dump(first, second), dump(second, first))) == 2


def test_cells_are_paired_by_the_fields_they_share():
    base, new = dump(RESULT, RESULT, width=3), dump(RESULT, RESULT, depth=2)
    new["cells"].reverse()
    assert "2 cells by fields" in compare(base, new).summary
    # What changed with the fields: all of a seed, or one after the other.
    base["cells"] = [cell(0, {"a": 0.1}, part="x"), cell(0, {"a": 0.2}, part="y")]
    new["cells"] = [cell(0, {"x": {"a": 0.1}, "y": {"a": 0.2}})]
    assert "2 cells by fields, 1 here" in compare(base, new).summary
    new["cells"] = [cell(0, {"a": 0.1}), cell(0, {"a": 0.2})]
    assert "2 cells BY ORDER" in compare(base, new).summary
    new["cells"].append(cell(0, {"a": 0.3}))
    report = compare(base, new)
    assert "2 cells BY SEED ALONE" in report.summary
    assert not report.differences


def test_a_failed_cell_differs_from_one_that_did_not():
    new = dump(RESULT)
    new["cells"][0]["status"] = "failed"
    assert differences(dump(RESULT), new) == ["cell 0 (seed 0): was ok, is not"]


def test_claims_are_compared_by_name():
    base = dump(claims_=claims(0.25, 0.5))
    other = dump(claims_=claims(0.25, 0.75, source="Theorem 3", predicted=["0x0.0p+0", "inf"]))
    found = differences(base, other)
    assert found == [
        "claim 'c': source 'Theorem 2', here 'Theorem 3'",
        "claim 'c': predicted 0.0 (0x0.0p+0), 1.0 (0x1.0p+0), here 0.0 (0x0.0p+0), inf (inf)",
        "claim 'c': values 0.25 (0x1.0000000000000p-2), 0.5 (0x1.0000000000000p-1), "
        "here 0.25 (0x1.0000000000000p-2), 0.75 (0x1.8000000000000p-1)",
    ]
    renamed = claims(0.25, 0.5)
    renamed["smoke"] = {"d": renamed["laptop"].pop("c")}
    assert differences(base, dump(claims_=renamed)) == [
        "claim 'c': is at BASE alone",
        "claim 'd' is here alone",
    ]


def test_claims_of_the_smoke_cells_may_be_meant():
    smoke = {"laptop": {}, "smoke": claims(0.25, 0.5)["laptop"]}
    assert not differences(dump(), dump(claims_=smoke))


def test_a_value_that_became_an_error_is_a_difference():
    broken = {"laptop": {"c": {**CLAIM, "error": "KeyError: 'a'"}}, "smoke": {}}
    assert differences(dump(), dump(claims_=broken))[0].endswith("here KeyError: 'a'")
    assert not differences(dump(claims_=broken), dump())


def test_the_names_of_types_are_no_fields():
    stored = {"__type__": "Cell", "seed": 1, "spec": {"__type__": "Spec", "mu": 0.2}, "nets": [1]}
    assert plain_fields(stored) == {"seed": 1, "spec.mu": 0.2, "nets": [1]}


class Values:
    """An estimate as an object with ``of``, and what that returns."""

    def __init__(self, by_seed):
        self.by_seed = by_seed

    def of(self, table):
        return self


def test_estimates_of_both_kinds_say_the_same():
    table = pd.DataFrame({"seed": [0, 1], "part": ["a", "a"], "error": [0.1, math.nan]})
    expected = [("0", (0.1).hex())]
    assert values_by_seed(lambda rows: rows["error"], table) == expected
    assert values_by_seed(lambda rows: list(rows["error"]), table) == expected
    assert values_by_seed(lambda rows: rows.groupby("seed")["error"].mean(), table) == expected
    assert values_by_seed(Values(pd.Series([0.1], index=[0])), table) == expected
    assert values_by_seed(lambda rows: np.array([0.1]), table) == [("?", (0.1).hex())]


class Anything:
    """An object with these attributes."""

    def __init__(self, **attributes):
        self.__dict__ |= attributes


@pytest.mark.parametrize("callable_cells", [False, True])
def test_claims_of_both_kinds_of_experiments(callable_cells):
    def claim(name):
        estimate = lambda rows: rows[name]  # noqa: E731
        return Anything(name=name, source="Theorem 1", predicted=(0, 1), estimate=estimate)

    table = pd.DataFrame({"seed": [0], "error": [0.5]})
    today = Anything(
        options=dict,
        grids={"laptop": None, "smoke": None},
        claims=lambda preset, options: [claim("error"), claim("none")][: 2 * (preset == "laptop")],
    )
    found = claims_of(today, table)
    assert found["laptop"]["error"]["values"] == [("0", (0.5).hex())]
    assert found["laptop"]["none"]["error"] == "KeyError: 'none'"
    assert found["smoke"] == {}

    def preset(*cells):
        return Anything(cells=(lambda options: cells) if callable_cells else cells)

    new = Anything(
        options=dict,
        presets={"laptop": preset("error", "none"), "smoke": preset()},
        claims=lambda cells: [claim(name) for name in cells],
    )
    assert claims_of(new, table) == found
