"""The toy experiment as a program: to start it, to watch it, and what it leaves."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from toy_experiment import EXPERIMENT

from multiview.runs.engines import LocalEngine
from multiview.runs.runner import plan
from multiview.runs.sweep import compute

SCRIPT = Path(__file__).parent / "toy_experiment.py"
CELLS = 10


def start(
    out,
    engine,
    log,
    nap="0",
    workers=None,
    options=(),
    script=SCRIPT,
    cells=CELLS,
    **environment,
):
    command = [sys.executable, script, "--seeds", str(cells // 2), "--out", out]
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


def rows(out):
    found = (out / "toy_experiment").glob("*.json")
    return [path for path in found if not path.name.endswith(".run.json")]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened for a minute"
        time.sleep(0.01)


def compute_here(out, seeds=CELLS // 2):
    """The same cells in this process; returns the directory and how many were absent."""
    run, jobs = plan(EXPERIMENT, "laptop", EXPERIMENT.options(), out=out, seeds=seeds)
    run.directory.mkdir(parents=True, exist_ok=True)
    return run.directory, len(list(compute(jobs, LocalEngine())))


def processes(group):
    """The folders in /proc of this group's processes, and their states."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group:
            yield folder, fields[0]


def alive(group):
    """Whether a process of this group runs on."""
    return bool(states(group) - {"Z"})


def states(group):
    return {state for _, state in processes(group)}


def commands(group):
    """The command lines of this group's processes, as one text."""
    found = []
    for folder, _ in processes(group):
        with contextlib.suppress(OSError):
            found.append((folder / "cmdline").read_text())
    return "\n".join(found)
