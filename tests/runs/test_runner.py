"""The runner: what is computed, what is skipped, and what becomes of a cell that goes wrong."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from toy_experiment import EXPERIMENT, Cell, Options

from multiview.runs.engines import LocalEngine
from multiview.runs.experiment import Context, Experiment, Grid, NoOptions, grid
from multiview.runs.rows import RESERVED
from multiview.runs.runner import compute, plan
from multiview.runs.store import load

TIMES = ("seconds", "finished", "threads")


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The cells computed since last asked."""
    path = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(path))

    def computed():
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(tuple(map(int, line.split())) for line in lines)

    return computed


def run_toy(out, preset="smoke", experiment=EXPERIMENT, options=None, **settings):
    options = experiment.options() if options is None else options
    run, jobs = plan(experiment, preset, options, out=out, **settings)
    run.directory.mkdir(parents=True, exist_ok=True)
    return run, list(compute(jobs, LocalEngine()))


def contents(directory):
    """The rows without what may differ between two computations, by name."""
    found = {}
    for path in directory.glob("*.json"):
        if not path.name.endswith(".run.json"):
            row = json.loads(path.read_text())["row"]
            found[path.name] = {k: v for k, v in row.items() if k not in TIMES}
    return found


SMOKE = [(0, 100), (0, 200), (1, 100), (1, 200)]


def test_stored_rows_are_skipped_and_fresh_computes_them_again(tmp_path, log):
    run, outcomes = run_toy(tmp_path)
    assert log() == SMOKE
    assert [outcome.status for outcome in outcomes] == ["ok"] * 4
    first = contents(run.directory)
    assert run_toy(tmp_path)[1] == []
    assert log() == []
    run_toy(tmp_path, fresh=True)
    assert log() == SMOKE
    assert contents(run.directory) == first


def test_more_seeds_only_add_rows(tmp_path, log):
    run_toy(tmp_path)
    log()
    run_toy(tmp_path, seeds=3)
    assert log() == [(2, 100), (2, 200)]
    run_toy(tmp_path, preset="laptop")  # four seeds of the same cells
    assert log() == [(3, 100), (3, 200)]
    run_toy(tmp_path, options=Options(coin="forged"))
    assert log() == SMOKE


def test_every_row_has_the_reserved_columns(tmp_path):
    run, _ = run_toy(tmp_path)
    assert set(run.table().columns) >= RESERVED


def test_a_diverged_cell_is_a_failed_row_and_not_tried_again(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_SEED_0", "diverge")
    run, outcomes = run_toy(tmp_path)
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "ok", "ok"]
    table = run.table()
    assert table["status"].tolist() == ["failed", "failed", "ok", "ok"]
    assert table["failure"].tolist()[0] == "the loss is nan at step 3"
    assert table["error"].isna().tolist() == [True, True, False, False]
    log()
    monkeypatch.delenv("TOY_SEED_0")
    run_toy(tmp_path)
    assert log() == []
    run_toy(tmp_path, fresh=True)
    assert set(run.table()["status"]) == {"ok"}


def test_a_bug_leaves_no_row_stops_nothing_and_is_tried_again(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_SEED_0", "raise")
    run, outcomes = run_toy(tmp_path)
    assert [outcome.status for outcome in outcomes] == ["error", "error", "ok", "ok"]
    assert "RuntimeError: a bug" in outcomes[0].message
    assert "toy_experiment.py" in outcomes[0].message  # where, not only what
    assert run.table()["seed"].tolist() == [1, 1]
    log()
    monkeypatch.delenv("TOY_SEED_0")
    run_toy(tmp_path)
    assert log() == [(0, 100), (0, 200)]


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_damaged_row_is_named_and_computed_again(tmp_path, log, suffix):
    run, _ = run_toy(tmp_path)
    before = contents(run.directory)
    log()
    path = run.directory / f"{run.keys[2]}{suffix}"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.warns(UserWarning, match=str(path)):
        run_toy(tmp_path)
    assert log() == [(1, 100)]
    assert contents(run.directory) == before
    assert len(load(tmp_path)) == 4


def test_two_programs_may_compute_the_same_rows_at_once(tmp_path):
    command = [sys.executable, Path(__file__).parents[1] / "toy_experiment.py", "--seeds", "20"]
    programs = [
        subprocess.Popen([*command, "--out", tmp_path / "twice", "--fresh"]) for _ in range(2)
    ]
    assert [program.wait() for program in programs] == [0, 0]
    run, _ = run_toy(tmp_path / "once", preset="laptop", seeds=20)
    found = contents(tmp_path / "twice" / "toy_experiment")
    assert found == contents(run.directory)
    assert len(found) == 40
    assert not list((tmp_path / "twice").rglob("*.tmp"))


@dataclass(frozen=True, kw_only=True)
class Bad:
    seed: int
    value: object = 1


def toy(cells, run=lambda cell, context: {}):
    return Experiment(name="bad", run=run, grids={"smoke": Grid(cells=cells)})


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        (lambda seed, options: [Bad(seed=seed)] * 2, "twice"),
        (lambda seed, options: [Bad(seed=seed, value=float("nan"))], r"Bad\.value=nan"),
        (lambda seed, options: [Bad(seed=seed, value=Path("a"))], r"Bad\.value"),
    ],
)
def test_bad_grids_are_refused_before_anything_is_written(tmp_path, cells, match):
    with pytest.raises(ValueError, match=match):
        plan(toy(cells), "smoke", NoOptions(), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("result", "match"),
    [
        ({"seed": 1}, "'seed' exists"),
        ({"status": 1}, "'status' exists"),
        ({"a": {1}}, "a is a set"),
    ],
)
def test_a_bad_result_is_an_error_of_its_cell(tmp_path, result, match):
    experiment = toy(lambda seed, options: [Bad(seed=seed)], lambda cell, context: result)
    _, (outcome,) = run_toy(tmp_path, experiment=experiment)
    assert outcome.status == "error"
    assert match in outcome.message


def test_a_cell_is_told_where_it_runs_without_its_row_moving(tmp_path):
    seen = []

    def look(cell, context):
        seen.append((context.device, context.data_dir))
        return {}

    experiment = toy(lambda seed, options: [Bad(seed=seed)], look)
    here, _ = run_toy(tmp_path / "a", experiment=experiment)
    there, _ = run_toy(
        tmp_path / "b", experiment=experiment, context=Context(device="meta", data_dir=tmp_path)
    )
    assert seen == [("cpu", None), ("meta", tmp_path)]
    assert here.keys == there.keys
    assert there.table()["device"].tolist() == ["meta"]


def test_rows_of_other_code_are_computed_anew(tmp_path, log, monkeypatch):
    run_toy(tmp_path)
    log()
    monkeypatch.setattr("multiview.runs.runner.code_version", lambda *given: "edited")
    run_toy(tmp_path)
    assert log() == SMOKE


def test_axes_make_the_cells_that_are_computed(tmp_path, log):
    axes = grid(Cell(seed=0, flips=1), seeds=2, flips=(5, 7))
    run_toy(tmp_path, experiment=replace(EXPERIMENT, grids={"smoke": axes}))
    assert log() == [(0, 5), (0, 7), (1, 5), (1, 7)]


def test_a_cells_scratch_stays_until_its_row_is_stored(tmp_path, monkeypatch):
    """After an error the next attempt finds what was left, unless it is told to begin anew."""
    found = []
    broken = [True]

    def interrupted(cell, context):
        found.append(sorted(path.name for path in context.scratch.glob("*")))
        context.scratch.mkdir(exist_ok=True, parents=True)
        (context.scratch / f"half {cell.flips}").touch()
        if broken[0]:
            raise RuntimeError("stopped")
        return {"error": 0.0}

    experiment = replace(EXPERIMENT, run=interrupted)
    monkeypatch.setattr("multiview.runs.runner.code_version", lambda *given: "0" * 16)
    settings = {"experiment": experiment, "seeds": 1}
    run, outcomes = run_toy(tmp_path, **settings)
    assert [outcome.status for outcome in outcomes] == ["error"] * 2
    assert found == [[], []]  # each cell has a folder of its own
    run_toy(tmp_path, **settings)
    assert found[2:] == [["half 100"], ["half 200"]]
    run_toy(tmp_path, **settings, fresh=True)
    assert found[4:] == [[], []]
    broken[0] = False
    run_toy(tmp_path, **settings)
    assert found[6:] == [["half 100"], ["half 200"]]
    assert not list(run.directory.glob("*.unfinished"))
