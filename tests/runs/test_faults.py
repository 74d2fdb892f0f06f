"""Faults of machines, for real: kills, full and read-only disks, damage, clocks, frozen processes.

Of each, rows that were written stay as they are, the same command does the rest, and in the end
the rows are those of a sweep that nobody disturbed. ``python tests/faults.py`` kills much more.
"""

import os
import random
import signal
import subprocess
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from faults import sweep_killed
from killed_sweep import FAULTS, PROGRAM
from toy_experiment import EXPERIMENT, Options
from toy_programs import CELLS, compute_here, rows, start, states, wait_for
from toy_runs import contents, run_toy

from multiview.runs import leases
from multiview.runs.engines import LocalEngine
from multiview.runs.leases import PATIENCE
from multiview.runs.runner import plan
from multiview.runs.script import run_script
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
    """Bytes and time of writing of all rows and their arrays."""
    paths = [path.with_suffix(suffix) for path in rows(out) for suffix in (".json", ".npz")]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths if path.exists()}


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
        refused = mount("size=128k").returncode
    except FileNotFoundError:
        refused = True
    if refused:
        pytest.skip("mounting a disk takes root on Linux")
    yield place, mount
    subprocess.run(["umount", "--lazy", place], check=True)


def in_place(out, capsys, code=0):
    """The command in this process, with the local engine; what it said, never a traceback."""
    found = run_script(EXPERIMENT, ["--seeds", str(CELLS // 2), "--out", str(out), "--no-figure"])
    said = capsys.readouterr().err
    assert found == code, said
    assert "Traceback" not in said
    return said


def command(engine, out, log, capsys):
    """Run the command to its end in vain; the one line it says."""
    if engine == "local":
        (line,) = in_place(out, capsys, code=1).splitlines()
    else:
        (line,) = finish(start(out, engine, log, workers=2), code=1).splitlines()
    return line


@ENGINES
def test_a_full_disk_ends_the_sweep_and_room_mends_it(disk, tmp_path, capsys, undisturbed, engine):
    place, _ = disk
    ballast = place / "ballast"
    ballast.write_bytes(bytes(88 * 1024))
    for _ in range(4 if engine == "local" else 1):  # a full disk is no death, of which three count
        line = command(engine, place, tmp_path / "log", capsys)
        assert "No space left on device" in line
        assert "cells were computed and stay; run the same command again" in line
    written = stamps(place)
    assert 2 <= len(written) < 2 * CELLS
    assert list(place.rglob("*.tmp")) == []
    assert list(place.rglob("*.lease-*")) == []

    ballast.unlink()
    in_place(place, capsys)
    assert stamps(place).items() >= written.items()
    assert contents(place / EXPERIMENT.name) == contents(undisturbed)


@ENGINES
def test_a_disk_that_becomes_read_only(disk, tmp_path, monkeypatch, capsys, undisturbed, engine):
    place, mount = disk
    mount("remount,size=1m")
    monkeypatch.setenv("TOY_NAP", "1")

    def become_read_only():
        wait_for(lambda: len(rows(place)) >= 2)
        wait_for(lambda: mount("remount,ro").returncode == 0)  # refused while a file is written

    with ThreadPoolExecutor(1) as meanwhile:
        became = meanwhile.submit(become_read_only)
        assert "Read-only file system" in command(engine, place, tmp_path / "log", capsys)
        became.result()
    monkeypatch.delenv("TOY_NAP")
    monkeypatch.setattr(leases, "PATIENCE", 0.0)  # with the lease that could not be removed
    written = stamps(place)
    assert "Read-only file system" in command("local", place, tmp_path / "log", capsys)
    mount("remount,rw")
    in_place(place, capsys)
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
    for trial in range(20):
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
def test_a_damaged_run_file_changes_no_row_and_is_written_anew(tmp_path, damage):
    """It says only which rows a run wants and what was claimed."""
    run, _ = run_toy(tmp_path)
    path, rng = run.directory / f"{run.label}.run.json", random.Random(0)
    good, before = path.read_bytes(), stamps(tmp_path)
    for _ in range(20):
        path.write_bytes(damage(good, rng))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = stored_runs(tmp_path)
            run_toy(tmp_path)
        assert found or f"damaged run file {path}" in str(caught[0].message)
        assert stamps(tmp_path) == before
        assert stored_runs(tmp_path)[0].keys == run.keys


@pytest.mark.parametrize("damage", [cut, flip, lambda data, rng: b""])
def test_a_damaged_lease_holds_a_cell_up_no_longer_than_a_silent_one(tmp_path, damage):
    _, jobs = plan(EXPERIMENT, "smoke", Options(), out=tmp_path)
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


def test_four_runners_on_one_store_compute_each_cell_once(tmp_path):
    settings: dict[str, Any] = {"nap": "0.05", "options": ["--share"], "cells": 40}
    programs = [start(tmp_path, "local", tmp_path / "log", **settings) for _ in range(4)]
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


@pytest.mark.parametrize("engine", ["processes"])
def test_a_nan_and_a_lack_of_memory_harm_no_other_cell(tmp_path, capsys, undisturbed, engine):
    faults: dict[str, Any] = {"TOY_SEED_1": "diverge", "TOY_SEED_2": "memory"}
    faults["FAULT_MEMORY"] = str(1 << 36)
    program = start(tmp_path, engine, tmp_path / "log", script=PROGRAM, workers=2, **faults)
    output, _ = program.communicate()
    assert program.returncode == 1
    assert "failed: Cell(seed=1" in output
    assert "error: Cell(seed=2" in output
    assert "MemoryError" in output
    assert "6 computed, 2 failed, 2 stopped by an error" in output
    found, whole = contents(tmp_path / EXPERIMENT.name), contents(undisturbed)
    same = [name for name in found if found[name] == whole[name]]
    assert (len(found), len(same)) == (8, 6)
    in_place(tmp_path, capsys)
    assert len(contents(tmp_path / EXPERIMENT.name)) == CELLS


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
