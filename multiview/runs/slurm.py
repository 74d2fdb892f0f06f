"""Slurm: a job array of processes that share the cells of a sweep.

Each task of the array runs the sweep's own command with ``--share``. Slurm starts the tasks, and
starts those again that it preempted or whose node failed; which cells are left, the store says. So
nothing is asked of Slurm but ``sbatch`` and ``squeue``, and no accounting.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from multiview.runs.rows import row_paths
from multiview.runs.signals import uninterrupted
from multiview.runs.work import Job, Outcome, stored

POLL = 1.0  # seconds between two looks at the store
ASK = 5.0  # seconds between two questions to Slurm, whose controller serves everybody
OVERHEAD = 2**30  # bytes of a task before it computes: two interpreters with torch
# What we tell sbatch ourselves, so that the array is what ``follow`` expects.
OURS = (
    *("array", "clusters", "cpus-per-task", "error", "help", "hold", "input", "job-name", "nodes"),
    *("no-requeue", "ntasks", "ntasks-per-node", "open-mode", "output", "parsable", "quiet"),
    *("requeue", "test-only", "usage", "version", "wait", "wrap"),
)
SHORT = {"a": "array", "c": "cpus-per-task", "e": "error", "h": "help", "H": "hold", "i": "input"}
SHORT |= {"J": "job-name", "M": "clusters", "n": "ntasks", "N": "nodes", "o": "output"}
SHORT |= {"Q": "quiet", "V": "version", "W": "wait"}


class Refused(RuntimeError):
    """Slurm takes no such array."""


class Over(RuntimeError):
    """No task of the array is left, and rows are missing."""


def options_of_site(text: str) -> list[str]:
    """What somebody tells sbatch for a site, such as ``--partition=gpu --time=2:00:00``, as words.

    Raises:
        ValueError: If it is no list of options, or one of them is set by us.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"slurm={text!r} cannot be split into words: {error}.") from None
    for word in words:
        name = word.removeprefix("--").partition("=")[0]
        if not word.startswith("-") or not name.strip("-"):
            raise ValueError(
                f"slurm={text!r}: {word!r} is no option: write each as one word, --name=value."
            )
        # sbatch takes the beginning of a name for the name.
        own = [each for each in OURS if each.startswith(name)] if word.startswith("--") else []
        own += [SHORT[word[1]]] if word[1] in SHORT else []
        if own:
            raise ValueError(
                f"slurm={text!r}: {word} is set by the sweep (--{own[0]}): leave it out; --workers "
                "is the number of tasks, --threads the processors of each."
            )
    return words


def check(workers: int | None, own: str) -> None:
    """Refuse what can be known to be wrong before a cell is planned.

    Raises:
        ValueError: If sbatch is not there, or the number of tasks or the site's options are bad.
    """
    if shutil.which("sbatch") is None:
        raise ValueError(
            "engine='slurm' needs sbatch, which is not on PATH: run this where Slurm's commands "
            "are, or start processes with --share in another way."
        )
    if workers is None:
        raise ValueError("workers: how many tasks a Slurm array has is yours to say: --workers N.")
    if workers < 1:
        raise ValueError(f"workers={workers} computes nothing: use at least 1.")
    options_of_site(own)


def program(name: str, experiment: object) -> list[str]:
    """The words that start an experiment's program in a task, without its options."""
    main = sys.modules["__main__"]
    if getattr(main, "EXPERIMENT", None) is experiment and getattr(main, "__file__", None):
        return [sys.executable, os.path.abspath(str(main.__file__))]
    return [sys.executable, "-m", "multiview", "run", name]


def logs(folder: Path, number: str = "%A", task: str = "%a") -> Path:
    """Where a task writes what it prints; sbatch knows what stands for the two numbers."""
    return folder / "slurm" / f"{number}_{task}.log"


def submit(
    command: Sequence[str],
    *,
    name: str,
    workers: int,
    threads: int,
    memory: int | None,
    folder: Path,
    own: Sequence[str] = (),
) -> str:
    """Submit an array of tasks that each run ``command``; returns its job number.

    Args:
        command: Words of the command, which Slurm's SIGTERM reaches itself.
        workers: Number of tasks.
        threads: Processors of each.
        memory: Bytes that a cell takes; None leaves each task what the site gives.
        folder: Of the experiment's results, for what the tasks print.
        own: Options of sbatch for this site; they win over the memory.

    Raises:
        Refused: If sbatch refuses; the message holds its reasons.
        OSError: If the folder cannot be written.
    """
    logs(folder).parent.mkdir(parents=True, exist_ok=True)
    options = ["--parsable", f"--array=0-{workers - 1}", f"--cpus-per-task={threads}", "--ntasks=1"]
    options += ["--requeue", f"--job-name={name}"]
    options += [f"--output={logs(folder)}", "--open-mode=append"]  # a requeued task goes on
    if memory is not None:
        options += [f"--mem={(memory + OVERHEAD) // 2**20}M"]
    script = f"#!/bin/sh\nexec {shlex.join(command)}\n"
    done = _call(["sbatch", *options, *own], script)
    number = done.stdout.strip().partition(";")[0]
    if done.returncode or not number.isdigit():
        raise Refused(
            f"sbatch refused an array of {workers} tasks: {_reasons(done)}. If it is too large, "
            "use fewer --workers; what your site needs goes into --slurm."
        )
    return number


def follow(
    number: str, jobs: Sequence[Job], folder: Path, tell: Callable[[str], None]
) -> Iterator[Outcome]:
    """Yield the outcome of each job as its row is stored by a task of the array.

    Args:
        number: The array's job number.
        folder: Of the experiment's results.
        tell: Is called with why no task runs, where that is so.

    Raises:
        Over: If no task is left, and rows are missing.
    """
    pending, asked, told = {job.key: job for job in jobs}, time.monotonic(), ""
    while True:
        yield from _arrived(pending, folder)
        if not pending:
            _call(["scancel", "--state=PENDING", number])  # for them nothing is left
            return
        time.sleep(POLL)
        if time.monotonic() - asked < ASK:
            continue
        asked, tasks = time.monotonic(), tasks_of(number)
        if tasks == []:
            yield from _last(pending, folder)
            if pending:
                raise Over(_what_is_missing(number, folder, len(pending), len(jobs)))
            return
        reasons = {reason for state, reason in tasks or () if state == "PENDING"}
        if tasks and len(reasons) and all(state == "PENDING" for state, _ in tasks):
            said = f"No task of array {number} runs: {', '.join(sorted(reasons))}."
            told = told if said == told else (tell(said) or said)


def tasks_of(number: str) -> list[tuple[str, str]] | None:
    """State and reason of each task that Slurm has not done with; None if Slurm cannot say."""
    done = _call(["squeue", "--noheader", "--array", "--format=%T|%r", f"--jobs={number}"])
    if done.returncode:
        return [] if "Invalid job id" in done.stderr else None  # of a job done some time ago
    lines = [line.partition("|") for line in done.stdout.split("\n") if line.strip()]
    return [(state.strip(), reason.strip()) for state, _, reason in lines]


def _arrived(pending: dict[str, Job], folder: Path) -> Iterator[Outcome]:
    """Outcomes of the jobs whose rows are there; they are pending no more."""
    for path in row_paths(folder):  # one listing, however many jobs are pending
        job = pending.get(path.stem)
        outcome = stored(job) if job is not None else None
        if outcome is not None:
            del pending[path.stem]
            yield outcome


def _last(pending: dict[str, Job], folder: Path) -> Iterator[Outcome]:
    """What has arrived when the array is over."""
    # A client of a network file system looks again at a folder in which it has created a file.
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".look"):
        yield from _arrived(pending, folder)


def _what_is_missing(number: str, folder: Path, missing: int, wanted: int) -> str:
    found = sorted(logs(folder).parent.glob(logs(folder, number, "*").name))
    shown = [str(path) for path in found[:3]] + (["..."] if len(found) > 3 else [])
    where = f"see {', '.join(shown)}" if shown else f"no task began, or wrote {logs(folder).parent}"
    return f"No task of array {number} is left, and {missing} of {wanted} rows are missing: {where}"


def _call(command: Sequence[str], script: str = "") -> subprocess.CompletedProcess[str]:
    """Run one of Slurm's commands to its end, whatever the terminal sends it."""
    with uninterrupted():
        return subprocess.run(command, input=script, capture_output=True, text=True, check=False)


def _reasons(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.removeprefix("sbatch: ").strip() for line in done.stderr.split("\n")]
    return "; ".join(line for line in lines if line) or done.stdout.strip() or "it did not say why"
