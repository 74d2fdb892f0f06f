"""What a run says in the terminal: notes, tables and claims."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from multiview.runs.claims import Judgement
from multiview.runs.experiment import Experiment
from multiview.runs.grid import Grid
from multiview.runs.store import Run
from multiview.runs.verdicts import claims_grid, dropped, judgements

if TYPE_CHECKING:
    from pandas import DataFrame


def notes(experiment: Experiment, run: Run, table: "DataFrame") -> list[str]:
    """What a reader must know before trusting the numbers."""
    return [*about_rows(experiment, run, table), *about_claims(experiment, run)]


def about_rows(experiment: Experiment, run: Run, table: "DataFrame") -> list[str]:
    """Rows that are missing, failed, made by older code, or made on processors of two kinds."""
    found, stored = [], _number_of(table)
    again = f"run `{run.command}`"
    if missing := len(run.keys) - stored:
        found.append(f"{missing} of {len(run.keys)} cells have no row yet: {again}.")
    if not is_newest(experiment, run):
        found.append(f"These rows were made by older code: {again} to see today's.")
    for status, what in (("failed", "failed"), ("lost", "were lost with their processes")):
        if len(table) and len(left_out := table[table["status"] == status]):
            found.append(
                f"{len(left_out)} of {len(run.keys)} cells {what} and are left out; "
                f"`{run.command} --retry` computes them again:"
            )
            reasons = zip(left_out["seed"], left_out["failure"], strict=True)
            found += [f"  seed {seed}: {reason}" for seed, reason in reasons]
    return [*found, *about_processors(table)]


def about_processors(table: "DataFrame") -> list[str]:
    """That rows are rounded in two ways; rows that do not name their processor are passed over."""
    named = table["instructions"].dropna() if "instructions" in table else ()
    if len({"bf16" in each for each in named if each}) < 2:
        return []
    return [
        "Some rows are of processors that multiply in bfloat16 and some of others, where networks "
        "on images are trained in float32: compare their seeds with care."
    ]


def about_claims(experiment: Experiment, run: Run) -> list[str]:
    """Claims that are gone."""
    gone = dropped(experiment, run)
    return [f"Claims registered with this run are stated no more: {', '.join(gone)}."] * bool(gone)


def is_newest(experiment: Experiment, run: Run) -> bool:
    """Whether the code that made a run's rows would make them again."""
    return run.code_version == experiment.code_version()


def present(console: Console, experiment: Experiment, run: Run) -> list[Judgement]:
    """Print a run's notes, tables and claims."""
    table = run.table()
    for note in notes(experiment, run, table):
        console.print(note, style="yellow", markup=False)
    with report_missing_rows(console, run, table):
        for grid in grids(experiment, table):
            console.print(grid.rich())
    judged = judgements(experiment, run, table)
    if judged:
        console.print(claims_grid(judged).rich())
    return judged


def grids(experiment: Experiment, table: "DataFrame") -> Iterator[Grid]:
    """The experiment's tables of a run, as texts."""
    lines = experiment.derive(table)
    if len(lines):
        for listing in experiment.tables(lines):
            yield listing.grid(lines)


def _number_of(table: "DataFrame") -> int:
    """The number of rows, each of which has one or more lines in the table."""
    return len(set(table["key"])) if len(table) else 0


@contextmanager
def report_missing_rows(console: Console, run: Run, table: "DataFrame") -> Iterator[None]:
    """Print an error instead of raising it if rows are missing, for that may be its cause."""
    try:
        yield
    except Exception as error:
        ok = len(set(table["key"][table["status"] == "ok"])) if len(table) else 0
        if ok == len(run.keys):
            raise
        message = f"not possible with {ok} of {len(run.keys)} rows: {error!r}"
        console.print(message, style="bold red", markup=False, soft_wrap=True)
