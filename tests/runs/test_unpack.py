"""Published rows go back into the store: a run takes them as its own and computes the rest."""

from dataclasses import replace

import numpy as np
import pytest
from toy_experiment import EXPERIMENT
from toy_runs import COMMIT, contents, run_toy, stored_toy, toy_claim

from multiview.runs import script
from multiview.runs.publish import plain, publish
from multiview.runs.store import RUN_SUFFIX, stored_runs
from multiview.runs.unpack import unpack


@pytest.fixture(autouse=True)
def committed(monkeypatch):
    monkeypatch.setattr("multiview.runs.runner.commit", lambda: COMMIT)


@pytest.fixture
def run(tmp_path):
    return stored_toy(tmp_path / "made")


@pytest.fixture
def folder(tmp_path, run, monkeypatch):
    folder = tmp_path / "rows"
    publish([run], folder)
    monkeypatch.setattr(script, "rows_folder", lambda: folder)
    return folder


def test_rows_and_arrays_come_back_as_they_were_stored(run, folder, tmp_path):
    out = tmp_path / "out"
    assert unpack(folder, run.experiment, run.code_version, out) == (4, 0)
    assert contents(out / run.experiment) == plain(contents(run.directory))  # NaN is null
    (back,) = stored_runs(out)
    assert replace(back, directory=run.directory) == run
    arrays = [row["arrays"] for row in run.rows()]
    assert any(arrays)
    for mine, theirs in zip((row["arrays"] for row in back.rows()), arrays, strict=True):
        assert mine.keys() == theirs.keys()
        for where, array in theirs.items():
            np.testing.assert_array_equal(mine[where], array, strict=True)
    publish([back], tmp_path / "again")
    assert all(
        (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
        for path in folder.iterdir()
    )


def test_a_run_goes_on_from_published_rows_to_the_same_rows(run, folder, tmp_path, capfd):
    options = ["--preset", "smoke", "--out", str(tmp_path / "out"), "--published"]
    assert script.run_script(EXPERIMENT, options) == 0
    err = capfd.readouterr().err
    assert "4 published rows are of this code and are not computed again." in err
    assert "4 stored before, 0 computed" in err
    script.run_script(EXPERIMENT, [*options, "--seeds", "3"])
    more = capfd.readouterr().err
    assert "6 cells, 4 stored before, 2 computed" in more
    whole, _ = run_toy(tmp_path / "whole", seeds=3)
    found = contents(tmp_path / "out" / run.experiment)
    assert plain(found) == plain(contents(whole.directory))


def test_rows_of_other_code_are_left_out_and_said(run, folder, tmp_path, capfd):
    newer = replace(EXPERIMENT, name=run.experiment, run=lambda cell, context: {})
    options = ["--preset", "smoke", "--out", str(tmp_path / "out"), "--published"]
    assert newer.code_version() != run.code_version
    script.run_script(newer, options)
    err = capfd.readouterr().err
    assert "0 published rows are of this code and are not computed again; 4 are of other" in err
    assert "4 cells, 0 stored before" in err


def test_what_is_stored_already_stays(run, folder, tmp_path):
    out = tmp_path / "out"
    own, _ = run_toy(out)
    before = {path: path.read_bytes() for path in own.directory.iterdir() if path.is_file()}
    assert unpack(folder, run.experiment, run.code_version, out) == (4, 0)
    assert {p: p.read_bytes() for p in own.directory.iterdir() if p.is_file()} == before


def test_claims_stay_as_they_were_registered_when_published(run, folder, tmp_path):
    changed = replace(EXPERIMENT, claims=lambda cells: [toy_claim(0.0, 0.1)])
    assert changed.code_version() == run.code_version
    script.run_script(changed, ["--preset", "smoke", "--out", str(tmp_path / "out"), "--published"])
    (back,) = stored_runs(tmp_path / "out")
    assert back.claims == run.claims


def test_damaged_published_rows_stop_a_run_before_it_writes(run, folder, tmp_path, capfd):
    path = folder / f"{run.experiment}.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-5])
    out = tmp_path / "out"
    code = script.run_script(EXPERIMENT, ["--preset", "smoke", "--out", str(out), "--published"])
    assert code == 2
    assert "is not as it was published" in capfd.readouterr().err
    assert not list(out.rglob(f"*{RUN_SUFFIX}"))


def test_fresh_and_published_exclude_each_other(folder, tmp_path, capfd):
    options = ["--preset", "smoke", "--out", str(tmp_path), "--published", "--fresh"]
    assert script.run_script(EXPERIMENT, options) == 2
    assert "--published and --fresh exclude each other: give one." in capfd.readouterr().err
