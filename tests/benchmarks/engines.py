"""What an engine costs a cell, and what a second worker saves.

    python tests/benchmarks/engines.py [REPETITIONS]

The overhead is the time a cell takes that computes nothing, on one worker that is warm: the lease,
the row, which is synced to the disk, and the way to the worker and back. "Beyond the row" is what
the local engine does not need. The speedup is that of two workers over one, on cells that take a
second of a processor each, which two cores that are idle can double at best. Figures are medians of
repetitions that take turns. Sharing processes are those of ``--share``; they begin together.
"""

import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from ratio import Ratio
from rich.console import Console
from rich.table import Table

from multiview.runs.dask_engine import DaskEngine
from multiview.runs.engines import LocalEngine, ProcessEngine
from multiview.runs.experiment import Context, Experiment, NoOptions, Preset
from multiview.runs.runner import plan
from multiview.runs.sweep import compute
from multiview.runs.work import Job

IDLE, BUSY = 100, 8  # cells
SPEEDUP = 1.8  # aimed at
COLUMNS = ("idle", "beyond the row", "one worker", "two workers")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell that takes so many seconds of a processor."""

    seed: int = 0
    size: float


def burn(cell: Cell, context: Context) -> dict:
    """Compute nothing for that long."""
    end = time.thread_time() + cell.size
    while time.thread_time() < end:
        pass
    return {"data": {"burnt": cell.size}}


def jobs_in(folder: Path, cells: int, size: float) -> list[Job]:
    """So many equal cells, whose rows go to a new folder."""
    preset = Preset(cells=[Cell(size=size)], seeds=cells)
    experiment = Experiment(name="engines", description="", run=burn, presets={"all": preset})
    out = Path(tempfile.mkdtemp(dir=folder))
    run, jobs = plan(experiment, "all", NoOptions(), out=out, threads=1)
    run.store()
    return jobs


def on_engine(
    make: Callable, workers: int, folder: Path, stack: ExitStack
) -> Callable[[int, float], float]:
    """A function that gives the seconds of a sweep on warm workers, by its cells and their size."""
    engine = stack.enter_context(make(workers))
    list(compute(jobs_in(folder, 4 * workers, 0.5), engine))

    def seconds(cells: int, size: float) -> float:
        jobs = jobs_in(folder, cells, size)
        begin = time.perf_counter()
        list(compute(jobs, engine))
        return time.perf_counter() - begin

    return seconds


def share(jobs: list[Job], together, ends) -> None:
    """What a process does that shares cells; it tells when it is done, before it ends."""
    import torch  # noqa: F401  # before the clock starts

    random.SystemRandom().shuffle(jobs)
    together.wait()
    list(compute(jobs, LocalEngine()))
    ends.put(time.monotonic())  # a clock of the machine, not of the process


def on_sharing(workers: int, folder: Path, stack: ExitStack) -> Callable[[int, float], float]:
    """As ``on_engine``, of processes that share the cells."""
    spawn = multiprocessing.get_context("spawn")

    def seconds(cells: int, size: float) -> float:
        jobs, together = jobs_in(folder, cells, size), spawn.Barrier(workers + 1)
        ends = spawn.SimpleQueue()
        arguments = (jobs, together, ends)
        sharing = [spawn.Process(target=share, args=arguments) for _ in range(workers)]
        for process in sharing:
            process.start()
        together.wait()
        begin = time.monotonic()
        for process in sharing:
            process.join()
        return max(ends.get() for _ in sharing) - begin

    return seconds


def taken(repetitions: int, names: Collection[str]) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Of each engine: seconds an idle cell takes, beyond the row, and of busy ones by workers."""
    makes = {
        "processes": partial(on_engine, ProcessEngine),
        "dask": partial(on_engine, DaskEngine),
        "share": on_sharing,
    }
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        local = on_engine(LocalEngine, 1, folder, stack)
        engines = {
            name: (makes[name](1, folder, stack), makes[name](2, folder, stack)) for name in names
        }
        found = {name: {each: [] for each in COLUMNS} for name in names}
        for _ in range(repetitions):
            least = local(IDLE, 0.0) / IDLE
            for name, (one, two) in engines.items():
                idle = one(IDLE, 0.0) / IDLE
                values = (idle, idle - least, one(BUSY, 1.0), two(BUSY, 1.0))
                for column, value in zip(COLUMNS, values, strict=True):
                    found[name][column].append(value)
    yield from found.items()


def ratios() -> Iterator[Ratio]:
    """Two workers of the default engine held against one."""
    for name, found in taken(3, ["processes"]):
        yield Ratio(
            what=f"{BUSY} cells of a second, two workers: {name}",
            rival="one worker",
            ours=found["two workers"],
            theirs=found["one worker"],
            aim=1 / SPEEDUP,
        )


def main(repetitions: int) -> None:
    """Print the table."""
    table = Table(title=f"Medians of {repetitions} repetitions")
    for column in ("engine", "ms a cell", "beyond the row, ms", "s, 1 worker", "s, 2 workers"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    table.add_column("speedup", justify="right")
    for name, found in taken(repetitions, ["processes", "dask", "share"]):
        idle, beyond, one, two = (median(values) for values in found.values())
        both = zip(found["one worker"], found["two workers"], strict=True)
        shown = (1e3 * idle, 1e3 * beyond, one, two)
        speedup = median(single / double for single, double in both)
        table.add_row(name, *(f"{each:.1f}" for each in shown), f"{speedup:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
