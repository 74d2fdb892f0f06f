"""Leases: one holder at a time, dead ones are succeeded and counted, clocks may be wrong."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from toy_programs import wait_for

from multiview.runs import leases
from multiview.runs.leases import BEAT, LENGTH, PATIENCE, claim, count_deaths, is_held, read, told


@pytest.fixture
def stem(tmp_path):
    return tmp_path / "cell"


def files(stem):
    return sorted(path.name for path in stem.parent.iterdir())


def taken(stem, owner=""):
    lease = claim(stem, owner)
    assert lease is not None
    return lease


def die_holding(stem, owner=""):
    """A process that takes the lease and is killed."""
    program = (
        "import os, sys; from pathlib import Path; from multiview.runs.leases import claim; "
        "claim(Path(sys.argv[1]), sys.argv[2]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, stem, owner], check=False)


def elsewhere(monkeypatch, where="othermac"):
    """Go to another machine, which cannot ask for processes of this one."""
    monkeypatch.setattr(leases, "process_space", lambda: where)


def last_beat(stem, seconds_ago):
    path = stem.with_name(f"{stem.name}.lease-0")
    then = time.time() - seconds_ago
    os.utime(path, (then, then))


def test_one_holds_it_until_it_is_released(stem):
    with taken(stem):
        assert claim(stem) is None
        assert is_held(stem)
        assert count_deaths(stem) == 0
    assert files(stem) == []
    assert not is_held(stem)
    assert claim(stem) is not None


def test_of_many_at_once_one_gets_it(stem):
    found, start = [], threading.Barrier(16)

    def ask():
        start.wait()
        found.append(claim(stem))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(lease is not None for lease in found) == 1


def test_the_dead_are_counted_succeeded_and_forgotten(stem):
    for deaths in (1, 2):
        die_holding(stem)
        assert count_deaths(stem) == deaths
        assert not is_held(stem)
    with taken(stem) as lease:
        assert lease.deaths == 2
        assert claim(stem) is None
    assert files(stem) == []


def test_ctrl_c_counts_no_death_and_forgets_none(stem):
    die_holding(stem)
    with pytest.raises(KeyboardInterrupt), taken(stem):
        raise KeyboardInterrupt
    assert count_deaths(stem) == 1
    assert not is_held(stem)


def test_an_error_of_the_work_forgets_deaths(stem):
    die_holding(stem)
    with pytest.raises(RuntimeError), taken(stem):
        raise RuntimeError
    assert files(stem) == []


def test_what_was_ended_on_purpose_is_no_death(stem):
    die_holding(stem, "others")
    die_holding(stem, "mine")
    leases.withdraw(stem, "mine")
    assert files(stem) == ["cell.lease-0"]
    leases.withdraw(stem, "mine")
    assert count_deaths(stem) == 1


@pytest.mark.parametrize(
    ("seconds_ago", "dead"),
    [(0, False), (PATIENCE - 5, False), (PATIENCE + 5, True), (-PATIENCE - 5, True)],
)
def test_of_another_machine_the_heartbeat_tells(stem, monkeypatch, seconds_ago, dead):
    """A heartbeat in the future was before the clock was set back."""
    taken(stem)
    last_beat(stem, seconds_ago)
    elsewhere(monkeypatch)
    assert is_held(stem) is not dead
    assert count_deaths(stem) == int(dead)
    assert (claim(stem) is not None) is dead


def test_the_clock_of_the_machine_is_not_asked(stem, monkeypatch):
    with taken(stem):
        elsewhere(monkeypatch)
        for wrong in (0.0, time.time() + 10 * PATIENCE):
            monkeypatch.setattr(time, "time", lambda wrong=wrong: wrong)
            assert is_held(stem)


def test_a_lease_lives_as_long_as_its_holder(stem, monkeypatch):
    monkeypatch.setattr(leases, "BEAT", 0.02)
    with taken(stem) as lease:
        last_beat(stem, 2 * PATIENCE)
        elsewhere(monkeypatch)
        wait_for(lambda: is_held(stem))
        lease.path.unlink()  # as another does who takes it for dead
        time.sleep(0.2)
        assert files(stem) == []  # it is not made anew
    assert PATIENCE > 5 * BEAT > 0


def test_a_holder_taken_for_dead_leaves_its_successor_alone(stem, monkeypatch):
    first = taken(stem)
    last_beat(stem, 2 * PATIENCE)
    elsewhere(monkeypatch)
    second = taken(stem)
    assert second.deaths == 1
    first.release()
    assert files(stem) == ["cell.lease-1"]
    second.release()
    assert files(stem) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"process": "x"}', b"\xff" * 600])
def test_a_damaged_lease_is_one_of_a_stranger(stem, content):
    """Whoever was killed between creating and writing it is known by no number."""
    path = stem.with_name("cell.lease-0")
    path.write_bytes(content)
    assert claim(stem) is None
    assert list(told(stem.parent)) == []
    last_beat(stem, PATIENCE + 1)
    assert taken(stem).deaths == 1


def test_what_a_holder_tells_can_be_read(stem, monkeypatch):
    monkeypatch.setattr(leases, "BEAT", 0.01)
    with taken(stem, "me") as lease:
        assert list(told(stem.parent)) == []
        lease.tell("step 7", 0.5)
        wait_for(lambda: list(told(stem.parent)) == [("cell", "step 7", 0.5)])
        lease.tell("é" * 1000, None)
        wait_for(lambda: "é" in read(lease.path).get("message", ""))
        assert lease.path.stat().st_size == LENGTH
        ((_, message, fraction),) = told(stem.parent)
        assert set(message) == {"é"}
        assert fraction is None
        assert read(lease.path)["owner"] == "me"


def test_a_folder_that_takes_no_lease_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        claim(tmp_path / "file" / "cell")


def test_no_probe_of_the_clock_is_left(stem, monkeypatch):
    taken(stem)
    elsewhere(monkeypatch)
    assert is_held(stem)
    assert files(stem) == ["cell.lease-0"]


@pytest.mark.parametrize("written", [OSError(errno.ENOSPC, "No space left on device"), 100])
def test_a_full_disk_leaves_no_lease(stem, monkeypatch, written):
    """It would be one of a stranger, and its death would count."""

    def full(descriptor, data):
        if isinstance(written, OSError):
            raise written
        return written

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*cell\.lease-0'"):
        claim(stem)
    assert files(stem) == []


def test_nobody_gets_it_beside_the_successor_of_one_taken_for_dead(stem, monkeypatch):
    first = taken(stem)
    last_beat(stem, 2 * PATIENCE)
    elsewhere(monkeypatch)
    second = taken(stem)
    first.release()
    assert claim(stem) is None
    assert is_held(stem)
    assert count_deaths(stem) == 1
    leases.withdraw(stem, second.owner)
    assert files(stem) == []


def test_of_many_that_come_while_it_is_released_one_gets_it(stem, monkeypatch):
    """With a death before, so that there are two files to remove and two to look at."""
    die_holding(stem)
    dead = stem.with_name("cell.lease-0").read_bytes()
    holders, most, over = [], [], threading.Event()

    def ask():
        while not over.is_set():
            lease = claim(stem)
            if lease is not None:
                holders.append(lease)
                most.append(len(holders))
                time.sleep(0.0001)
                holders.remove(lease)
                lease.release()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        if not any(stem.parent.glob("cell.lease-*")):
            with (
                contextlib.suppress(FileExistsError),
                stem.with_name("cell.lease-0").open("xb") as file,
            ):
                file.write(dead)
        time.sleep(0.002)
    over.set()
    for thread in threads:
        thread.join()
    assert len(most) > 50
    assert max(most) == 1


def test_machines_that_fell_silent_count_less_than_deaths_that_were_seen(stem, monkeypatch):
    """A machine is lost for other reasons than the cell it computed, which may go on elsewhere."""
    for machine in range(3):
        elsewhere(monkeypatch, f"machine {machine}")
        assert taken(stem).deaths == machine
        path = stem.with_name(f"cell.lease-{machine}")
        os.utime(path, (0, 0))
    elsewhere(monkeypatch, "here")
    assert count_deaths(stem) == 3
    assert leases.count_strikes(stem) == pytest.approx(3 * leases.SILENT)
    assert 0 < 3 * leases.SILENT < 1
    die_holding(stem)
    monkeypatch.undo()
    assert taken(stem).strikes == pytest.approx(1 + 3 * leases.SILENT)


def test_deaths_can_be_forgotten_while_nobody_holds_it(stem):
    die_holding(stem)
    with taken(stem):
        leases.forget(stem)
        assert len(files(stem)) == 2
    die_holding(stem)
    leases.forget(stem)
    assert files(stem) == []


def test_a_holder_taken_for_dead_leaves_the_successors_of_its_successor_alone(stem, monkeypatch):
    first = taken(stem)
    last_beat(stem, 2 * PATIENCE)
    elsewhere(monkeypatch)
    taken(stem).release()
    third = taken(stem)
    assert third.path == first.path
    before = third.path.read_bytes()
    first.tell("still here", 0.5)
    first.beat()
    first.release()
    assert third.path.read_bytes() == before


def test_only_processes_that_were_ended_are_withdrawn(stem):
    lease = taken(stem, "mine")
    assert not leases.withdraw(stem, "mine", {os.getpid() + 1})
    assert not leases.withdraw(stem, "others", {os.getpid()})
    assert is_held(stem)
    assert leases.withdraw(stem, "mine", {os.getpid()})
    assert not lease.path.exists()
