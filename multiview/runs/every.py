"""Every experiment, one after the other, and a report of all: ``multiview run --all``."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from multiview.runs.command_line import joined
from multiview.runs.experiment import Experiment
from multiview.runs.find import find, names
from multiview.runs.html_report import reportable, write_report
from multiview.runs.options import parse
from multiview.runs.script import DONE, ERROR, REFUTED, USAGE, Halted, sweep
from multiview.runs.store import no_results, stored_runs

STATES = {
    DONE: "done",
    ERROR: "cells failed or are missing",
    USAGE: "could not start",
    REFUTED: "done, a claim is refuted",
}


def run_all(arguments: Sequence[str]) -> int:
    """Run every experiment with the same options, then write the report; returns the exit code.

    What is stored is not computed again, so that the same command goes on where it stopped. One
    that cannot start, for instance for want of images, is named at the end and keeps no other one
    from running. An experiment without the preset that is asked for is left out.

    Returns:
        1 if cells failed or are missing, else 2 if an experiment could not start, else 3 if a claim
        was refuted and ``--check`` was given, else 0.
    """
    if "--json" in arguments:
        raise ValueError("--json prints one document: give it with the name of one experiment.")
    errors, codes, seconds = Console(stderr=True), {}, {}
    chosen = [experiment for experiment in map(find, names()) if _has_preset(experiment, arguments)]
    if not chosen:
        return _refused(errors, arguments)
    settings = [parse(experiment, arguments) for experiment in chosen]  # all are read beforehand
    for experiment, own in zip(chosen, settings, strict=True):
        errors.rule(experiment.name)
        begin = time.perf_counter()
        try:
            codes[experiment.name] = sweep(experiment, own)
        except Halted as halted:
            return halted.code
        seconds[experiment.name] = time.perf_counter() - begin
    errors.rule("all experiments")
    errors.print(_table(codes, seconds))
    _report(errors, settings[0].out)
    return next((code for code in (ERROR, USAGE, REFUTED) if code in codes.values()), DONE)


def _has_preset(experiment: Experiment[Any, Any], arguments: Sequence[str]) -> bool:
    """Whether there is the preset that is asked for."""
    words = [each for each in joined(arguments, "--preset") if each.startswith("--preset=")]
    return all(word.removeprefix("--preset=") in experiment.presets for word in words)


def _refused(errors: Console, arguments: Sequence[str]) -> int:
    known = sorted({preset for name in names() for preset in find(name).presets})
    said = f"no experiment has the preset of `{' '.join(arguments)}`: there are {', '.join(known)}."
    errors.print(said, style="bold red", markup=False, soft_wrap=True)
    return USAGE


def _table(codes: dict[str, int], seconds: dict[str, float]) -> Table:
    """What became of each experiment, and how long it took."""
    table = Table("experiment", "state", "seconds", box=None)
    for name, code in codes.items():
        table.add_row(name, STATES.get(code, str(code)), f"{seconds[name]:.0f}")
    return table


def _report(errors: Console, out: Path) -> None:
    """Write OUT/report.html, if there is anything to report."""
    if runs := reportable(stored_runs(out)):
        errors.print(write_report(runs, out / "report.html"), soft_wrap=True, highlight=False)
    else:
        errors.print(no_results(out), style="yellow", markup=False, soft_wrap=True)
