"""What a run says as one JSON document, for programs: its ledger of claims and its files."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from multiview.runs.claims import Judgement
from multiview.runs.counts import benjamini_hochberg
from multiview.runs.experiment import Experiment
from multiview.runs.publish import ROWS_SUFFIX, RUNS_SUFFIX, PublishedRun
from multiview.runs.report import notes
from multiview.runs.rows import RUN_SUFFIX
from multiview.runs.store import Run
from multiview.runs.verdicts import judgements

DRAWN = (".png", ".pdf")


def document(experiment: Experiment, run: Run) -> dict[str, Any]:
    """A run: what it is, its claims with estimate, interval and verdict, and where its files are.

    Numbers that are infinite, as the open end of a predicted interval, or unknown are null.
    """
    table = run.table()
    judged = judgements(experiment, run, table)
    return {
        "experiment": run.experiment,
        "title": experiment.title,
        "run": run.label,
        "preset": run.preset,
        "options": run.options,
        "command": run.command,
        "code_version": run.code_version,
        "cells": len(run.keys),
        "rows": len(set(table["key"])) if len(table) else 0,
        "notes": notes(experiment, run, table),
        "claims": ledger(judged),
        "paths": paths(run),
    }


def ledger(judged: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Every claim with what was predicted and measured, and the verdict."""
    survivors = benjamini_hochberg(judged)
    return [_entry(each, stays) for each, stays in zip(judged, survivors, strict=True)]


def paths(run: Run) -> dict[str, Any]:
    """Where the rows of a run, what is known of it, and its pictures lie."""
    folder = run.directory.resolve()
    if isinstance(run, PublishedRun):
        name = folder / run.experiment
        return {"rows": f"{name}{ROWS_SUFFIX}", "run": f"{name}{RUNS_SUFFIX}", "figures": []}
    stem = folder / run.label
    drawn = [Path(f"{stem}{suffix}") for suffix in DRAWN]
    return {
        "rows": str(folder),
        "run": f"{stem}{RUN_SUFFIX}",
        "figures": [str(path) for path in drawn if path.is_file()],
    }


def as_text(value: Any) -> str:
    """The one line that is printed; strict JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)


def _entry(judgement: Judgement, survives: bool) -> dict[str, Any]:
    claim, interval = judgement.claim, judgement.interval
    return {
        "name": claim.name,
        "source": claim.source,
        "statement": claim.statement,
        "kind": claim.kind,
        "primary": claim.primary,
        "decided": claim.decided,
        "edited": list(judgement.edited),
        "predicted": _finite(claim.predicted),
        "estimate": None if interval is None else _finite([interval.mean])[0],
        "interval": None if interval is None else _finite([interval.low, interval.high]),
        "method": None if interval is None else interval.method,
        "n": judgement.repetitions,
        "missing": judgement.missing,
        "verdict": judgement.verdict,
        "further_seeds": judgement.further_seeds,
        "p_value": judgement.p_value,
        "survives_correction": survives if claim.kind == "claim" else None,
        "note": judgement.note,
    }


def _finite(numbers: Iterable[float]) -> list[float | None]:
    return [float(number) if math.isfinite(number) else None for number in numbers]
