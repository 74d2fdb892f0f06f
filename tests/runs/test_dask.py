"""Dask: its rows are those of any engine, whatever is killed; workers that are unfit are named."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import toy_faults
from toy_faults import EXPERIMENT, begun, planned, rows_of, sweep
from toy_programs import alive, commands, rows, start, wait_for
from toy_runs import contents

from multiview.runs import dask_engine
from multiview.runs.engines import LocalEngine, cores, engine_of
from multiview.runs.script import run_script

pytest.importorskip("distributed")
HERE = Path(__file__).parents[1]
SECONDS_TO_LEAVE = 5.0  # asked of a busy machine; an idle one needs less than one


def arrays(run):
    return {path.name: path.read_bytes() for path in run.directory.glob("*.npz")}


def environment():
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="module")
def own():
    """Two workers, started once."""
    before = environment()
    with engine_of("dask", 2) as engine:
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
    assert engine_of("dask", 1).threads == cores()
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
    run, jobs = planned(tmp_path, 12, c1_100="raise", c1_200="diverge", c2_100="die")
    outcomes = sweep(own, jobs)
    bad = {name: each.status for name, each in outcomes.items() if each.status != "ok"}
    assert bad == {"1-100": "error", "1-200": "failed", "2-100": "lost"}
    assert "a bug" in outcomes["1-100"].message
    assert begun(tmp_path).count("2-100") == 3
    assert set(begun(tmp_path)) == set(outcomes)
    assert len(rows_of(run)) == 11


def test_a_poison_cell_is_named_and_the_rest_is_stored(tmp_path, capfd):
    run, jobs = planned(tmp_path, 12, c1_200="die")
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
    assert logging.getLogger("distributed").level == level


def test_a_cell_over_its_memory_is_lost(tmp_path):
    run, jobs = planned(tmp_path, 4, c1_100="eat")
    jobs = [replace(job, memory=2**28) for job in jobs]
    with engine_of("dask", 2) as engine:
        engine.prepare(EXPERIMENT, run.directory, jobs)
        outcomes = sweep(engine, jobs)
    assert {name for name, each in outcomes.items() if each.status == "lost"} == {"1-100"}
    assert len(rows_of(run)) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_within_a_second(tmp_path, number):
    program = start(tmp_path, "dask", tmp_path / "log", nap="60", workers=2)
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
