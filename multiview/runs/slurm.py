"""The Slurm engine: a job array of processes that share the cells of a sweep.

Each task of the array runs the sweep's own command with ``--share``. Slurm starts the tasks, and
starts those again that it preempted or whose node failed; which cells are left, the store says. So
nothing is asked of Slurm but ``sbatch`` and ``squeue``, and no accounting.
"""

import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from multiview.runs.rows import stored_keys
from multiview.runs.sbatch import cancel_waiting, logs, options_of_site, submit, tasks_of
from multiview.runs.signals import uninterrupted
from multiview.runs.work import Job, Outcome, stored

POLL = 1.0  # seconds between two looks at the store
ASK = 5.0  # seconds between two questions to Slurm, whose controller serves everybody
BESIDE = 2**29  # bytes of a task beside the process that computes

Tell = Callable[[str], None]  # is called with lines for whoever waits


class Over(RuntimeError):
    """No task of the array is left, and rows are missing."""


class SlurmEngine:
    """Computes cells in the tasks of a Slurm array, which choose among them.

    So it is no executor: ``compute`` takes all jobs at once.

    Attributes:
        threads: Processors of a task, unless somebody says another number.

    Raises:
        ValueError: If sbatch is not there, or the number of tasks or the site's options are bad.
    """

    threads = 1

    def __init__(self, workers: int | None, site: str = "") -> None:
        if shutil.which("sbatch") is None:
            raise ValueError(
                "engine='slurm' needs sbatch, which is not on PATH: run this where Slurm's "
                "commands are, or start processes with --share in another way."
            )
        if workers is None or workers < 1:
            raise ValueError(
                f"workers={workers}: say how many tasks the Slurm array is to have, at least 1."
            )
        self.workers, self.site, self._number = workers, options_of_site(site), ""

    @property
    def rest(self) -> str:
        """What becomes of the cells to come if nobody follows the array; empty if there is none."""
        return self._number and (
            f"Slurm array {self._number} goes on and computes the rest, unless "
            f"`scancel {self._number}` ends it."
        )

    def compute(
        self, jobs: Sequence[Job], command: Sequence[str], name: str, tell: Tell
    ) -> Generator[Outcome, None, None]:
        """Submit an array and yield the outcome of each job as its row is there.

        Args:
            command: Runs the same sweep; see ``command_of_task``.
            name: Of the array.

        Raises:
            Refused: If Slurm takes no such array.
            Over: If no task is left, and rows are missing.
        """
        if not jobs:
            return
        known = [job.memory for job in jobs if job.memory is not None]
        folder, tasks = jobs[0].directory, min(self.workers, len(jobs))
        with uninterrupted():  # or nobody would know the number
            self._number = submit(
                command,
                name=name,
                workers=tasks,
                threads=jobs[0].threads or self.threads,
                memory=max(known) + BESIDE if len(known) == len(jobs) else None,
                folder=folder,
                own=self.site,
            )
            printed = logs(folder, self._number, "*")
            tell(f"Slurm array {self._number}: {tasks} tasks, which print to {printed}")
        try:
            yield from follow(self._number, jobs, folder, tell)
        except Over:
            self._number = ""
            raise
        self._number = ""

    def __enter__(self) -> "SlurmEngine":
        return self

    def __exit__(self, *exception: Any) -> None:
        """Leave the array as it is."""


def command_of_task(
    experiment: object,
    command: str,
    threads: int,
    device: str,
    folders: Mapping[str, Path | None],
) -> list[str]:
    """The words with which a task runs the same sweep, shared with the other tasks.

    Args:
        command: ``multiview run NAME`` and options, as a run has it.
        folders: Options that are folders, by name.
    """
    _, _, name, *options = shlex.split(command)
    for option, folder in folders.items():
        options += [f"--{option}", str(folder.resolve())] if folder is not None else []
    options += ["--device", device, "--threads", str(threads), "--share", "--no-figure"]
    # In a process of its own a cell can be killed, e.g. for want of memory, and the task goes on.
    options += ["--engine", "processes", "--workers", "1"]
    main = sys.modules["__main__"]
    if getattr(main, "EXPERIMENT", None) is experiment and getattr(main, "__file__", None):
        return [sys.executable, os.path.abspath(str(main.__file__)), *options]
    return [sys.executable, "-m", "multiview", "run", name, *options]


def follow(number: str, jobs: Sequence[Job], folder: Path, tell: Tell) -> Iterator[Outcome]:
    """Yield the outcome of each job as its row is stored by a task of the array.

    Why no task runs, where that is so, is told.

    Args:
        number: The array's job number.
        folder: Of the experiment's results.

    Raises:
        Over: If no task is left, and rows are missing.
    """
    pending, asked, told = {job.key: job for job in jobs}, time.monotonic(), ""
    while True:
        yield from _arrived(pending, folder)
        if not pending:
            cancel_waiting(number)  # for them nothing is left
            return
        time.sleep(POLL)
        if time.monotonic() - asked < ASK:
            continue
        tasks, asked = tasks_of(number), time.monotonic()
        if tasks == []:
            yield from _last(pending, folder)
            if pending:
                raise Over(_what_is_missing(number, folder, len(pending), len(jobs)))
            return
        reason = _why_none_runs(tasks or [])
        if reason not in ("", told):
            tell(f"No task of Slurm array {number} runs: {reason}.")
            told = reason


def _arrived(pending: dict[str, Job], folder: Path) -> Iterator[Outcome]:
    """Outcomes of the jobs whose rows are there; they are pending no more."""
    for key in stored_keys(folder) & pending.keys():  # one listing for all
        outcome = stored(pending[key])
        if outcome is not None:
            del pending[key]
            yield replace(outcome, computed=True)  # for these jobs, if not by this process


def _last(pending: dict[str, Job], folder: Path) -> Iterator[Outcome]:
    """What has arrived when the array is over."""
    # The client of a network file system looks anew at a folder in which it has created a file.
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".look."):
        yield from _arrived(pending, folder)


def _why_none_runs(tasks: Sequence[tuple[str, str]]) -> str:
    """The reasons why all tasks wait; nothing if one does not."""
    if any(state != "PENDING" for state, _ in tasks):
        return ""
    return ", ".join(sorted({reason for _, reason in tasks} - {"None"}))


def _what_is_missing(number: str, folder: Path, missing: int, wanted: int) -> str:
    every = logs(folder, number, "*")
    found = sorted(str(path) for path in every.parent.glob(every.name))
    where = ", ".join(found[:3] + ["..."] * (len(found) > 3)) or f"{every}, which no task wrote"
    return (
        f"No task of Slurm array {number} is left, and {missing} of {wanted} rows are missing; "
        f"what the tasks printed: {where}."
    )
