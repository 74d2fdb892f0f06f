"""The report: verdicts as loud as each other, and what a reader must know first."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from toy_experiment import EXPERIMENT, Options, claims

from multiview.runs import report, runner
from multiview.runs.claims import Claim
from multiview.runs.engines import LocalEngine
from multiview.runs.report import claims_table, judgements, notes, present, write_report


def compute(out, seeds=2, experiment=EXPERIMENT, **options):
    run, jobs = runner.plan(experiment, "smoke", Options(**options), out=out, seeds=seeds)
    run.directory.mkdir(parents=True, exist_ok=True)
    run.store()
    list(runner.compute(jobs, LocalEngine()))
    return run


def shown(thing):
    console = Console(file=io.StringIO(), width=140)
    console.print(thing)
    return console.file.getvalue()  # type: ignore[attr-defined]


def toy_claim(low, high, column="error", **other) -> Claim:
    return replace(
        claims("smoke", Options())[0],
        predicted=(low, high),
        estimate=lambda table: table[table["flips"] == 200][column],
        **other,
    )


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (toy_claim(0.0, 1.0), ["supported", "0 to 1"]),
        (toy_claim(0.99, float("inf")), ["refuted", "at least 0.99"]),
        (toy_claim(float("-inf"), 0.01), ["refuted", "at most 0.01"]),
        (toy_claim(0.5, 0.5), ["inconclusive"]),
        (toy_claim(0.0, 1.0, column="absent"), ["inconclusive", "KeyError", "missing"]),
    ],
)
def test_every_verdict_is_shown_with_its_numbers(tmp_path, claim, words):
    experiment = replace(EXPERIMENT, claims=lambda preset, options: [claim])
    run = compute(tmp_path, seeds=4)
    table = run.table()
    (judgement,) = judgements(experiment, run, table)
    text = shown(claims_table([judgement]))
    assert all(word in text for word in words)
    if judgement.interval is not None:
        mean = table[table["flips"] == 200]["error"].mean()
        assert f"{mean:.3g} [" in text
        assert judgement.repetitions == 4


def test_an_inconclusive_claim_says_how_many_seeds_it_needs(tmp_path):
    claim = toy_claim(0.0, 0.52)
    experiment = replace(EXPERIMENT, claims=lambda preset, options: [claim])
    run = compute(tmp_path, seeds=3)
    (judgement,) = judgements(experiment, run, run.table())
    assert judgement.verdict == "inconclusive"
    assert f"more seeds needed: {judgement.further_seeds}" in shown(claims_table([judgement]))


def test_claims_know_preset_and_options(tmp_path):
    asked = []

    def remember(preset, options):
        asked.append((preset, options))
        return []

    run = compute(tmp_path, coin="forged")
    judgements(replace(EXPERIMENT, claims=remember), run, run.table())
    assert asked == [("smoke", Options(coin="forged"))]


def test_brackets_are_text(tmp_path):
    claim = replace(toy_claim(0.0, 1.0), statement="errors[k] in [a, b]")
    experiment = replace(
        EXPERIMENT, claims=lambda preset, options: [claim], summary=lambda t: "[k]"
    )
    run = compute(tmp_path, experiment=experiment)
    console = Console(file=io.StringIO(), width=140)
    present(console, experiment, run)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "errors[k] in [a, b]" in text
    assert text.startswith("[k]")


def test_a_run_with_options_that_are_no_more_is_not_judged(tmp_path):
    run = replace(compute(tmp_path), options={"metal": "gold"})
    assert judgements(EXPERIMENT, run, run.table()) == []


def test_missing_stale_and_failed_rows_are_told_first(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    run = compute(tmp_path)
    (run.directory / f"{run.keys[0]}.json").unlink()
    found = "\n".join(notes(EXPERIMENT, run, run.table()))
    assert "1 of 4 cells have no row yet" in found
    assert "2 of 4 cells failed" in found
    assert "seed 1: the loss is nan at step 3" in found
    assert "older code" not in found
    monkeypatch.setattr(report, "code_version", lambda *given: "edited")
    assert "older code" in "\n".join(notes(EXPERIMENT, run, run.table()))


def test_a_run_without_any_row_is_presented_all_the_same(tmp_path):
    run, _ = runner.plan(EXPERIMENT, "smoke", Options(), out=tmp_path)
    console = Console(file=io.StringIO(), width=100)
    assert present(console, EXPERIMENT, run) == []
    assert "4 of 4 cells have no row yet" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_report_shows_what_was_refuted_as_loudly_as_what_was_not(tmp_path, monkeypatch):
    compute(tmp_path, seeds=4)
    compute(tmp_path, seeds=4, coin="forged")
    compute(tmp_path, experiment=replace(EXPERIMENT, name="gone"))  # a script since removed
    monkeypatch.setattr(report, "names", lambda: ["toy_experiment"])
    monkeypatch.setattr(report, "find", lambda name: EXPERIMENT)
    text = write_report(tmp_path).read_text()
    assert text.startswith("# Report\n\n2 claims: 1 supported, 1 refuted, 0 inconclusive.")
    assert "| **supported** |" in text
    assert "| **refuted** |" in text
    assert "gone" not in text
    for line in [line for line in text.splitlines() if line.startswith("|")]:
        assert line.count("|") == 7


def test_text_cannot_break_the_table_of_the_report(tmp_path, monkeypatch):
    broken = replace(toy_claim(0.0, 1.0, column="a|b"), statement="P(x | y)\nis small")
    experiment = replace(EXPERIMENT, claims=lambda preset, options: [broken])
    compute(tmp_path, experiment=experiment)
    monkeypatch.setattr(report, "names", lambda: ["toy_experiment"])
    monkeypatch.setattr(report, "find", lambda name: experiment)
    (line,) = [x for x in write_report(tmp_path).read_text().splitlines() if "is small" in x]
    assert line.replace(r"\|", "").count("|") == 7
    assert r"P(x \| y) is small" in line


def test_a_report_of_nothing_is_not_written(tmp_path, monkeypatch):
    compute(tmp_path, experiment=replace(EXPERIMENT, name="gone"))
    with pytest.raises(FileNotFoundError, match=r"no results in .*`multiview run NAME --out "):
        write_report(tmp_path)
    assert not (tmp_path / "report.md").exists()
