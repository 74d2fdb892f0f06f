"""The toy experiment with faults that its data folder tells, wherever a cell is computed.

A file SEED-FLIPS in the folder holds what befalls that cell; workers of some engines never see the
environment of the test. Each cell that is begun gets a line in the file ``log``.
"""

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import toy_experiment
from toy_experiment import Cell

from multiview.runs.experiment import Context
from multiview.runs.runner import plan
from multiview.runs.store import Run
from multiview.runs.sweep import compute
from multiview.runs.work import Job, Outcome


def run(cell: Cell, context: Context) -> dict:
    """Flip it, unless something befalls us."""
    assert context.data_dir is not None
    with (context.data_dir / "log").open("a") as file:
        file.write(f"{cell.seed}-{cell.flips}\n")
    fault = context.data_dir / f"{cell.seed}-{cell.flips}"
    match fault.read_text() if fault.exists() else "":
        case "diverge":
            raise FloatingPointError("the loss is nan at step 3")
        case "raise":
            raise RuntimeError("a bug")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once":
            fault.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(60)
        case "eat":
            eaten = b"x" * 2**31
            time.sleep(60)
            del eaten
    return toy_experiment.run(cell, context)


EXPERIMENT = replace(toy_experiment.EXPERIMENT, run=run)


def planned(folder: Path, cells: int, threads: int | None = 1, **faults: str):
    """A run of so many cells in a folder, of which some are faulty: ``c1_200="die"``."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for name, fault in faults.items():
        (data / name.removeprefix("c").replace("_", "-")).write_text(fault)
    run, jobs = plan(
        EXPERIMENT,
        "laptop",
        EXPERIMENT.options(),
        out=folder / "out",
        seeds=(cells + 1) // 2,
        threads=threads,
        context=Context(data_dir=data),
    )
    run.store()
    return run, jobs[:cells]


def sweep(executor: Executor, jobs: Sequence[Job], window: int | None = None) -> dict[str, Outcome]:
    """The outcomes of jobs by cell."""
    outcomes = compute(jobs, executor, window)
    return {f"{each.cell.seed}-{each.cell.flips}": each for each in outcomes}  # type: ignore[attr-defined]


def begun(folder: Path) -> list[str]:
    """The cells that were begun, each as often."""
    log = folder / "data" / "log"
    return log.read_text().split() if log.exists() else []


def rows_of(run: Run) -> set[str]:
    """Names of the rows' files."""
    return {path.name for path in run.directory.glob("*.json") if ".run." not in path.name}
