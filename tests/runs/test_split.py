"""Runs of split cells: parts first, their rows in no table, and what is computed again."""

from dataclasses import replace

import pytest

from multiview.runs.artefacts import SUFFIX
from multiview.runs.find import find
from multiview.runs.publish import publish, published_runs
from multiview.runs.rows import PART_OF, read_row, row_paths
from multiview.runs.runner import plan
from multiview.runs.script import run_script
from multiview.runs.split import is_part
from multiview.runs.store import load, stored_runs

WHOLE = find("theorems")
TINY = replace(WHOLE.presets["smoke"], cells=WHOLE.presets["smoke"].cells[:2], seeds=1)  # type: ignore[index]
SPLIT = replace(WHOLE, presets={"smoke": replace(TINY, split=True)})
PARTS = 4  # members and students of each cell


def run(experiment, out, *options):
    return run_script(experiment, ["--out", str(out), "--no-figure", *options])


def results(out):
    (found,) = stored_runs(out)
    return [(row["key"], row["status"], repr(row["result"])) for row in found.rows()]


def artefacts(out):
    return {path.name: path.stat().st_mtime_ns for path in out.glob(f"*/artefacts/*{SUFFIX}")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    assert run(replace(WHOLE, presets={"smoke": TINY}), out) == 0
    return results(out)


def test_rows_of_split_cells_are_those_of_whole_ones(tmp_path, whole, capsys):
    assert run(SPLIT, tmp_path, "--engine", "processes", "--workers", "2") == 0
    assert "2 cells and 4 parts of them, 0 stored before, 6 computed" in capsys.readouterr().err
    assert results(tmp_path) == whole
    table = load(tmp_path / "theorems")
    assert set(table["key"]) == {key for key, *_ in whole}
    assert len(artefacts(tmp_path)) == PARTS
    assert run(SPLIT, tmp_path) == 0
    assert "2 cells, 2 stored before, 0 computed" in capsys.readouterr().err


def test_a_row_counts_the_seconds_of_its_parts(tmp_path):
    assert run(SPLIT, tmp_path) == 0
    rows = [read_row(path) for path in row_paths(tmp_path / "theorems")]
    for cell in (row for row in rows if PART_OF not in row):
        parts = [row for row in rows if row.get(PART_OF) == cell["key"]]
        assert len(parts) == 2
        assert cell["seconds"] > sum(part["seconds"] for part in parts) > 0


def test_parts_come_before_their_cells_and_after_what_they_need(tmp_path):
    _, jobs = plan(SPLIT, "smoke", SPLIT.options(), out=tmp_path)
    place = {job.key: number for number, job in enumerate(jobs)}
    for number, job in enumerate(jobs):
        assert all(place[key] < number for key in job.after)
        assert len(job.after) == (number % 3 if is_part(job) else 2)


def test_only_what_is_missing_is_computed(tmp_path, whole, capsys):
    assert run(SPLIT, tmp_path) == 0
    (found,), before = stored_runs(tmp_path), artefacts(tmp_path)
    for path in (tmp_path / "theorems").rglob(f"{found.keys[0]}.json"):
        path.unlink()
    capsys.readouterr()
    assert run(SPLIT, tmp_path) == 0
    assert "2 cells, 1 stored before, 1 computed" in capsys.readouterr().err
    assert results(tmp_path) == whole
    assert artefacts(tmp_path) == before


def test_fresh_does_every_training_again_once(tmp_path, whole):
    assert run(SPLIT, tmp_path) == 0
    before = artefacts(tmp_path)
    assert run(SPLIT, tmp_path, "--fresh") == 0
    after = artefacts(tmp_path)
    assert set(after) == set(before)
    assert all(after[name] > before[name] for name in after)
    assert results(tmp_path) == whole


def test_what_is_published_is_without_parts(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("multiview.runs.runner.commit", lambda: "c0ffee" + "0" * 34)
    assert run(SPLIT, tmp_path) == 0
    publish(stored_runs(tmp_path), tmp_path / "rows")
    (published,) = published_runs(tmp_path / "rows")
    assert [row["key"] for row in published.rows()] == [key for key, *_ in whole]
    assert not list((tmp_path / "rows").glob(f"*{SUFFIX}"))
