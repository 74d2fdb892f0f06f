"""Runs of the toy experiment in a folder, for the tests of the bookkeeping."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from toy_experiment import EXPERIMENT, Options, claims

from multiview.runs.claims import Claim
from multiview.runs.engines import LocalEngine
from multiview.runs.estimates import measured
from multiview.runs.experiment import Experiment
from multiview.runs.runner import plan
from multiview.runs.store import Run
from multiview.runs.sweep import compute

TIMES = ("seconds", "finished", "threads", "peak_memory", "instructions")
COMMIT = "c0ffee" + "0" * 34


def run_toy(
    out: Path,
    preset: str = "smoke",
    experiment: Experiment[Any, Any] = EXPERIMENT,
    options: Any = None,
    **settings: Any,
):
    """Plan, store and compute a run; returns it and the outcomes."""
    options = experiment.options() if options is None else options
    run, jobs = plan(experiment, preset, options, out=out, **settings)
    run.directory.mkdir(parents=True, exist_ok=True)
    run.store()
    return run, list(compute(jobs, LocalEngine()))


def stored_toy(out, preset="smoke", experiment=EXPERIMENT, seeds=None, **options) -> Run:
    """A run whose rows are stored."""
    return run_toy(out, preset, experiment, Options(**options), seeds=seeds)[0]


def toy_claim(low: float, high: float, measure: str = "error", **other: Any) -> Claim:
    """The toy experiment's claim with another range, and other fields."""
    estimate = measured(measure, "coin", flips=200)
    return replace(claims([])[0], predicted=(low, high), **{"estimate": estimate, **other})


def cells_in(table) -> int:
    """The number of cells that have a row."""
    return len(set(table["key"]))


def contents(directory):
    """The rows without what may differ between two computations, by name."""
    found = {}
    for path in directory.glob("*.json"):
        if not path.name.endswith(".run.json"):
            row = json.loads(path.read_text())["row"]
            found[path.name] = {k: v for k, v in row.items() if k not in TIMES}
    return found


def shown(thing):
    """What the terminal shows of something."""
    console = Console(file=io.StringIO(), width=160)
    console.print(thing)
    return console.file.getvalue()  # type: ignore[attr-defined]
