"""Store, leases and artefacts under every order of events: holders, deaths, clocks and damage.

Three holders on two machines, where a number means two processes, and one clock of the file system.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from toy_experiment import EXPERIMENT, Options

from multiview import atomic
from multiview.runs import leases, work
from multiview.runs.artefacts import Artefacts
from multiview.runs.leases import PATIENCE, Lease, claim, count_deaths, is_held
from multiview.runs.rows import DamagedRow, read_row, row_path
from multiview.runs.runner import plan

MACHINES = ("aaaaaaaa", "aaaaaaaa", "bbbbbbbb")  # of the holders
HOLDERS = st.sampled_from(range(3))
CELLS = st.sampled_from(range(2))
SECONDS = st.sampled_from([0.5, 5.0, PATIENCE - 1, PATIENCE + 1, 1e5])
CREATE = leases._create
COMPUTING = precondition(lambda self: any(holder.held for holder in self.holders))


@dataclass
class Holder:
    """A process that computes one cell after the other.

    Attributes:
        held: Cell and lease.
        doubtful: Whether others had reason to take it for dead since it got the lease.
        beat: When it beat last.
    """

    machine: str
    process: int
    held: tuple[int, Lease] | None = None
    doubtful: bool = False
    beat: float = 0.0


def doubtful_in(cell):
    """Whether a holder has this cell and was taken for dead."""
    return lambda holder: bool(holder.held) and holder.held[0] == cell and holder.doubtful


class Machine(RuleBasedStateMachine):
    """What may happen, and what then must be so."""

    def __init__(self):
        super().__init__()
        self.out, self.clock = Path(tempfile.mkdtemp(prefix="machine_")), 1e9
        run, jobs = plan(EXPERIMENT, "smoke", Options(), out=self.out, seeds=1, threads=1)
        run.store()
        self.jobs = [replace(job, done=("ok", "failed")) for job in jobs]
        self.jobs[0].lease.parent.mkdir()
        self.numbers = {machine: itertools.count(100) for machine in MACHINES}
        self.alive: set[tuple[str, int]] = set()
        self.holders = [Holder(machine, 0) for machine in MACHINES]
        for holder in self.holders:
            self.renew(holder)
        self.written: dict[int, tuple[bytes, bytes, int]] = {}  # rows that are whole
        self.damaged: set[int] = set()
        self.deaths = [0, 0]
        self.counted = [True, True]  # whether the model knows how many died
        self.artefacts = Artefacts(folder=self.out / "artefacts", version="1")

    def teardown(self):
        shutil.rmtree(self.out)

    def renew(self, holder):
        """A new process; its number may be that of one on the other machine."""
        holder.process = next(self.numbers[holder.machine])
        holder.held, holder.doubtful = None, False
        self.alive.add((holder.machine, holder.process))

    @contextlib.contextmanager
    def being(self, holder):
        """Act as this process, at the time of the file system."""

        def create(path, data):
            CREATE(path, data)
            os.utime(path, (self.clock, self.clock))

        def is_alive(process):
            return (holder.machine, process) in self.alive

        with (
            mock.patch.object(leases, "process_space", return_value=holder.machine),
            mock.patch.object(atomic, "process_space", return_value=holder.machine),
            mock.patch.object(leases, "is_alive", is_alive),
            mock.patch.object(leases, "_create", create),
            mock.patch.object(leases, "_now_at", return_value=self.clock),
            mock.patch.object(os, "getpid", return_value=holder.process),
        ):
            yield

    def living(self, cell):
        """Holders of a cell that nobody had reason to take for dead."""
        return [
            each
            for each in self.holders
            if each.held is not None and each.held[0] == cell and not each.doubtful
        ]

    def one(self, which, busy=True):
        """One of the holders that compute, or do not."""
        found = [holder for holder in self.holders if bool(holder.held) is busy]
        return found[which % len(found)]

    @precondition(lambda self: any(not holder.held for holder in self.holders))
    @rule(which=HOLDERS, cell=CELLS)
    def take(self, which, cell):
        holder = self.one(which, busy=False)
        free = not any(self.jobs[cell].lease.parent.glob(f"{self.jobs[cell].key}.*"))
        with self.being(holder):
            lease = claim(self.jobs[cell].lease)
        if lease is None:
            assert not free
            return
        assert not self.living(cell)
        if self.counted[cell]:
            assert lease.deaths == self.deaths[cell]
        holder.held, holder.doubtful, holder.beat = (cell, lease), False, self.clock

    def beat(self, holder):
        path = holder.held[1].path
        with self.being(holder):
            holder.held[1].beat()
        if path.exists():
            os.utime(path, (self.clock, self.clock))
        holder.beat = self.clock

    @COMPUTING
    @rule(which=HOLDERS)
    def die(self, which):
        holder = self.one(which)
        self.alive.discard((holder.machine, holder.process))
        cell, lease = holder.held
        self.deaths[cell] += 1
        self.counted[cell] &= not holder.doubtful and lease.path.exists()
        self.renew(holder)

    @COMPUTING
    @rule(which=HOLDERS, forgive=st.booleans())
    def release(self, which, forgive):
        """As an exception in the cell does, or a Ctrl-C."""
        holder = self.one(which)
        with self.being(holder):
            holder.held[1].release(forgive)
        self.let_go(holder, forgive)

    def let_go(self, holder, forgive):
        cell, _ = holder.held
        if forgive and not holder.doubtful:
            self.deaths[cell] = 0
        self.counted[cell] &= not holder.doubtful
        if not any(self.jobs[cell].lease.parent.glob(f"{self.jobs[cell].key}.*")):
            self.deaths[cell], self.counted[cell] = 0, True
        holder.held, holder.doubtful = None, False

    @COMPUTING
    @rule(which=HOLDERS)
    def finish(self, which):
        """Compute the cell that is held and store its row, as ``work`` does."""
        holder = self.one(which)
        cell, lease = holder.held
        with self.being(holder):
            outcome = work._compute(self.jobs[cell], lease)
            lease.release()
        self.let_go(holder, forgive=True)
        if cell in self.written:
            assert (outcome.status, outcome.computed) == ("ok", False)
        elif outcome.status == "ok":
            self.note(cell)
        else:
            assert (outcome.status, lease.deaths >= work.MOST_DEATHS) == ("lost", True)
            self.damaged.discard(cell)

    def note(self, cell):
        """Remember a row that was written."""
        path = row_path(self.jobs[cell].directory, self.jobs[cell].key)
        self.written[cell] = self.look(path)
        self.damaged.discard(cell)

    @staticmethod
    def look(path):
        arrays = path.with_suffix(".npz").read_bytes()
        return path.read_bytes(), arrays, path.stat().st_mtime_ns

    @rule(cell=CELLS, which=HOLDERS)
    def lose(self, cell, which):
        """As the sweep does after a third death; a result that is there stays."""
        if not self.holders[which].held and not self.living(cell):
            with self.being(self.holders[which]):
                if count_deaths(self.jobs[cell].lease) < work.MOST_DEATHS:
                    return
                outcome = work.lose(self.jobs[cell], "three deaths")
                if outcome.status == "lost":
                    self.damaged.discard(cell)
                    self.deaths[cell], self.counted[cell] = 0, True
                elif outcome.status == "ok":
                    assert cell in self.written
                else:
                    assert outcome.status == "busy"

    @rule(seconds=SECONDS, back=st.booleans())
    def pass_time(self, seconds, back):
        """The clock of the file system goes on, or is set back."""
        self.clock += -seconds if back else seconds
        for holder in self.holders:
            if holder.held and abs(self.clock - holder.beat) > PATIENCE:
                self.doubt(holder)

    def doubt(self, holder):
        """Others may take it for dead from now on."""
        holder.doubtful = True
        self.counted[holder.held[0]] = False

    @rule()
    def all_beat_for_long(self):
        """All who live beat, and of who died on another machine everybody knows at last."""
        for seconds in (0.0, PATIENCE - 1, PATIENCE - 1):
            self.pass_time(seconds, back=False)
            for holder in filter(lambda holder: holder.held, self.holders):
                self.beat(holder)
        for cell, observer in itertools.product(range(2), self.holders):
            with self.being(observer):
                if self.counted[cell]:
                    assert count_deaths(self.jobs[cell].lease) == self.deaths[cell]
                if self.counted[cell] and not any(map(doubtful_in(cell), self.holders)):
                    assert is_held(self.jobs[cell].lease) == bool(self.living(cell))

    @rule(
        cell=CELLS,
        arrays=st.booleans(),
        place=st.floats(0, 1, exclude_max=True),
        bit=st.none() | st.integers(0, 7),
    )
    def damage_row(self, cell, arrays, place, bit):
        if cell in self.written:
            path = row_path(self.jobs[cell].directory, self.jobs[cell].key)
            self.damage(path.with_suffix(".npz") if arrays else path, place, bit)
            del self.written[cell]
            self.damaged.add(cell)

    @staticmethod
    def damage(path, place, bit):
        """Cut a file, or flip one bit of it."""
        data = path.read_bytes()
        at = int(place * len(data))
        flipped = b"" if bit is None else bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        path.write_bytes(data[:at] + flipped)

    @COMPUTING
    @rule(which=HOLDERS, place=st.floats(0, 1, exclude_max=True), bit=st.none() | st.integers(0, 7))
    def damage_lease(self, which, place, bit):
        """One that is cut is of a stranger; a flipped bit may name another process."""
        holder = self.one(which)
        if holder.held[1].path.exists():
            path = holder.held[1].path
            self.damage(path, place, bit)
            os.utime(path, (holder.beat, holder.beat))
            if bit is not None:
                self.doubt(holder)

    @rule(
        which=HOLDERS,
        place=st.none() | st.floats(0, 1, exclude_max=True),
        bit=st.none() | st.integers(0, 7),
    )
    def use_artefact(self, which, place, bit):
        """Computed, or read, after some damage; the tensors are the same."""
        path = self.artefacts.path({"seed": 0})
        if place is not None and path.exists():
            self.damage(path, place, bit)
        computed = []

        def compute():
            computed.append(1)
            return {"weights": torch.arange(6.0).reshape(2, 3), "none": torch.zeros(0)}

        fresh = path.exists() and place is None
        with self.being(self.holders[which]), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = self.artefacts({"seed": 0}, compute)
        assert torch.equal(found["weights"], torch.arange(6.0).reshape(2, 3))
        assert set(found) == {"weights", "none"}
        assert not (fresh and computed)
        assert not caught or computed

    @invariant()
    def one_holder_at_most(self):
        for cell in range(2):
            assert len(self.living(cell)) <= 1

    @invariant()
    def rows_stay_and_damage_is_noticed(self):
        for cell, job in enumerate(self.jobs):
            path = row_path(job.directory, job.key)
            if cell in self.written:
                assert self.look(path) == self.written[cell]
                assert read_row(path)["status"] == "ok"
            elif cell in self.damaged:
                with pytest.raises(DamagedRow):
                    read_row(path)
            elif path.exists():
                assert read_row(path)["status"] == "lost"

    @invariant()
    def nothing_is_left_of_writes(self):
        assert not list(self.out.rglob(".*.tmp"))


Machine.TestCase.settings = settings(stateful_step_count=40)
TestStore = Machine.TestCase
