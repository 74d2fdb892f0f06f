"""What a script in ``theory_experiments`` does when it is run as a program."""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from rich.console import Console

from multiview.runs.command_line import in_words
from multiview.runs.disk import check_disk, what_to_free
from multiview.runs.documents import as_text, document
from multiview.runs.engines import Engine, LocalEngine, ProcessEngine
from multiview.runs.experiment import Context, Experiment
from multiview.runs.find import drawing
from multiview.runs.leases import claim
from multiview.runs.memory import check_memory, keep_freed_memory
from multiview.runs.options import check_options, engine_of, parse
from multiview.runs.progress import ProgressBars
from multiview.runs.publish import rows_folder
from multiview.runs.report import present, report_missing_rows
from multiview.runs.runner import plan
from multiview.runs.sbatch import Refused
from multiview.runs.signals import Stopped, leave, stopped_once
from multiview.runs.slurm import Over, SlurmEngine, command_of_task
from multiview.runs.split import is_part
from multiview.runs.store import Run
from multiview.runs.sweep import Unwritten, compute
from multiview.runs.unpack import unpack
from multiview.runs.work import Job, Outcome

DONE, ERROR, USAGE, REFUTED = 0, 1, 2, 3
TERMINATED = 128 + signal.SIGTERM


def main(experiment: Experiment, args: Sequence[str] | None = None) -> NoReturn:
    """Run ``experiment`` as the command line says and exit.

    Exit codes: 0 done, 1 error or Ctrl-C, 2 usage, 3 done but a claim was refuted and ``--check``
    given, 143 ended by SIGTERM.
    """
    leave(lambda: run_script(experiment, args))


def run_script(experiment: Experiment, args: Sequence[str] | None = None) -> int:
    """``main`` without the exit; usage errors found by the parser still raise SystemExit(2)."""
    try:
        return sweep(experiment, parse(experiment, args))
    except Halted as halted:
        return halted.code


class Halted(Exception):
    """A sweep was ended by Ctrl-C or SIGTERM, which has been said.

    Attributes:
        code: What the program should exit with.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def sweep(experiment: Experiment, settings: Any) -> int:
    """Compute what settings say, as ``parse`` returns them, and show it; returns the exit code.

    Raises:
        Halted: If it is stopped.
    """
    keep_freed_memory()
    errors, tally = Console(stderr=True), Tally(fresh=settings.fresh)
    with stopped_once():
        try:
            return _run(experiment, settings, errors, tally)
        except KeyboardInterrupt as stop:
            terminated = isinstance(stop, Stopped) and stop.number == signal.SIGTERM
            reason = str(stop) or "Interrupted."
            code = TERMINATED if terminated else ERROR
            raise Halted(_complain(errors, f"{reason} {tally}", code)) from None


@dataclass
class Tally:
    """How far a sweep is; as text, what stays of it and how it goes on."""

    fresh: bool
    engine: Any = None
    jobs: Sequence[Job] = ()
    count: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        known = outcome.computed or outcome.status == "lost"
        self.count[outcome.status if known else "elsewhere"] += 1

    @property
    def parts(self) -> int:
        """How many jobs are parts of cells."""
        return sum(map(is_part, self.jobs))

    @property
    def has_gaps(self) -> bool:
        """Whether cells were stopped by an error or lost."""
        return bool(self.count["error"] + self.count["lost"])

    def __str__(self) -> str:
        again = "with --resume instead of --fresh" if self.fresh else "again"
        what = "cells and parts of them" if self.parts else "cells"
        rest = getattr(self.engine, "rest", "")  # where it goes on without us
        return (
            f"{self.count['ok'] + self.count['failed']} of {len(self.jobs)} {what} were computed "
            f"and stay; {rest or f'run the same command {again} to compute the rest.'}"
        )


def _run(experiment: Experiment, settings: Any, errors: Console, tally: Tally) -> int:
    """Plan, compute and present, and return the exit code."""
    begin = time.perf_counter()
    try:
        check_options(settings)
        engine = tally.engine = engine_of(settings)
        threads = settings.threads or engine.threads
        run, jobs = _plan(experiment, settings, threads)
        if settings.from_published:
            found = unpack(rows_folder(), run, [job for job in jobs if not is_part(job)])
            errors.print(f"{run.label}: {found}", highlight=False, soft_wrap=True)
            run, jobs = _plan(experiment, settings, threads)
        tally.jobs = jobs
        cells = [job.cell for job in jobs if not is_part(job)]
        cost = experiment.cost(cells, jobs[0].context) if jobs else None
        here = isinstance(engine, LocalEngine | ProcessEngine) and settings.device == "cpu"
        if cost is not None and here:
            check_memory(cost.memory, min(engine.workers, len(jobs)))
        if cost is not None:
            check_disk(run.directory, cost.disk)
        bars = ProgressBars(errors, experiment.name, [job.lease for job in jobs])
        run.store()
        if jobs and isinstance(engine, Engine):
            engine.prepare(experiment, run.directory, jobs)
    except ValueError as error:
        return _complain(errors, str(error), USAGE)
    except OSError as error:
        return _complain(errors, f"{in_words(error)}: name another place, or mend this one.")
    if cost is not None:
        errors.print(cost.text, highlight=False, soft_wrap=True)
    try:
        begun = _begin(errors, experiment, settings, engine, run, jobs)
        with engine, bars, closing(begun) as outcomes:
            for outcome in bars.follow(outcomes):
                tally.add(outcome)
                _tell(errors, outcome)
        _sum_up(errors, run, tally, time.perf_counter() - begin)
        if not settings.share:
            return _conclude(errors, experiment, run, settings, tally)
        if (showing := claim(run.directory / "leases" / f"{run.label}-shown")) is None:
            errors.print("Another process shows the results.")
            return ERROR if tally.has_gaps else DONE
        with showing:
            return _conclude(errors, experiment, run, settings, tally)
    except BrokenExecutor as error:
        return _complain(errors, f"The engine takes no more cells: {error}. {tally}")
    except Refused as error:
        return _complain(errors, str(error))
    except Over as error:
        return _complain(errors, f"{error} {tally}")
    except Unwritten as error:
        return _complain(errors, f"{error}: {what_to_free(run.directory)} {tally}")
    except OSError as error:
        return _complain(errors, f"{in_words(error)}. {tally}")


def _begin(
    errors: Console, experiment: Experiment, settings: Any, engine: Any, run: Run, jobs: list[Job]
) -> Generator[Outcome, None, None]:
    """The outcomes to come, wherever cells are computed."""
    if not isinstance(engine, SlurmEngine):
        return compute(jobs, engine)
    threads = settings.threads or engine.threads
    folders = {"out": settings.out, "data-dir": settings.data_dir}
    command = command_of_task(experiment, run.command, threads, settings.device, folders)
    tell = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    return engine.compute(jobs, command, run.label, tell)


def _plan(experiment: Experiment, settings: Any, threads: int | None) -> tuple[Run, list[Job]]:
    context = Context(device=settings.device, data_dir=settings.data_dir)
    run, jobs = plan(
        experiment,
        settings.preset,
        settings.own,
        out=settings.out,
        seeds=settings.seeds,
        fresh=settings.fresh,
        retry=settings.retry,
        context=context,
        threads=threads,
        memory=None if settings.memory is None else round(1e9 * settings.memory),
    )
    if jobs:
        experiment.check([job.cell for job in jobs if not is_part(job)], context)
    if settings.share:  # so that processes that begin together meet little
        random.SystemRandom().shuffle(jobs)
    return run, jobs


def _sum_up(errors: Console, run: Run, tally: Tally, seconds: float) -> None:
    """Print how many cells there were, and what became of them."""
    count = tally.count
    others = {"by others": count["elsewhere"], "lost": count["lost"]}
    seldom = "".join(f"{number} {what}, " for what, number in others.items() if number)
    cells = len(run.keys) - (len(tally.jobs) - tally.parts)
    parts = f" and {tally.parts} parts of them" if tally.parts else ""
    errors.print(
        f"{run.label}: {len(run.keys)} cells{parts}, {cells} stored before, "
        f"{count['ok']} computed, {seldom}{count['failed']} failed, "
        f"{count['error']} stopped by an error; {seconds:.1f} s",
        highlight=False,
        soft_wrap=True,
    )


def _conclude(
    errors: Console, experiment: Experiment, run: Run, settings: Any, tally: Tally
) -> int:
    """Print summary and claims, draw the figure; returns the exit code."""
    console = Console(width=None if sys.stdout.isatty() else 120, quiet=settings.json)
    judged, table = present(console, experiment, run), run.table()
    if experiment.figure is not None and not settings.no_figure:
        with report_missing_rows(errors, run, table):
            for path in drawing("make").draw(run, experiment):
                console.print(path, soft_wrap=True, highlight=False)
    if settings.json:
        print(as_text(document(experiment, run)))
    if tally.has_gaps or (len(table) and "lost" in set(table["status"])):
        return ERROR
    refuted = any(judgement.verdict == "refuted" for judgement in judged)
    return REFUTED if refuted and settings.check else DONE


def _tell(errors: Console, outcome: Outcome) -> None:
    if outcome.status not in ("ok", "stored"):
        errors.print(
            f"{outcome.status}: {outcome.cell}\n{outcome.message}",
            style="red",
            markup=False,
            soft_wrap=True,
        )


def _complain(errors: Console, message: str, code: int = ERROR) -> int:
    errors.print(message, style="bold red", markup=False, highlight=False, soft_wrap=True)
    return code
