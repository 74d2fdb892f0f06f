"""What is said of a run: notes, tables and claims."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from toy_experiment import EXPERIMENT, Options
from toy_runs import stored_toy, toy_claim

from multiview.runs import runner
from multiview.runs.report import grids, notes, present
from multiview.runs.tables import Line, Listing, measure


def presented(experiment, run):
    """What the terminal shows of a run."""
    console = Console(file=io.StringIO(), width=160)
    judged = present(console, experiment, run)
    return judged, console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_is_presented_as_its_tables_and_claims(tmp_path):
    judged, text = presented(EXPERIMENT, stored_toy(tmp_path, seeds=3))
    assert [judgement.claim.name for judgement in judged] == ["fair"]
    assert text.index("Heads, %") < text.index("100 flips") < text.index("200 flips")
    assert text.index("200 flips") < text.index("fair: heads as often as tails")
    assert "Mean [95% interval], n=3; fractions of views by binomial intervals" in " ".join(
        text.split()
    )
    assert text.splitlines()[0].strip() == "Heads, %"  # nothing to note


@pytest.mark.parametrize(
    ("instructions", "said"),
    [
        (("avx2", "avx2 avx512_f avx512_bf16"), True),
        (("neon", "neon bf16"), True),
        (("avx2", "avx2 avx512_f"), False),  # they sum in other orders, and round alike
        (("avx2 avx512_bf16", ""), False),  # lost, or stored before it was asked
        (("avx2", "avx2"), False),
    ],
)
def test_rows_that_were_rounded_in_two_ways_are_named(tmp_path, instructions, said):
    run = stored_toy(tmp_path, seeds=1)
    table = run.table()
    found = notes(EXPERIMENT, run, table.assign(instructions=[*instructions, *instructions]))
    assert any("multiply in bfloat16" in note for note in found) == said
    assert notes(EXPERIMENT, run, table.drop(columns="instructions")) == []


def test_brackets_are_text(tmp_path):
    lines = [Line(label="line [k]", where={"method": "coin", "flips": 100})]
    listing = Listing(title="[k]", lines=lines, columns=[measure("error [l]", "error")])
    experiment = replace(
        EXPERIMENT,
        claims=lambda cells: [toy_claim(0.0, 1.0, statement="errors[k] in [a, b]")],
        tables=lambda table: [listing],
    )
    _, text = presented(experiment, stored_toy(tmp_path, experiment=experiment))
    for part in ("errors[k] in [a, b]", "line [k]", "error [l]"):
        assert part in text
    assert text.strip().startswith("[k]")


def test_tables_see_the_derived_lines_that_succeeded(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    seen = []
    experiment = replace(EXPERIMENT, tables=lambda table: seen.append(table) or [])
    assert list(grids(experiment, stored_toy(tmp_path, seeds=2).table())) == []
    (table,) = seen
    assert set(table["seed"]) == {0}
    assert table["error_of"].dropna().tolist() == [100, 200]
    monkeypatch.setenv("TOY_SEED_0", "diverge")
    nothing = stored_toy(tmp_path / "none", seeds=1, experiment=experiment)
    assert list(grids(experiment, nothing.table())) == []
    assert len(seen) == 1  # without a line there is no table


def test_missing_stale_and_failed_rows_are_told_first(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    run = stored_toy(tmp_path)
    (run.directory / f"{run.keys[0]}.json").unlink()
    found = "\n".join(notes(EXPERIMENT, run, run.table()))
    command = "run `multiview run toy_experiment --preset smoke`"
    assert f"1 of 4 cells have no row yet: {command}." in found
    assert "2 of 4 cells failed" in found
    assert found.count("seed 1: the loss is nan at step 3") == 2
    assert "older code" not in found
    older = replace(run, code_version="older")
    assert f"older code: {command}" in "\n".join(notes(EXPERIMENT, older, run.table()))


def test_claims_that_are_stated_no_more_are_told(tmp_path):
    run = stored_toy(tmp_path)
    silent = replace(EXPERIMENT, claims=lambda cells: [])
    assert notes(EXPERIMENT, run, run.table()) == []
    (note,) = notes(silent, run, run.table())
    assert note == "Claims registered with this run are stated no more: fair."


def test_a_run_without_any_row_is_presented_all_the_same(tmp_path):
    run, _ = runner.plan(EXPERIMENT, "smoke", Options(), out=tmp_path)
    judged, text = presented(EXPERIMENT, run)
    assert judged == []
    assert text.strip() == (
        "4 of 4 cells have no row yet: run `multiview run toy_experiment --preset smoke`."
    )


def test_a_table_that_cannot_do_without_missing_rows_is_only_reported(tmp_path):
    def fragile(table):
        raise KeyError(len(table))

    experiment = replace(EXPERIMENT, tables=fragile)
    run = stored_toy(tmp_path)
    with pytest.raises(KeyError):  # all rows are there: a bug
        presented(experiment, run)
    (run.directory / f"{run.keys[0]}.json").unlink()
    _, text = presented(experiment, run)
    assert "not possible with 3 of 4 rows: KeyError(6)" in text
    assert "fair: heads" in text
