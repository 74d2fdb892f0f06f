"""What a run says: its summary, its claims with their verdicts, and the report of all runs."""

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from multiview.atomic import write_atomically
from multiview.runs.claims import Claim, Judgement, judge
from multiview.runs.experiment import Experiment
from multiview.runs.find import find, names
from multiview.runs.store import Run, no_results, stored_runs
from multiview.runs.version import code_version

COLOURS = {"supported": "bold green", "refuted": "bold red", "inconclusive": "bold yellow"}
COLUMNS = ("claim", "source", "predicted", "measured (95%)", "n", "verdict")


def judgements(experiment: Experiment, run: Run, table: Any) -> list[Judgement]:
    """The experiment's claims about this preset and these options, judged by the run's rows."""
    if table.empty:
        return []
    try:
        options = experiment.options(**run.options)
    except (TypeError, ValueError):  # the script has other options now, as the notes will say
        return []
    return [_judged(claim, table) for claim in experiment.claims(run.preset, options)]


def _judged(claim: Claim, table: Any) -> Judgement:
    """``judge``, but for a claim that is itself wrong: it must not hide what others say."""
    try:
        return judge(claim, table)
    except ValueError as error:
        return Judgement(claim=claim, repetitions=0, missing=0, note=f"not judged: {error}")


def notes(experiment: Experiment, run: Run, table: Any) -> list[str]:
    """What a reader must know before trusting the numbers."""
    found = []
    if missing := len(run.keys) - len(table):
        found.append(f"{missing} of {len(run.keys)} cells have no row yet: run it again.")
    if run.code_version != code_version(
        experiment.run, *(each.cells for each in experiment.grids.values())
    ):
        found.append("These rows were made by older code: run it again to see today's.")
    if len(table) and len(failed := table[table["status"] == "failed"]):
        found.append(f"{len(failed)} of {len(run.keys)} cells failed and are left out:")
        found += [f"  seed {row.seed}: {row.failure}" for row in failed.itertuples()]
    return found


def present(console: Console, experiment: Experiment, run: Run) -> list[Judgement]:
    """Print a run's notes, summary and claims."""
    table = run.table()
    for note in notes(experiment, run, table):
        console.print(note, style="yellow", markup=False)
    if experiment.summary is not None and len(table):
        with tolerant(console, run, table):
            ok = table[table["status"] == "ok"]
            console.print(experiment.summary(ok), highlight=False, markup=False)
    judged = judgements(experiment, run, table)
    if judged:
        console.print(claims_table(judged))
    return judged


@contextmanager
def tolerant(console: Console, run: Run, table: Any) -> Iterator[None]:
    """Print what goes wrong instead of raising it if rows are missing, for that may be why."""
    try:
        yield
    except Exception as error:
        ok = len(table) and int((table["status"] == "ok").sum())
        if ok == len(run.keys):
            raise
        message = f"not possible with {ok} of {len(run.keys)} rows: {error!r}"
        console.print(message, style="bold red", markup=False, soft_wrap=True)


def claims_table(judged: Sequence[Judgement]) -> Table:
    """The claims and their verdicts for the terminal."""
    table = Table(*COLUMNS, box=box.SIMPLE_HEAD)
    for judgement in judged:
        *cells, verdict = _cells(judgement)
        table.add_row(*map(escape, cells), f"[{COLOURS[judgement.verdict]}]{verdict}")
    return table


def write_report(out: Path) -> Path:
    """Gather every stored run below ``out`` in ``report.md``; returns its path.

    Raises:
        FileNotFoundError: If there is no run of an experiment that is still there.
    """
    runs = [run for run in stored_runs(out) if run.experiment in names()]
    if not runs:
        raise FileNotFoundError(no_results(out))
    sections, counts = [], Counter()
    for run in runs:
        experiment, table = find(run.experiment), run.table()
        judged = judgements(experiment, run, table)
        counts.update(judgement.verdict for judgement in judged)
        sections.append(f"## {run.label}\n\n{experiment.title}\n")
        sections += [f"> {note}" for note in notes(experiment, run, table)]
        if judged:
            sections.append(f"\n| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
            for judgement in judged:
                *cells, verdict = map(_in_a_cell, _cells(judgement))
                sections.append(f"| {' | '.join(cells)} | **{verdict}** |")
        figure = run.directory / f"{run.label}.png"
        if figure.exists():
            path = Path(os.path.relpath(figure, out)).as_posix()
            sections.append(f"\n![{experiment.title}]({path})")
        sections.append("")
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in COLOURS)
    text = "\n".join([f"# Report\n\n{counts.total()} claims: {verdicts}.\n", *sections])
    write_atomically(out / "report.md", text.encode())
    return out / "report.md"


def _in_a_cell(text: str) -> str:
    """Text that neither ends a cell of a Markdown table nor its line."""
    return " ".join(text.split()).replace("|", r"\|")


def _cells(judgement: Judgement) -> list[str]:
    claim, interval, n = judgement.claim, judgement.interval, str(judgement.repetitions)
    if judgement.missing:
        n += f" ({judgement.missing} missing)"
    measured = judgement.note or "no value"
    if interval is not None:
        measured = f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}]"
    verdict: str = judgement.verdict
    if judgement.further_seeds is not None:
        verdict += f" (more seeds needed: {judgement.further_seeds})"
    elif verdict == "inconclusive" and interval is not None:
        verdict += " (on the edge of the prediction)"
    return [
        f"{claim.name}: {claim.statement}",
        claim.source,
        _predicted(*claim.predicted),
        measured,
        n,
        verdict,
    ]


def _predicted(low: float, high: float) -> str:
    if low == high:
        return f"{low:.3g}"
    if math.isinf(high):
        return f"at least {low:.3g}" if math.isfinite(low) else "any"
    return f"{low:.3g} to {high:.3g}" if math.isfinite(low) else f"at most {high:.3g}"
