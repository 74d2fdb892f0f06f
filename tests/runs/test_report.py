"""The report: verdicts as loud as each other, and what a reader must know first."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from toy_experiment import EXPERIMENT, Options, claims
from toy_runs import stored_toy

from multiview.runs import report, runner
from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from multiview.runs.report import grids, notes, present, write_report
from multiview.runs.tables import Line, Listing, measure


def presented(experiment, run):
    """What the terminal shows of a run."""
    console = Console(file=io.StringIO(), width=160)
    judged = present(console, experiment, run)
    return judged, console.file.getvalue()  # type: ignore[attr-defined]


def toy_claim(low, high, measure="error", **other) -> Claim:
    estimate = measured(measure, "coin", flips=200)
    return replace(claims([])[0], predicted=(low, high), estimate=estimate, **other)


def test_a_run_is_presented_as_its_tables_and_claims(tmp_path):
    judged, text = presented(EXPERIMENT, stored_toy(tmp_path, seeds=3))
    assert [judgement.claim.name for judgement in judged] == ["fair"]
    assert text.index("Heads, %") < text.index("100 flips") < text.index("200 flips")
    assert text.index("200 flips") < text.index("fair: heads as often as tails")
    assert "Mean [95% interval], n=3; fractions of views by binomial intervals" in " ".join(
        text.split()
    )
    assert text.splitlines()[0].strip() == "Heads, %"  # nothing to note


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


@pytest.fixture
def reported(monkeypatch):
    """Write the report of an experiment's runs."""

    def write(out, experiment=EXPERIMENT):
        monkeypatch.setattr(report, "names", lambda: ["toy_experiment"])
        monkeypatch.setattr(report, "find", lambda name: experiment)
        return write_report(out).read_text()

    return write


def test_the_report_shows_what_was_refuted_as_loudly_as_what_was_not(tmp_path, reported):
    stored_toy(tmp_path, seeds=4)
    stored_toy(tmp_path, seeds=4, coin="forged")
    stored_toy(tmp_path, experiment=replace(EXPERIMENT, name="gone"))  # a script since removed
    text = reported(tmp_path)
    assert text.startswith("# Report\n\n2 claims: 1 supported, 1 refuted, 0 undecided; 2 of the")
    assert "| supported |" in text
    assert "| refuted |" in text
    assert "gone" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 * 4
    assert {line.count("|") for line in lines} == {7}


def test_text_cannot_break_the_table_of_the_report(tmp_path, reported):
    broken = toy_claim(0.0, 1.0, measure="a|b", statement="P(x | y)\nis small")
    experiment = replace(EXPERIMENT, claims=lambda cells: [broken])
    stored_toy(tmp_path, experiment=experiment)
    (line,) = [x for x in reported(tmp_path, experiment).splitlines() if "is small" in x]
    assert line.replace(r"\|", "").count("|") == 7
    assert r"P(x \| y) is small" in line


def test_the_report_holds_notes_and_pictures(tmp_path, reported, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    run = stored_toy(tmp_path)
    run.save(".png", b"")
    text = reported(tmp_path)
    again = "`multiview run toy_experiment --preset smoke --retry` computes them again:"
    assert f"> 2 of 4 cells failed and are left out; {again}" in text
    assert f"![{EXPERIMENT.title}](toy_experiment/toy_experiment-smoke.png)" in text


def test_a_report_of_nothing_is_not_written(tmp_path, reported):
    stored_toy(tmp_path, experiment=replace(EXPERIMENT, name="gone"))
    with pytest.raises(FileNotFoundError, match=r"no results in .*`multiview run NAME --out "):
        reported(tmp_path)
    assert not (tmp_path / "report.md").exists()
