"""A sweep that is killed again and again: who is killed, what was there, and what is there."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from toy_experiment import EXPERIMENT

from multiview.runs.rows import DamagedRow, read_row, row_paths

PROGRAM = Path(__file__).with_name("faulty_toy.py")
SEEDS, CELLS = 10, 20  # of one sweep
NAP, WRITE = 0.2, 0.03  # seconds of a cell, and of one write to the disk
START = 3.0  # seconds a program takes to its first cell, about
LONG = 120.0  # seconds after which something hangs


@dataclass(frozen=True)
class Fault:
    """Who is killed.

    Attributes:
        options: Of each program's command line.
        programs: How many run at a time.
        whom: "group": a program and its workers, "program": it alone, "worker": one of them.
    """

    name: str
    options: tuple[str, ...] = ()
    programs: int = 1
    whom: str = "group"


WORKERS = ("--engine", "processes", "--workers", "2")
DASK = ("--engine", "dask", "--workers", "2")
FAULTS = (
    Fault("local: the program"),
    Fault("processes: the program and its workers", WORKERS),
    Fault("processes: the program alone", WORKERS, whom="program"),
    Fault("processes: one worker", WORKERS, whom="worker"),
    Fault("three that share: one of them", ("--share",), programs=3),
    Fault("two that share, with processes: one worker", ("--share", *WORKERS), 2, "worker"),
    Fault("dask: the program and its workers", DASK),
    Fault("dask: the program alone", DASK, whom="program"),
    Fault("dask: one worker", DASK, whom="worker"),
)


class Broken(AssertionError):
    """A row was lost or changed, or a program ended as it must not."""


@dataclass
class Sweep:
    """One folder of rows, the programs that fill it and what was seen of it."""

    fault: Fault
    out: Path
    rng: random.Random
    count: Counter[str] = field(default_factory=Counter)
    programs: list[subprocess.Popen] = field(default_factory=list)
    seen: dict[Path, tuple[bytes, int]] = field(default_factory=dict)
    limit: int = 0  # kills until no more follow

    @property
    def folder(self) -> Path:
        """Of the rows."""
        return self.out / EXPERIMENT.name

    @property
    def log(self) -> Path:
        """One line a cell that was begun."""
        return self.out / "log"

    def begun(self) -> int:
        """How many cells were begun so far."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def start(self, *options: str) -> subprocess.Popen:
        """Start a program, in a process group of its own."""
        self.count["started"] += 1
        number, given = self.count["started"], self.fault.options
        if "--retry" in options:  # which is not for those who share
            given = tuple(option for option in given if option != "--share")
        settings = {"TOY_LOG": str(self.log), "TOY_NAP": str(NAP), "FAULT_WRITE": str(WRITE)}
        command = [sys.executable, PROGRAM, "--seeds", str(SEEDS), "--out", self.out, "--no-figure"]
        with (self.out / f"{number}.txt").open("w") as said:
            program = subprocess.Popen(
                ["nice", *command, *given, *options],
                env={**os.environ, "OMP_NUM_THREADS": "1", **settings},
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.programs.append(program)
        return program

    def said(self) -> str:
        """What all programs printed."""
        return "\n".join(path.read_text() for path in self.out.glob("*.txt"))

    def look(self) -> None:
        """Hold the rows that are there against those that were."""
        for path in row_paths(self.folder):
            try:
                status = read_row(path)["status"]
            except DamagedRow as damage:
                self.count["damaged"] += 1
                raise Broken(str(damage)) from damage
            for file in (path, path.with_suffix(".npz")):
                if status == "ok":
                    now = file.read_bytes(), file.stat().st_mtime_ns
                    if self.seen.setdefault(file, now) != now:
                        self.count["changed"] += 1
                        raise Broken(f"{file} was written again")
        if gone := [path for path in self.seen if not path.exists()]:
            self.count["vanished"] += len(gone)
            raise Broken(f"{gone} vanished")


def wait(condition: Callable[[], bool], program: subprocess.Popen, pause: float = 0.01) -> bool:
    """Wait for something; False if the program ends before."""
    end = time.monotonic() + LONG
    while program.poll() is None:
        if condition():
            return True
        if time.monotonic() > end:
            raise Broken(f"nothing happened for {LONG:.0f} s")
        time.sleep(pause)
    return False


def workers(program: subprocess.Popen) -> Iterator[int]:
    """Numbers of the processes that compute for a program."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_text()
        except OSError:
            continue
        ours = int(fields[2]) == program.pid and fields[0] != "Z"
        if ours and any(name in words for name in ("spawn_main", "dask worker")):
            yield int(folder.name)
