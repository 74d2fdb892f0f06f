"""Published rows beside the same cells computed again by other code: what agrees."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_experiment import EXPERIMENT
from toy_runs import stored_toy

from multiview.runs.publish import publish, published_runs
from multiview.runs.recomputed import compare, record, recorded
from multiview.runs.store import as_table
from multiview.runs.verdicts import judgements

pytestmark = pytest.mark.usefixtures("committed")
VALUES = 2 * (1 + 100 + 3 + 1) + 2 * (1 + 200 + 3 + 1)  # error, flips, nested and nan of four rows


@pytest.fixture
def run(tmp_path):
    return stored_toy(tmp_path / "made")


@pytest.fixture
def packed(tmp_path, run):
    publish([run], tmp_path / "rows")
    return published_runs(tmp_path / "rows")[0]


def with_results(packed, change):
    """The published run with other results: ``change`` takes a row's result and its arrays."""
    rows = []
    for row in packed.stored:
        method = dict(row["result"]["coin"])
        arrays = {name: array.copy() for name, array in row["arrays"].items()}
        change(row["cell"], method, arrays)
        rows.append({**row, "result": {**row["result"], "coin": method}, "arrays": arrays})
    return replace(packed, stored=tuple(rows))


def test_the_same_rows_agree_to_the_bit(packed, run):
    found = compare(EXPERIMENT, packed, run)
    assert (found.rows, found.of, found.values, found.same) == (4, 4, VALUES, VALUES)
    assert (found.moved, found.changed) == (0, ())
    assert str(found) == (
        f"4 of the 4 rows were computed again (commit c0ffee0000): 100% of their {VALUES} numbers "
        "are the same to the bit; with them in the place of the published ones no verdict changes, "
        "and no estimate moves by more than 0.00 of the half width of its interval, which 1 of "
        "1 have"
    )


def test_numbers_that_differ_are_counted(packed, run):
    def change(cell, method, arrays):
        (name,) = arrays
        arrays[name][:10] = ~arrays[name][:10]
        method["nested"] = [1, [2.5 + 1e-12, None]]

    found = compare(EXPERIMENT, with_results(packed, change), run)
    assert found.same == VALUES - 4 * 11
    assert f": 92.9% of their {VALUES} numbers" in str(found)  # rounded down


def test_numbers_that_are_gone_or_of_another_shape_do_not_agree(packed, run):
    def change(cell, method, arrays):
        arrays["coin/flips_made"] = np.append(arrays["coin/flips_made"], True)
        method["older"] = 1.0

    found = compare(EXPERIMENT, with_results(packed, change), run)
    more = VALUES + 4 * 2
    assert (found.values, found.same) == (more, VALUES - 600)


def test_wall_times_and_words_are_left_out(packed, run):
    def change(cell, method, arrays):
        method |= {"seconds": 3.0, "seconds_of_students": [1.0], "word": "left"}

    found = compare(EXPERIMENT, with_results(packed, change), run)
    assert found.values == found.same == VALUES


def test_claims_are_judged_with_the_rows_in_place(packed, run):
    def change(cell, method, arrays):
        if cell["flips"] == 200:
            method["error"] = 0.9 + 0.001 * cell["seed"]

    other = with_results(packed, change)
    found = compare(EXPERIMENT, other, run)
    assert found.changed == ("fair",)
    assert "the verdict changes on: fair" in str(found)
    shares = [row["result"]["coin"]["error"] for row in run.rows() if row["cell"]["flips"] == 200]
    interval = judgements(EXPERIMENT, other, as_table(other.stored))[0].interval
    assert interval is not None
    half = (interval.high - interval.low) / 2
    assert found.moved is not None
    assert found.moved * half == pytest.approx(0.9005 - np.mean(shares))


def test_infinite_numbers_are_numbers(packed, run):
    def change(cell, method, arrays):
        method |= {"error": np.inf if cell["flips"] == 100 else method["error"]}

    other = with_results(packed, change)
    assert compare(EXPERIMENT, other, run).values == VALUES
    assert compare(EXPERIMENT, other, run).same == VALUES - 2


def test_an_estimate_without_an_interval_moves_by_nothing_that_is_known(packed, run):
    def change(cell, method, arrays):
        method["error"] = np.nan

    found = compare(EXPERIMENT, with_results(packed, change), run)
    assert (found.claims, found.with_interval, found.moved) == (1, 0, None)
    assert found.changed == ("fair",)
    assert str(found).endswith("the verdict changes on: fair")


def test_without_claims_only_numbers_are_told(packed, run):
    mute = replace(EXPERIMENT, claims=lambda cells: [])
    assert str(compare(mute, packed, run)).endswith("are the same to the bit")


def test_another_processor_and_several_commits_are_named(packed, run):
    first, *rest = packed.stored
    older = replace(packed, stored=({**first, "instructions": "amx", "threads": 9}, *rest))
    threads = run.rows()[0]["threads"]
    text = str(compare(EXPERIMENT, older, run))
    assert f"threads {threads} in place of " in text
    assert "instructions " in text
    assert " in place of amx" in text
    silent = [{**row, "instructions": ""} for row in packed.stored]
    text = str(compare(EXPERIMENT, replace(packed, stored=tuple(silent)), run))
    assert "in place of" not in text.partition(")")[0]
    both = replace(compare(EXPERIMENT, packed, run), commits=("a" * 40, "b" * 40))
    assert "(commit aaaaaaaaaa and bbbbbbbbbb)" in str(both)


def test_a_cell_that_now_fails_is_refused(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    failed = stored_toy(tmp_path / "failed")
    with pytest.raises(
        ValueError, match=r"2 cells of .* succeeded and now do not: failed, the loss"
    ):
        compare(EXPERIMENT, packed, failed)


def test_a_run_of_fewer_seeds_does_not_replace_the_published_one(packed, tmp_path):
    first = stored_toy(tmp_path / "one", seeds=1)
    with pytest.raises(ValueError, match=r"seeds \[1\] of .* are published and not stored"):
        publish([first], packed.directory)


def test_some_seeds_are_enough(packed, tmp_path):
    first = stored_toy(tmp_path / "one", seeds=1)
    found = compare(EXPERIMENT, packed, first)
    assert (found.rows, found.of, found.values) == (2, 4, VALUES // 2)
    assert found.same == found.values


def test_what_cannot_be_compared_is_refused(packed, run, tmp_path):
    for row in list(run.directory.glob("*.json"))[:1]:
        row.rename(row.with_suffix(".gone"))
    with pytest.raises(ValueError, match=r"1 rows of toy_experiment-smoke are missing: run"):
        compare(EXPERIMENT, packed, run)
    fewer = replace(packed, stored=packed.stored[:3])
    whole = stored_toy(tmp_path / "again")
    with pytest.raises(ValueError, match=r"seed 1 of .* has 2 cells today and had 1: compute"):
        compare(EXPERIMENT, fewer, whole)
    other = [{**row, "cell": {**row["cell"], "seed": 7}} for row in packed.stored]
    with pytest.raises(ValueError, match=r"seeds \[0, 1\] of .* are not among those published"):
        compare(EXPERIMENT, replace(packed, stored=tuple(other)), whole)


def test_code_in_no_commit_is_refused(packed, tmp_path, monkeypatch):
    monkeypatch.setattr("multiview.runs.runner.commit", lambda: "c0ffee-dirty")
    dirty = stored_toy(tmp_path / "dirty")
    with pytest.raises(ValueError, match="made by code that is in no commit"):
        compare(EXPERIMENT, packed, dirty)


def test_what_was_found_is_kept_beside_the_rows(packed, run, tmp_path):
    found = compare(EXPERIMENT, packed, run)
    other = replace(found, label="another")
    assert recorded(tmp_path, "toy_experiment") == []
    record([other, found], tmp_path, "toy_experiment")
    path = record([replace(found, moved=0.5)], tmp_path, "toy_experiment")
    assert recorded(tmp_path, "toy_experiment") == [other, replace(found, moved=0.5)]
    path.write_text(json.dumps([{"label": 1}]))
    with pytest.raises(ValueError, match=r"is not as it was written .*`git checkout"):
        recorded(tmp_path, "toy_experiment")


@pytest.fixture
def page(heads):
    """A page that says where the numbers come from."""
    heads.write_text("<!-- about: heads-smoke -->\n<!-- end -->\n")
    return heads


def test_the_command_tells_and_pages_repeat_it(multiview, tmp_path, page, monkeypatch):
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "edited")
    code, _, err = multiview("recheck", "heads", "--preset", "smoke")
    assert code == 1
    assert err == "heads-smoke: made by older code, run it again first.\n"
    multiview("run", "heads", "--preset", "smoke", "--seeds", "1")
    code, out, _ = multiview("recheck", "heads", "--preset", "smoke", "--record")
    assert code == 0
    said = "2 of the 4 rows were computed again (commit c0ffee0000): 100% of their"
    assert out.startswith(f"heads-smoke: {said}")
    multiview("pages")
    assert f"in what may change these numbers; {said}" in page.read_text()
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "edited again")
    multiview("pages")
    assert "in what may change these numbers.\n" in page.read_text()


def test_a_verdict_that_changes_is_an_error(multiview, page):
    script = Path("toy_package/heads.py")
    script.write_text(script.read_text().replace("< cell.coin.heads", "< 0.05 + cell.seed / 100"))
    import importlib

    import toy_package.heads as heads  # type: ignore[import-not-found]

    importlib.reload(heads)
    multiview("run", "heads", "--preset", "smoke")
    code, out, _ = multiview("recheck", "heads", "--preset", "smoke")
    assert code == 1
    assert "the verdict changes on: fair" in out


def test_rows_that_are_not_published_have_nothing_to_agree_with(multiview, published):
    assert multiview("recheck", "heads")[0] == 1
    multiview("run", "heads", "--preset", "smoke")
    code, _, err = multiview("recheck", "heads", "--preset", "smoke")
    assert code == 1
    assert err == "none of these runs is published: heads-smoke.\n"
