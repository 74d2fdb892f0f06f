"""Dask: its rows are those of any engine, whatever is killed; workers that are unfit are named."""

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from toy_faults import EXPERIMENT, begun, planned, rows_of, sweep
from toy_programs import alive, commands, rows, start, wait_for
from toy_runs import contents

from multiview.runs import dask_cluster
from multiview.runs.dask_engine import DaskEngine
from multiview.runs.engines import LocalEngine, cores
from multiview.runs.script import run_script

pytest.importorskip("distributed")
HERE = Path(__file__).parents[1]
SECONDS_TO_LEAVE = 20  # asked of a very busy machine, where cells take a minute


def arrays(run):
    return {path.name: path.read_bytes() for path in run.directory.glob("*.npz")}


def environment():
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="module")
def own():
    """Two workers, started once."""
    before = environment()
    with DaskEngine(2) as engine:
        yield engine
    assert environment() == before


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Twelve cells in this process."""
    run, jobs = planned(tmp_path_factory.mktemp("local"), 12)
    sweep(LocalEngine(), jobs)
    return run


def test_rows_are_those_of_the_local_engine_bit_for_bit(tmp_path, own, local):
    run, jobs = planned(tmp_path, 12)
    assert {outcome.status for outcome in sweep(own, jobs).values()} == {"ok"}
    assert contents(run.directory) == contents(local.directory)
    assert arrays(run) == arrays(local)
    assert set(run.table()["threads"]) == {1}
    assert len(begun(tmp_path)) == 12
    sweep(own, planned(tmp_path, 12)[1])
    assert len(begun(tmp_path)) == 12  # the store knows them


def test_threads_travel_with_the_job_and_share_the_cores(tmp_path, own):
    assert own.threads == max(1, cores() // 2)
    assert DaskEngine(1).threads == cores()
    run, jobs = planned(tmp_path, 2, threads=3)
    sweep(own, jobs)
    assert set(run.table()["threads"]) == {3}


def test_a_killed_worker_costs_no_cell(tmp_path, own, local):
    run, jobs = planned(tmp_path, 12, c1_200="die once")
    assert {outcome.status for outcome in sweep(own, jobs).values()} == {"ok"}
    assert contents(run.directory) == contents(local.directory)
    assert Counter(begun(tmp_path)).most_common(1) == [("1-200", 2)]
    assert list(run.directory.glob("leases/*")) == []


def test_bad_cells_cost_no_other(tmp_path, own):
    run, jobs = planned(tmp_path, 12, c1_100="raise", c1_200="diverge")
    outcomes = sweep(own, jobs)
    bad = {name: each.status for name, each in outcomes.items() if each.status != "ok"}
    assert bad == {"1-100": "error", "1-200": "failed"}
    assert "a bug" in outcomes["1-100"].message
    assert sorted(begun(tmp_path)) == sorted(outcomes)
    assert len(rows_of(run)) == 11


def test_a_poison_cell_is_named_and_the_rest_is_stored(tmp_path, capfd):
    run, _ = planned(tmp_path, 12, c1_200="die")
    options = ["--out", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data")]
    options += ["--seeds", "6", "--no-figure", "--engine", "dask", "--workers", "2"]
    level = logging.getLogger("distributed").level
    assert run_script(EXPERIMENT, options) == 1
    errors = capfd.readouterr().err.splitlines()
    assert errors[0].startswith("lost: Cell(seed=1, flips=200")
    assert errors[1] == "3 processes that computed it were killed"
    assert "1 lost" in errors[2]
    assert len(errors) == 3  # nothing of Dask's
    statuses = Counter(run.table().groupby("key")["status"].first())
    assert statuses == {"ok": 11, "lost": 1}
    assert begun(tmp_path).count("1-200") == 3
    assert logging.getLogger("distributed").level == level


def test_a_cell_over_its_memory_is_lost(tmp_path):
    run, jobs = planned(tmp_path, 2, c0_100="eat")
    jobs = [replace(job, memory=2**28) for job in jobs]
    with DaskEngine(1) as engine:
        engine.prepare(EXPERIMENT, run.directory, jobs)
        outcomes = sweep(engine, jobs)
    assert {name: each.status for name, each in outcomes.items()} == {
        "0-100": "lost",
        "0-200": "ok",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_within_a_second(tmp_path, number):
    program = start(tmp_path, "dask", tmp_path / "log", nap="60", workers=1)
    wait_for(lambda: (tmp_path / "log").exists())
    begin = time.monotonic()
    os.killpg(program.pid, number)  # as a terminal does: to the workers too
    output, _ = program.communicate(timeout=60)
    assert time.monotonic() - begin < SECONDS_TO_LEAVE
    assert program.returncode == (1 if number == signal.SIGINT else 143)
    (line,) = output.splitlines()
    assert "0 of 10 cells were computed and stay" in line
    wait_for(lambda: not alive(program.pid), seconds=SECONDS_TO_LEAVE)
    assert list(tmp_path.rglob("*.lease-*")) == []  # nobody is blamed for that death


def test_ctrl_c_while_workers_start_is_told_in_one_line(tmp_path):
    program = start(tmp_path, "dask", tmp_path / "log", nap="60", workers=2)
    wait_for(lambda: commands(program.pid).count("spawn_main") >= 2)
    for _ in range(3):
        os.killpg(program.pid, signal.SIGINT)
        time.sleep(0.05)
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 1
    (line,) = output.splitlines()
    assert line.startswith("Interrupted. ")
    wait_for(lambda: not alive(program.pid), seconds=SECONDS_TO_LEAVE)


def test_workers_do_not_outlive_a_killed_program(tmp_path):
    program = start(tmp_path, "dask", tmp_path / "log", nap="0.2", workers=1)
    wait_for(lambda: len(rows(tmp_path)) >= 1)
    program.kill()  # the program alone, not its workers
    program.wait()
    wait_for(lambda: not alive(program.pid), seconds=30)
    assert program.communicate()[0] == ""


# A scheduler of somebody else's.


@contextlib.contextmanager
def program(*words, **environment):
    """A program of Dask, ended at last."""
    command = [sys.executable, "-m", *map(str, words), "--no-dashboard"]
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def scheduler_at(file):
    words = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", file]
    with program("distributed.cli.dask_scheduler", *words) as process:
        wait_for(file.exists)
        yield process


def worker_of(file, name, **environment):
    words = ["--scheduler-file", file, "--name", name, "--nthreads", "1", "--no-nanny"]
    place = ["--local-directory", file.parent / name]
    return program("distributed.cli.dask_worker", *words, *place, **environment)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The file of a scheduler with one worker."""
    file = tmp_path_factory.mktemp("cluster") / "scheduler.json"
    with scheduler_at(file), worker_of(file, "fit"):
        yield file


def test_workers_of_a_scheduler_compute_the_same_rows(tmp_path, cluster, local):
    run, jobs = planned(tmp_path, 12)
    with DaskEngine(scheduler=str(cluster)) as engine:
        engine.prepare(EXPERIMENT, run.directory, jobs)
        assert (engine.workers, engine.threads) == (1, 1)
        assert {outcome.status for outcome in sweep(engine, jobs).values()} == {"ok"}
    assert contents(run.directory) == contents(local.directory)
    assert arrays(run) == arrays(local)
    assert list(run.directory.glob(".*")) == []  # no probe is left
    address = json.loads(cluster.read_text())["address"]
    with DaskEngine(scheduler=address) as engine:  # the scheduler lives on
        assert engine.submit(int, "7").result() == 7


def test_a_worker_with_other_source_is_named(tmp_path, cluster):
    run, jobs = planned(tmp_path, 2)
    other = tmp_path / "other"
    other.mkdir()
    source = (HERE / "toy_faults.py").read_text()
    (other / "toy_faults.py").write_text(source.replace("time.sleep(60)", "time.sleep(61)"))
    path = os.pathsep.join([str(other), os.environ["PYTHONPATH"]])
    with worker_of(cluster, "other", PYTHONPATH=path):
        engine = DaskEngine(scheduler=str(cluster))
        engine.submit(int)
        wait_for(lambda: engine.workers == 2)
        with pytest.raises(ValueError, match=r"The worker tcp:.* another version of .*toy_faults"):
            engine.prepare(EXPERIMENT, run.directory, jobs)
    assert list(run.directory.glob(".*")) == []


def test_a_worker_that_sees_other_results_is_named(tmp_path, cluster, monkeypatch, capfd):
    """A worker elsewhere sees another folder of that name, or none: so does it without a probe."""
    planned(tmp_path, 2)
    options = ["--out", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data")]
    options += ["--seeds", "1", "--no-figure", "--engine", "dask", "--scheduler", str(cluster)]
    write = Path.write_text
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", lambda path, text: write(path, text + " of another"))
        assert run_script(EXPERIMENT, options) == 2
    error = capfd.readouterr().err
    assert re.search(r"The worker tcp:\S+ \(process \d+ on .*\) sees another folder at", error)
    assert "give --out a folder that all workers share." in error
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", lambda path, text: None)
        assert run_script(EXPERIMENT, options) == 2
    assert "does not see the results in" in capfd.readouterr().err
    assert begun(tmp_path) == []


def test_an_unfit_worker_that_comes_late_ends_the_sweep(tmp_path, cluster):
    run, jobs = planned(tmp_path, 4)
    with DaskEngine(scheduler=str(cluster)) as engine:
        engine.prepare(EXPERIMENT, run.directory, jobs)
        assert engine._needs is not None
        engine._needs = replace(engine._needs, token="another")
        with pytest.raises(BrokenExecutor, match="sees another folder"):
            sweep(engine, jobs)
    assert rows_of(run) == set()


def test_a_killed_scheduler_ends_the_sweep_in_one_line(tmp_path):
    file = tmp_path / "scheduler.json"
    with scheduler_at(file) as scheduler, worker_of(file, "worker", TOY_NAP="0.2"):
        options = ["--scheduler", str(file), "--no-figure"]
        sweeping = start(tmp_path, "dask", tmp_path / "log", options=options)
        wait_for(lambda: len(rows(tmp_path)) >= 2)
        scheduler.kill()
        output, _ = sweeping.communicate(timeout=60)
    assert sweeping.returncode == 1
    (line,) = output.splitlines()
    assert "is gone, start it and its workers again" in line
    assert re.search(r"[1-9] of 10 cells were computed and stay; run the same command again", line)


# What cannot be had is refused in one line.


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"needs the package distributed: pip install 'multiview"):
        DaskEngine()


def test_bad_settings_are_refused(tmp_path, monkeypatch, capfd):
    assert run_script(EXPERIMENT, ["--engine", "processes", "--scheduler", "tcp://here:1"]) == 2
    assert "scheduler=tcp://here:1 is Dask's: give --engine dask too." in capfd.readouterr().err
    with pytest.raises(ValueError, match="workers=0 computes nothing"):
        DaskEngine(0)
    with pytest.raises(ValueError, match=r"workers=2.*scheduler=tcp://here:1.*one of the two"):
        DaskEngine(2, "tcp://here:1")
    file = tmp_path / "file"
    file.write_text("{}")
    with pytest.raises(ValueError, match="is no file of a Dask scheduler"):
        DaskEngine(scheduler=str(file)).submit(int)
    monkeypatch.setattr(dask_cluster, "SECONDS_TO_ANSWER", 0.5)
    with pytest.raises(ValueError, match=r"scheduler=tcp://127.0.0.1:1 does not answer.*start one"):
        DaskEngine(scheduler="tcp://127.0.0.1:1").submit(int)


def test_the_file_of_a_scheduler_may_be_about_to_be_written(tmp_path):
    file = tmp_path / "scheduler.json"
    file.touch()
    threading.Timer(0.2, file.write_text, ['{"address": "tcp://here:1"}']).start()
    assert dask_cluster.address_of(str(file)) == "tcp://here:1"


def test_a_scheduler_without_workers_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "SECONDS_TO_START", 0.2)
    file = tmp_path / "scheduler.json"
    with scheduler_at(file), pytest.raises(ValueError, match="no worker came"):
        DaskEngine(scheduler=str(file)).submit(int)
