"""Published rows go back into the store: a run takes them as its own and computes the rest."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from toy_experiment import EXPERIMENT, Options
from toy_runs import contents, run_toy, stored_toy, toy_claim

from multiview.runs import script
from multiview.runs.leases import claim
from multiview.runs.publish import Damaged, plain, publish
from multiview.runs.rows import row_path
from multiview.runs.runner import plan
from multiview.runs.store import RUN_SUFFIX, stored_runs
from multiview.runs.unpack import unpack
from multiview.runs.work import stored

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def run(tmp_path):
    return stored_toy(tmp_path / "made")


@pytest.fixture
def folder(tmp_path, run, monkeypatch):
    folder = tmp_path / "rows"
    publish([run], folder)
    monkeypatch.setattr(script, "rows_folder", lambda: folder)
    return folder


@pytest.fixture
def toy(tmp_path, folder, capfd):
    """Run the toy experiment from its published rows."""

    def run(*options, experiment=EXPERIMENT, preset="smoke"):
        words = ["--preset", preset, "--out", str(tmp_path / "out"), "--from-published"]
        return script.run_script(experiment, [*words, *options]), capfd.readouterr().err

    return run


def planned(out, preset="smoke", **settings):
    return plan(EXPERIMENT, preset, Options(), out=out, **settings)


def test_rows_and_arrays_come_back_as_they_were_stored(run, folder, tmp_path):
    again, jobs = planned(tmp_path / "out")
    said = unpack(folder, again, jobs)
    assert said == "4 of 4 cells are published, and taken as computed"
    assert contents(again.directory) == plain(contents(run.directory))  # NaN is null
    (back,) = stored_runs(tmp_path / "out")
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


def test_a_run_goes_on_from_published_rows_to_the_same_rows(run, toy, tmp_path):
    code, said = toy()
    assert code == 0
    assert "toy_experiment-smoke: 4 of 4 cells are published" in said
    assert "4 cells, 4 stored before, 0 computed" in said
    said = toy("--seeds", "3")[1]
    assert "no published row is of a cell that is missing" in said
    assert "6 cells, 4 stored before, 2 computed" in said
    whole, _ = run_toy(tmp_path / "whole", seeds=3)
    assert plain(contents(tmp_path / "out" / run.experiment)) == plain(contents(whole.directory))


def test_rows_of_other_code_are_left_out(run, toy):
    newer = replace(EXPERIMENT, run=lambda cell, context: {})
    assert newer.code_version() != run.code_version
    said = toy(experiment=newer)[1]
    assert "no published row is of a cell that is missing: they are stored, or of other" in said
    assert "4 cells, 0 stored before" in said


def test_cells_of_another_preset_are_taken_and_no_other_of_its_rows(run, toy, tmp_path):
    _, jobs = planned(tmp_path / "whole", preset="laptop")
    shared = set(run.keys) & {job.key for job in jobs}
    code, said = toy(preset="laptop")
    assert code == 0
    assert [each.label for each in stored_runs(tmp_path / "out")] == ["toy_experiment"]
    assert f"{len(jobs)} cells, {len(shared)} stored before" in said


def test_an_experiment_without_published_rows_is_computed(toy):
    code, said = toy(experiment=replace(EXPERIMENT, name="another"))
    assert code == 0
    assert "another-smoke: no rows of another are published" in said
    assert "0 stored before, 4 computed" in said


def test_what_is_stored_already_stays(run, folder, tmp_path):
    own, _ = run_toy(tmp_path / "out")
    before = {path: path.read_bytes() for path in own.directory.iterdir() if path.is_file()}
    unpack(folder, *planned(tmp_path / "out"))
    assert {p: p.read_bytes() for p in own.directory.iterdir() if p.is_file()} == before


def test_a_damaged_row_is_mended(run, folder, tmp_path):
    own, _ = run_toy(tmp_path / "out")
    row_path(own.directory, own.keys[1]).write_text("{")
    with pytest.warns(UserWarning, match="damaged row"):
        again, jobs = planned(tmp_path / "out")
    assert unpack(folder, again, jobs).startswith("1 of 4 cells")
    assert len(again.rows()) == 4


def test_a_cell_that_is_being_computed_is_left_to_its_process(run, folder, tmp_path):
    again, jobs = planned(tmp_path / "out")
    held = claim(jobs[0].lease)
    assert held is not None
    with held:
        unpack(folder, again, jobs)
        assert stored(jobs[0]) is None
    assert all(stored(job) for job in jobs[1:])


def test_processes_that_take_the_same_rows_do_not_meet(run, folder, tmp_path):
    again, jobs = planned(tmp_path / "out")
    threads = [threading.Thread(target=unpack, args=(folder, again, jobs)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(again.rows()) == 4


def test_claims_stay_as_they_were_registered_when_published(run, toy, tmp_path):
    changed = replace(EXPERIMENT, claims=lambda cells: [toy_claim(0.0, 0.1)])
    assert changed.code_version() == run.code_version
    toy(experiment=changed)
    (back,) = stored_runs(tmp_path / "out")
    assert back.claims == run.claims


def test_damaged_published_rows_stop_a_run_before_it_writes(run, toy, folder, tmp_path):
    path = folder / f"{run.experiment}.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(Damaged):
        unpack(folder, *planned(tmp_path / "out"))
    code, said = toy()
    assert code == 2
    assert "is not as it was published" in said
    assert not list((tmp_path / "out").rglob(f"*{RUN_SUFFIX}"))


def test_a_row_that_cannot_be_written_stops_a_run(run, toy, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("multiview.runs.work.write_row", full)
    code, said = toy()
    assert code == 1
    assert "No space left on device" in said


def test_fresh_and_published_exclude_each_other(toy):
    code, said = toy("--fresh")
    assert code == 2
    assert "--from-published and --fresh exclude each other: give one." in said


def test_nothing_is_left_to_compute(run, folder, tmp_path):
    unpack(folder, *planned(tmp_path / "out"))
    assert planned(tmp_path / "out")[1] == []
