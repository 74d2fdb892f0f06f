"""The toy experiment as a program of its own, which can be interrupted and killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from toy_experiment import EXPERIMENT

from multiview.runs.engines import LocalEngine
from multiview.runs.rows import row_paths
from multiview.runs.runner import plan
from multiview.runs.sweep import compute

SCRIPT = Path(__file__).parent / "toy_experiment.py"
CELLS = 10


def start(
    out: Path,
    engine: str,
    log: Path,
    nap: str = "0",
    workers: int | None = None,
    options: Sequence[str] = (),
    **environment: str,
) -> "subprocess.Popen[str]":
    """Begin a sweep of ``CELLS`` cells; what it prints can be read."""
    command = [sys.executable, SCRIPT, "--seeds", str(CELLS // 2), "--out", out]
    command += ["--engine", engine, *(["--workers", str(workers)] if workers else []), *options]
    return subprocess.Popen(
        command,
        env={**os.environ, "TOY_LOG": str(log), "TOY_NAP": nap, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a process group of its own, workers included
        # A shell starts what runs in its background deaf to Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def rows(out: Path) -> list[Path]:
    """The files of the rows that are stored."""
    return row_paths(out / "toy_experiment")


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until ``condition()`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing happened for {seconds} seconds"
        time.sleep(0.01)


def compute_here(out: Path) -> tuple[Path, int]:
    """The same cells in this process; returns the directory and how many were absent."""
    run, jobs = plan(EXPERIMENT, "laptop", EXPERIMENT.options(), out=out, seeds=CELLS // 2)
    run.directory.mkdir(exist_ok=True)
    return run.directory, len(list(compute(jobs, LocalEngine())))
