"""kill -9 in the middle of a sweep: finished rows stay, the rest follows, and nothing differs."""

import os
import signal
import time

import pytest
from toy_programs import (
    CELLS,
    alive,
    commands,
    compute_here,
    rows,
    start,
    states,
    wait_for,
)
from toy_runs import contents

from multiview.runs.rows import read_row


@pytest.fixture
def undisturbed(tmp_path_factory):
    return compute_here(tmp_path_factory.mktemp("undisturbed"))[0]


def arrays(directory):
    return {path.name: path.read_bytes() for path in directory.glob("*.npz")}


@pytest.mark.parametrize("engine", ["local", "processes"])
def test_after_a_kill_the_rest_is_computed_and_nothing_differs(tmp_path, undisturbed, engine):
    log = tmp_path / "log"
    program = start(tmp_path, engine, log, nap="0.2")
    wait_for(lambda: len(rows(tmp_path)) >= 3)
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()
    finished = {path: path.stat().st_mtime_ns for path in rows(tmp_path)}
    assert 3 <= len(finished) < CELLS
    for path in finished:
        assert read_row(path)["status"] == "ok"

    log.unlink()
    again = start(tmp_path, engine, log)
    output, _ = again.communicate()
    assert again.returncode == 0, output
    assert len(log.read_text().splitlines()) == CELLS - len(finished)
    assert f"{len(finished)} stored before, {CELLS - len(finished)} computed" in output
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    directory = tmp_path / "toy_experiment"
    assert contents(directory) == contents(undisturbed)
    assert arrays(directory) == arrays(undisturbed)


def test_a_cell_that_always_kills_its_worker_costs_no_other(tmp_path, undisturbed):
    """It is named, stored as lost, and computed again when somebody asks for that."""
    program = start(tmp_path, "processes", tmp_path / "log", workers=2, TOY_SEED_3="die")
    output, _ = program.communicate()
    assert program.returncode == 1
    assert "Traceback" not in output
    assert "lost: Cell(seed=3, flips=200" in output
    assert "3 processes that computed it were killed" in output
    assert f"{CELLS} cells, 0 stored before, {CELLS - 2} computed, 2 lost" in output
    assert list((tmp_path / "toy_experiment" / "leases").iterdir()) == []
    statuses = [read_row(path)["status"] for path in rows(tmp_path)]
    assert sorted(statuses) == ["lost"] * 2 + ["ok"] * (CELLS - 2)

    again = start(tmp_path, "processes", tmp_path / "log2", TOY_SEED_3="die")
    output, _ = again.communicate()
    assert again.returncode == 1
    assert f"2 of {CELLS} cells were lost with their processes" in output
    assert not (tmp_path / "log2").exists()

    healed = start(tmp_path, "local", tmp_path / "log2", options=["--retry"])
    output, _ = healed.communicate()
    assert healed.returncode == 0, output
    assert len((tmp_path / "log2").read_text().splitlines()) == 2
    assert contents(tmp_path / "toy_experiment") == contents(undisturbed)


def test_a_cell_that_kills_the_program_itself_is_lost_at_the_fourth_start(tmp_path):
    """With no pool to tell, the leases count the deaths."""
    for _ in range(6):  # three for each of the two cells of the seed
        program = start(tmp_path, "local", tmp_path / "log", TOY_SEED_1="die")
        program.communicate()
        assert program.returncode == -signal.SIGKILL
    program = start(tmp_path, "local", tmp_path / "log", TOY_SEED_1="die")
    output, _ = program.communicate()
    assert program.returncode == 1
    assert "Traceback" not in output
    assert len(rows(tmp_path)) == CELLS
    assert f"2 of {CELLS} cells were lost with their processes" in output


@pytest.mark.parametrize("engine", ["local", "processes"])
def test_ctrl_c_ends_cleanly(tmp_path, engine):
    workers = 1 if engine == "processes" else None
    program = start(tmp_path, engine, tmp_path / "log", nap="0.3", workers=workers)
    wait_for(lambda: len(rows(tmp_path)) >= 1)
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to the workers too
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 1
    assert "Interrupted." in output
    assert "Traceback" not in output
    wait_for(lambda: not alive(program.pid), seconds=30)  # nobody waits for what it started
    stored = len(rows(tmp_path))
    assert 1 <= stored < CELLS
    assert f"of {CELLS} cells were computed and stay" in output


@pytest.mark.parametrize("everybody", [False, True], ids=["to the program", "to its workers too"])
@pytest.mark.parametrize("engine", ["local", "processes"])
def test_sigterm_ends_cleanly_and_says_how_to_go_on(tmp_path, engine, everybody):
    workers = 1 if engine == "processes" else None
    program = start(tmp_path, engine, tmp_path / "log", nap="0.3", workers=workers)
    wait_for(lambda: len(rows(tmp_path)) >= 1)
    (os.killpg if everybody else os.kill)(program.pid, signal.SIGTERM)
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 143
    (line,) = output.splitlines()
    assert line.startswith("Terminated. ")
    assert f"of {CELLS} cells were computed and stay; run the same command again" in line
    wait_for(lambda: not alive(program.pid), seconds=30)


@pytest.mark.parametrize("delay", [0.0, 0.4, 1.2])
def test_ctrl_c_twice_while_workers_start_is_told_in_one_line(tmp_path, delay):
    program = start(tmp_path, "processes", tmp_path / "log", nap="0.3", workers=2)
    wait_for(lambda: "spawn_main" in commands(program.pid))
    time.sleep(delay)
    for _ in range(3):
        os.killpg(program.pid, signal.SIGINT)
        time.sleep(0.05)
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 1
    (line,) = output.splitlines()
    assert line.startswith("Interrupted. ")
    wait_for(lambda: not alive(program.pid), seconds=30)


def test_a_worker_deaf_to_sigterm_is_killed(tmp_path):
    settings = {"nap": "0.05", "workers": 1, "TOY_SEED_3": "stop"}
    program = start(tmp_path, "processes", tmp_path / "log", **settings)
    wait_for(lambda: "T" in states(program.pid))
    program.terminate()
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 143
    assert "Traceback" not in output
    wait_for(lambda: not alive(program.pid), seconds=30)


def test_workers_do_not_outlive_a_killed_program(tmp_path):
    program = start(tmp_path, "processes", tmp_path / "log", nap="0.2", workers=1)
    wait_for(lambda: len(rows(tmp_path)) >= 1)
    program.kill()  # the program alone, not its workers
    program.wait()
    wait_for(lambda: not alive(program.pid), seconds=30)
    assert program.communicate()[0] == ""  # no warning about semaphores, which are freed


def test_a_file_left_by_a_killed_program_is_gone_after_the_next_run(tmp_path):
    program = start(tmp_path, "local", tmp_path / "log", TOY_SEED_1="die in a write")
    program.communicate()
    assert program.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*.tmp"))) == 1
    again = start(tmp_path, "local", tmp_path / "log")
    output, _ = again.communicate()
    assert again.returncode == 0, output
    assert list(tmp_path.rglob("*.tmp")) == []
