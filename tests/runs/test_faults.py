"""Faults of machines, for real: kills, full and read-only disks, damage, clocks, frozen processes.

Of each, rows that were written stay as they are, the same command does the rest, and in the end
the rows are those of a sweep that nobody disturbed. ``python tests/faults.py`` kills much more.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter

import pytest
from faults import FAULTS, PROGRAM, sweep_killed
from toy_experiment import EXPERIMENT, Options
from toy_programs import CELLS, compute_here, rows, start, states, wait_for
from toy_runs import contents, run_toy

from multiview.runs.engines import LocalEngine
from multiview.runs.leases import PATIENCE
from multiview.runs.rows import read_row
from multiview.runs.runner import plan
from multiview.runs.store import stored_runs
from multiview.runs.sweep import compute

ENGINES = pytest.mark.parametrize("engine", ["local", "processes"])


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    return compute_here(tmp_path_factory.mktemp("undisturbed"))[0]


def finish(program, code=0):
    """Wait for a program; what it printed, which is never a traceback."""
    output, _ = program.communicate(timeout=120)
    assert program.returncode == code, output
    assert "Traceback" not in output
    return output


def stamps(out):
    """Bytes and time of writing of all rows and arrays."""
    paths = [*rows(out), *(out / EXPERIMENT.name).glob("*.npz")]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def begun(log):
    return Counter(log.read_text().splitlines())


KILLS = 4


@pytest.mark.parametrize("fault", FAULTS[:1] + FAULTS[3:5], ids=lambda fault: fault.name)
def test_kills_at_random_moments(fault, tmp_path):
    directory = run_toy(tmp_path, "laptop", seeds=10)[0].directory
    seed = str(random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")
    count = sweep_killed(fault, directory, seed, KILLS)
    assert not count["broken"], f"seed {seed}; see what was printed"
    assert count["begun again"] <= 2 * count["kills"]


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, and what mounts it anew with other options."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True
        )

    try:
        refused = mount("size=64k").returncode
    except FileNotFoundError:
        refused = True
    if refused:
        pytest.skip("mounting a disk takes root on Linux")
    yield place, mount
    subprocess.run(["umount", "--lazy", place], check=True)


@ENGINES
def test_a_full_disk_ends_the_sweep_and_room_mends_it(disk, tmp_path, undisturbed, engine):
    place, mount = disk
    ballast = place / "ballast"
    ballast.write_bytes(bytes(28 * 1024))
    for _ in range(4):  # as often as a cell may die: a full disk is no death
        output = finish(start(place, engine, tmp_path / "log", workers=None), code=1)
        (line,) = output.splitlines()
        assert "No space left on device" in line
        assert "of 10 cells were computed and stay; run the same command again" in line
    written = stamps(place)
    assert 2 <= len(written) < 2 * CELLS
    assert list(place.rglob("*.tmp")) == []
    assert list(place.rglob("*.lease-*")) == []

    ballast.unlink()
    finish(start(place, engine, tmp_path / "log"))
    assert stamps(place).items() >= written.items()
    assert contents(place / EXPERIMENT.name) == contents(undisturbed)


@ENGINES
def test_a_disk_that_becomes_read_only(disk, tmp_path, undisturbed, engine):
    place, mount = disk
    mount("remount,size=1m")
    program = start(place, engine, tmp_path / "log", nap="0.2")
    wait_for(lambda: len(rows(place)) >= 2)
    wait_for(lambda: mount("remount,ro").returncode == 0)  # refused while a file is written
    (line,) = finish(program, code=1).splitlines()
    assert "Read-only file system" in line
    written = stamps(place)
    (line,) = finish(start(place, engine, tmp_path / "log"), code=1).splitlines()
    assert "Read-only file system" in line
    mount("remount,rw")
    finish(start(place, engine, tmp_path / "log"))
    assert stamps(place).items() >= written.items()
    assert contents(place / EXPERIMENT.name) == contents(undisturbed)


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def flip(data, rng):
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [cut, flip])
@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_damage_is_named_and_the_cell_computed_again(tmp_path, suffix, damage):
    run, _ = run_toy(tmp_path)
    good, rng = contents(run.directory), random.Random(0)
    for trial in range(50):
        key = run.keys[trial % len(run.keys)]
        path = (run.directory / key).with_suffix(suffix)
        path.write_bytes(damage(path.read_bytes(), rng))
        with pytest.warns(UserWarning, match=f"damaged row, computed again.*{key}"):
            _, jobs = plan(EXPERIMENT, "smoke", Options(), out=tmp_path)
        assert [job.key for job in jobs] == [key]
        assert [outcome.status for outcome in compute(jobs, LocalEngine())] == ["ok"]
        assert contents(run.directory) == good
        assert plan(EXPERIMENT, "smoke", Options(), out=tmp_path)[1] == []


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_run_file_is_named_or_changes_no_row(tmp_path, damage):
    """It says only which rows a run wants; the same command writes it anew."""
    run, _ = run_toy(tmp_path)
    path, rng = run.directory / f"{run.label}.run.json", random.Random(0)
    good, before = path.read_bytes(), stamps(tmp_path)
    for _ in range(30):
        path.write_bytes(damage(good, rng))
        with pytest.warns() if damage is cut else noted():
            stored_runs(tmp_path)
        run_toy(tmp_path)
        assert stamps(tmp_path) == before
        assert stored_runs(tmp_path)[0].keys == run.keys


@pytest.mark.filterwarnings("ignore")
def noted():
    import warnings

    context = warnings.catch_warnings()
    return context


@pytest.mark.parametrize("damage", [cut, flip, lambda data, rng: b""])
def test_a_damaged_lease_holds_a_cell_up_no_longer_than_a_silent_one(tmp_path, damage):
    run, jobs = plan(EXPERIMENT, "smoke", Options(), out=tmp_path)
    rng = random.Random(0)
    jobs[0].lease.parent.mkdir(parents=True)
    for trial in range(20):
        lease = jobs[0].lease.with_name(f"{jobs[0].key}.lease-0")
        lease.write_bytes(damage(b'{"space": "01234567", "process": 1, "owner": ""}', rng))
        then = time.time() - PATIENCE - 1
        os.utime(lease, (then, then))
        statuses = [outcome.status for outcome in compute(jobs, LocalEngine())]
        assert statuses == ["ok"] * len(jobs), trial
        assert list(jobs[0].lease.parent.iterdir()) == []
        for path in rows(tmp_path):
            path.unlink()


@pytest.mark.parametrize("number", [2, 4])
def test_runners_on_one_store_compute_each_cell_once(tmp_path, number):
    settings = {"nap": "0.05", "options": ["--share"], "cells": 40}
    programs = [start(tmp_path, "local", tmp_path / "log", **settings) for _ in range(number)]
    for program in programs:
        assert "40 cells" in finish(program)
    assert sum(begun(tmp_path / "log").values()) == 40
    alone = run_toy(tmp_path / "alone", "laptop", seeds=20)[0]
    assert contents(tmp_path / EXPERIMENT.name) == contents(alone.directory)


def test_clocks_that_jump_lose_nothing(tmp_path, undisturbed):
    """A jump may make the living seem dead, so that a cell is computed twice."""
    settings = {"nap": "0.3", "options": ["--share"], "script": PROGRAM, "FAULT_CLOCK": "1e6"}
    programs = [start(tmp_path, "local", tmp_path / "log", **settings) for _ in range(2)]
    rng, jumps, written = random.Random(0), 0, {}
    while any(program.poll() is None for program in programs):
        for lease in tmp_path.rglob("*.lease-*"):
            then = time.time() + rng.choice([-1, 1]) * rng.choice([60, 3600, 10**8])
            try:
                os.utime(lease, (then, then))
                jumps += 1
            except FileNotFoundError:
                continue
        assert stamps(tmp_path).items() >= written.items()
        written = stamps(tmp_path)
        time.sleep(0.15)
    for program in programs:
        finish(program)
    assert jumps >= CELLS / 2
    assert contents(tmp_path / EXPERIMENT.name) == contents(undisturbed)


@ENGINES
def test_a_nan_and_a_lack_of_memory_harm_no_other_cell(tmp_path, undisturbed, engine):
    faults = {"TOY_SEED_1": "diverge", "TOY_SEED_2": "memory", "FAULT_MEMORY": str(1 << 36)}
    program = start(tmp_path, engine, tmp_path / "log", script=PROGRAM, **faults)
    output, _ = program.communicate()
    assert program.returncode == 1
    assert "failed: Cell(seed=1" in output
    assert "error: Cell(seed=2" in output
    assert "MemoryError" in output
    assert "6 computed, 2 failed, 2 stopped by an error" in output
    found, whole = contents(tmp_path / EXPERIMENT.name), contents(undisturbed)
    same = [name for name in found if found[name] == whole[name]]
    assert (len(found), len(same)) == (8, 6)
    finish(start(tmp_path, engine, tmp_path / "log", options=["--retry"]))
    assert contents(tmp_path / EXPERIMENT.name) == whole


def test_who_was_frozen_finds_the_rows_of_others_and_leaves_them(tmp_path, undisturbed):
    """It is taken for dead after a while, although it is there, and its cell is computed twice."""
    settings = {"nap": "0.4", "options": ["--share"], "script": PROGRAM, "FAULT_PATIENCE": "1"}
    programs = [start(tmp_path, "local", tmp_path / "log", **settings) for _ in range(2)]
    wait_for(lambda: len(rows(tmp_path)) >= 2 and any(tmp_path.rglob("*.lease-0")))
    programs[0].send_signal(signal.SIGSTOP)
    finish(programs[1])
    written = stamps(tmp_path)
    assert "T" in states(programs[0].pid)
    programs[0].send_signal(signal.SIGCONT)
    finish(programs[0])
    assert stamps(tmp_path) == written
    assert contents(tmp_path / EXPERIMENT.name) == contents(undisturbed)
    assert sum(begun(tmp_path / "log").values()) <= CELLS + 1


def test_a_frozen_worker_does_not_hold_up_what_another_ones_death_takes(tmp_path, undisturbed):
    """The pool ends all its workers when it loses one; a frozen one does not end when asked."""
    faults = {"TOY_SEED_1": "stop", "TOY_SEED_2": "die"}
    program = start(tmp_path, "processes", tmp_path / "log", workers=2, nap="0.2", **faults)
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 1, output
    finish(start(tmp_path, "local", tmp_path / "log", options=["--retry"]))
    assert contents(tmp_path / EXPERIMENT.name) == contents(undisturbed)
    for path in rows(tmp_path):
        assert read_row(path)["status"] == "ok"
