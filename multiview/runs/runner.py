"""The runner: cells become rows; those already stored are skipped."""

import platform
import re
import shlex
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, Literal

import multiview
from multiview.atomic import remove_stale
from multiview.runs.commit import commit
from multiview.runs.engines import report
from multiview.runs.experiment import C, Context, Experiment, O, Row
from multiview.runs.registration import registrations
from multiview.runs.rows import (
    check_no_clash,
    check_tidy,
    plain_cell,
    row_key,
    split_result,
    write_row,
)
from multiview.runs.store import Run, read_rows


@dataclass(frozen=True, kw_only=True)
class Job(Generic[C]):
    """One cell to compute, with all a worker on any machine must know."""

    run: Callable[[C, Context], Row]
    cell: C
    context: Context
    directory: Path
    stamp: dict[str, Any]  # what the row says beside its cell and result
    fresh: bool = False  # forget what a killed attempt left

    @property
    def scratch(self) -> Path:
        """Where this cell keeps what it can go on with."""
        return self.directory / f"{self.stamp['key']}.unfinished"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job: a row, a row that records a failure, or no row."""

    key: str
    cell: object
    status: Literal["ok", "failed", "error"]
    message: str = ""


def plan(
    experiment: Experiment[C, O],
    preset: str,
    options: O,
    *,
    out: Path,
    seeds: int | None = None,
    fresh: bool = False,
    context: Context | None = None,
) -> tuple[Run, list[Job[C]]]:
    """The rows a run wants, and the jobs for those that are not stored.

    What killed writers left among the rows is removed.

    Raises:
        ValueError: If the preset, the options or a cell is bad; nothing is computed or written.
    """
    cells = experiment.cells(preset, options, seeds)
    version = experiment.code_version()
    keys = [row_key(experiment.name, cell, version) for cell in cells]
    if len(set(keys)) < len(keys):
        twice = next(cell for cell, key in zip(cells, keys, strict=True) if keys.count(key) > 1)
        raise ValueError(f"preset={preset} of {experiment.name} has the cell {twice!r} twice.")
    check_no_clash(plain_cell(cells[0]))
    directory, label = out.resolve() / experiment.name, label_of(experiment, preset, options)
    remove_stale(directory)
    paths = (directory / f"{key}.json" for key in keys)
    stored = {row["key"] for row in read_rows(path for path in paths if path.exists())}
    run = Run(
        directory=directory,
        label=label,
        experiment=experiment.name,
        preset=preset,
        options=asdict(options),  # pyright: ignore[reportArgumentType]  # a dataclass
        figure=experiment.figure,
        code_version=version,
        keys=tuple(keys),
        command=command_of(experiment, preset, options, seeds),
        claims=registrations(experiment.claims_about(preset, options), directory, label, cells),
    )
    context = context or Context()
    stamp = {"experiment": experiment.name, "preset": preset, "code_version": version}
    stamp["commit"] = commit()
    jobs = [
        Job(
            run=experiment.run,
            cell=cell,
            context=context,
            directory=directory,
            stamp={"key": key, **stamp},
            fresh=fresh,
        )
        for cell, key in zip(cells, keys, strict=True)
        if fresh or key not in stored
    ]
    return run, jobs


def changed_options(experiment: Experiment, options: Any) -> dict[str, Any]:
    """The options that are not as the script has them by default."""
    default = asdict(experiment.options())
    return {name: value for name, value in asdict(options).items() if value != default[name]}


def label_of(experiment: Experiment[C, O], preset: str, options: O) -> str:
    """Name of a run's files; the default preset and options go without saying."""
    parts = [experiment.name, *([preset] if preset != experiment.default_preset else [])]
    for name, value in changed_options(experiment, options).items():
        parts.append(re.sub(r"[^\w.]+", "_", f"{name}_{value}"))
    return "-".join(parts)


def command_of(experiment: Experiment[C, O], preset: str, options: O, seeds: int | None) -> str:
    """The command that makes a run, but for its folders and its engine."""
    words = ["multiview", "run", experiment.name]
    if preset != experiment.default_preset:
        words += ["--preset", preset]
    for name, value in changed_options(experiment, options).items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    if seeds not in (None, experiment.presets[preset].seeds):
        words += ["--seeds", str(seeds)]
    return shlex.join(words)


def work(job: Job) -> Outcome:
    """Compute a cell and store its row, wherever the engine has put us.

    A loss that stopped being a number (FloatingPointError) belongs to the settings, so it is a
    row, "failed", and not tried again; any other exception leaves no row, and the cell's scratch
    folder for the next attempt.
    """
    import torch

    key = job.stamp["key"]
    begin = time.perf_counter()
    row = {**job.stamp, "status": "ok", "failure": "", "cell": plain_cell(job.cell), "result": {}}
    arrays = {}
    if job.fresh:
        shutil.rmtree(job.scratch, ignore_errors=True)
    context = replace(job.context, progress=partial(report, key), scratch=job.scratch)
    try:
        result = job.run(job.cell, context)
        check_tidy(result)
        check_no_clash(row["cell"], result)
        row["result"], arrays = split_result(result)
    except FloatingPointError as error:
        row |= {"status": "failed", "failure": str(error) or type(error).__name__}
    except Exception:
        return Outcome(key=key, cell=job.cell, status="error", message=traceback.format_exc())
    row |= {
        "package_version": multiview.__version__,
        "torch_version": torch.__version__,
        "python_version": platform.python_version(),
        "device": job.context.device,
        "threads": torch.get_num_threads(),
        "seconds": round(time.perf_counter() - begin, 6),
        "finished": datetime.now(UTC).isoformat(),
    }
    write_row(job.directory, row, arrays)
    shutil.rmtree(job.scratch, ignore_errors=True)
    return Outcome(key=key, cell=job.cell, status=row["status"], message=row["failure"])


def compute(jobs: Iterable[Job], executor: Executor) -> Iterator[Outcome]:
    """Submit every job and yield the outcomes as they come.

    Raises:
        concurrent.futures.BrokenExecutor: If a worker was killed; rows stored so far stay.
        OSError: If a row cannot be written, e.g. because the disk is full.
    """
    done: SimpleQueue = SimpleQueue()
    waiting = 0
    for job in jobs:
        executor.submit(work, job).add_done_callback(done.put)
        waiting += 1
        while not done.empty():  # an engine may compute while it is given the job
            waiting -= 1
            yield done.get().result()
    for _ in range(waiting):
        yield done.get().result()
