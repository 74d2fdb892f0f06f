"""The runner: what a run wants, and the jobs for what is not stored."""

import re
import shlex
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multiview.atomic import remove_stale
from multiview.runs.artefacts import Artefacts
from multiview.runs.commit import commit
from multiview.runs.experiment import C, Context, Experiment, O
from multiview.runs.leases import forget
from multiview.runs.registration import registrations
from multiview.runs.rows import check_no_clash, plain_cell, row_key, row_path
from multiview.runs.split import split_up
from multiview.runs.store import Run, read_rows
from multiview.runs.work import Job, Stored

DONE: dict[str, tuple[Stored, ...]] = {
    "missing": ("ok", "failed", "lost"),
    "bad": ("ok",),
    "all": (),
}  # the status of rows that stay, by which cells are to be computed


def plan(
    experiment: Experiment[C, O],
    preset: str,
    options: O,
    *,
    out: Path,
    seeds: int | None = None,
    fresh: bool = False,
    retry: bool = False,
    context: Context | None = None,
    threads: int | None = None,
    memory: int | None = None,
) -> tuple[Run, list[Job[C]]]:
    """The rows a run wants, and the jobs for those that are not stored, after their parts.

    What killed writers left among the rows is removed.

    Args:
        fresh: Compute every cell again, and what trainings left of the experiment.
        retry: Compute cells again that are stored as failed or lost.
        threads: Of torch in a cell; None: as many as each process has.
        memory: Bytes that a process takes; None: more than the largest that stored a row of the run
            took.

    Raises:
        ValueError: If the preset, the options or a cell is bad; nothing is computed or written.
    """
    cells = experiment.cells(preset, options, seeds)
    version = experiment.code_version()
    keys = [row_key(experiment.name, cell, version) for cell in cells]
    if len(set(keys)) < len(keys):
        twice = next(cell for cell, key in zip(cells, keys, strict=True) if keys.count(key) > 1)
        raise ValueError(
            f"preset={preset} of {experiment.name} has the cell {twice!r} twice: give it once."
        )
    check_no_clash(plain_cell(cells[0]))
    directory, label = out.resolve() / experiment.name, label_of(experiment, preset, options)
    remove_stale(directory)
    done = DONE["all" if fresh else "bad" if retry else "missing"]
    paths = (row_path(directory, key) for key in keys)
    rows = read_rows(path for path in paths if path.exists())
    stored = {row["key"] for row in rows if row["status"] in done}
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
    stamp["commit"], owner = commit(), uuid.uuid4().hex
    jobs = [
        Job(
            run=experiment.run,
            cell=cell,
            context=context,
            directory=directory,
            stamp={"key": key, **stamp},
            done=done,
            fresh=fresh,
            threads=threads,
            memory=memory or known_memory(rows),
            owner=owner,
        )
        for cell, key in zip(cells, keys, strict=True)
        if key not in stored
    ]
    if experiment.presets[preset].split:
        store = Artefacts(folder=directory / "artefacts", version=version)
        jobs = split_up(jobs, experiment.split, store)
        if fresh:
            shutil.rmtree(store.folder, ignore_errors=True)
    for job in jobs if fresh or retry else ():  # it is wanted although processes died of it
        forget(job.lease)
    return run, jobs


def known_memory(rows: Iterable[Mapping[str, Any]]) -> int | None:
    """A quarter more bytes than any process took that computed one of these rows."""
    most = max((row.get("peak_memory", 0) for row in rows), default=0)
    return round(1.25 * most) or None


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
