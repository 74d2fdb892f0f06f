"""A world for the machine of store and leases: two machines, three processes, one clock."""

import contextlib
import itertools
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from hypothesis.stateful import RuleBasedStateMachine
from toy_experiment import EXPERIMENT, Options

from multiview import atomic
from multiview.runs import leases
from multiview.runs.artefacts import Artefacts
from multiview.runs.leases import Lease
from multiview.runs.rows import row_path
from multiview.runs.runner import plan

MACHINES = ("aaaaaaaa", "aaaaaaaa", "bbbbbbbb")  # of the holders
CREATE = leases._create


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


class World(RuleBasedStateMachine):
    """Holders of leases and what is known of rows and deaths, as it must be."""

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

    def note(self, cell):
        """Remember a row that was written."""
        path = row_path(self.jobs[cell].directory, self.jobs[cell].key)
        self.written[cell] = self.look(path)
        self.damaged.discard(cell)

    @staticmethod
    def look(path):
        arrays = path.with_suffix(".npz").read_bytes()
        return path.read_bytes(), arrays, path.stat().st_mtime_ns

    def doubt(self, holder):
        """Others may take it for dead from now on."""
        holder.doubtful = True
        self.counted[holder.held[0]] = False

    @staticmethod
    def damage(path, place, bit):
        """Cut a file, or flip one bit of it."""
        data = path.read_bytes()
        at = int(place * len(data))
        flipped = b"" if bit is None else bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        path.write_bytes(data[:at] + flipped)
