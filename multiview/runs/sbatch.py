"""Slurm's commands: submit an array of tasks, and ask what has become of them."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

# What sbatch is told by ``submit``, or would end it; a site's own options are the others.
SHORT = {"a": "array", "c": "cpus-per-task", "e": "error", "h": "help", "H": "hold", "i": "input"}
SHORT |= {"J": "job-name", "M": "clusters", "n": "ntasks", "N": "nodes", "o": "output"}
SHORT |= {"Q": "quiet", "V": "version", "W": "wait"}
LONG = {"no-requeue", "ntasks-per-node", "open-mode", "parsable", "requeue", "test-only", "usage"}
OURS = sorted({*SHORT.values(), *LONG, "wrap"})


class Refused(RuntimeError):
    """Slurm takes no such array."""


def options_of_site(text: str) -> list[str]:
    """What somebody tells sbatch for a site, such as ``--partition=gpu --time=2:00:00``, as words.

    Raises:
        ValueError: If it is no list of options, or one of them is set by us.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError(
            f"slurm={text!r} cannot be split into words: put quotes in pairs."
        ) from None
    for word in words:
        name = word.removeprefix("--").partition("=")[0]
        if not word.startswith("-") or not name.strip("-"):
            raise ValueError(
                f"slurm={text!r}: {word!r} is no option: write each as one word, --name=value."
            )
        if word.startswith("--"):  # of which sbatch takes the beginning for the whole
            own = [each for each in OURS if each.startswith(name)]
        else:
            own = [SHORT[word[1]]] if word[1] in SHORT else []
        if own:
            raise ValueError(
                f"slurm={text!r}: {word} is not yours to set (--{own[0]}): leave it out; --workers "
                "is the number of tasks, --threads that of the processors of each."
            )
    return words


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
        command: Words of the command. It takes the place of the task's shell, so that a SIGTERM
            of Slurm reaches it.
        workers: Number of tasks.
        threads: Processors of each.
        memory: Bytes that a task takes; None leaves each what the site gives.
        folder: Of the experiment's results, for what the tasks print.
        own: Options of sbatch for this site; they win over the memory.

    Raises:
        Refused: If sbatch refuses; the message holds its reasons.
        OSError: If the folder cannot be written.
    """
    logs(folder).parent.mkdir(parents=True, exist_ok=True)
    options = ["--parsable", f"--array=0-{workers - 1}", "--ntasks=1", f"--cpus-per-task={threads}"]
    options += [f"--job-name={name}", "--requeue", "--open-mode=append", f"--output={logs(folder)}"]
    if memory is not None:
        options += [f"--mem={memory // 2**20 + 1}M"]
    done = _call(["sbatch", *options, *own], f"#!/bin/sh\nexec {shlex.join(command)}\n")
    number = done.stdout.strip().partition(";")[0]
    if done.returncode or not number.isdigit():
        lines = [line.removeprefix("sbatch: ").strip() for line in done.stderr.splitlines()]
        reasons = "; ".join(line for line in lines if line) or "it does not say why"
        raise Refused(
            f"sbatch refused an array of {workers} tasks ({reasons}): use fewer --workers if it is "
            "too large; what the site needs goes into --slurm."
        )
    return number


def tasks_of(number: str) -> list[tuple[str, str]] | None:
    """State and reason of each task that Slurm has not done with; None if Slurm cannot say."""
    done = _call(["squeue", "--noheader", "--array", "--format=%T|%r", f"--jobs={number}"])
    if done.returncode:
        return [] if "Invalid job id" in done.stderr else None  # of an array that is long over
    tasks = [line.strip().partition("|") for line in done.stdout.splitlines() if line.strip()]
    return [(state, reason) for state, _, reason in tasks]


def cancel_waiting(number: str) -> None:
    """Cancel the tasks of an array that have not begun."""
    _call(["scancel", "--state=PENDING", number])


def _call(command: Sequence[str], script: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False)
