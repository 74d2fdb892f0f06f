"""All experiments in one command: each runs, whatever becomes of the others."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_experiment import EXPERIMENT

from multiview.runs import every
from multiview.runs.cli import command
from multiview.runs.script import DONE, ERROR, TERMINATED, USAGE

Started = list[str]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Started]:
    """Experiments that are made up for a test; what has begun to compute is noted."""

    def make(**checks: Callable[..., None]) -> Started:
        started: Started = []

        def check(name: str, own: Callable[..., None]) -> Callable[..., None]:
            def noted(cells: Any, context: Any) -> None:
                started.append(name)
                own(cells, context)

            return noted

        made = {
            name: replace(EXPERIMENT, name=name, check=check(name, own))
            for name, own in checks.items()
        }
        monkeypatch.setattr(every, "names", lambda: sorted(made))
        monkeypatch.setattr(every, "find", made.__getitem__)
        monkeypatch.setattr(every, "reportable", list)
        monkeypatch.setattr(every, "write_report", lambda runs, path: f"{path} of {len(runs)} runs")
        monkeypatch.chdir(tmp_path)
        return started

    return make


def good(cells: Any, context: Any) -> None:
    """Accept all cells."""


def without_images(cells: Any, context: Any) -> None:
    raise ValueError("data_dir=None: give the folder of the images.")


def stop(cells: Any, context: Any) -> None:
    signal.raise_signal(signal.SIGTERM)


def run_all(*own: str) -> int:
    return command(["run", "--all", "--preset", "smoke", "--no-figure", *own])


def test_each_runs_and_a_report_ends_it(world: Any, tmp_path: Path, capfd: Any) -> None:
    started = world(a=good, b=good)
    assert run_all() == DONE
    assert started == ["a", "b"]
    assert {path.parent.name for path in tmp_path.rglob("*.run.json")} == {"a", "b"}
    assert "results/report.html of 2 runs" in capfd.readouterr().err


def test_what_is_stored_is_not_computed_again(world: Any, capfd: Any) -> None:
    started = world(a=good)
    assert run_all() == DONE
    assert run_all() == DONE
    assert started == ["a"]  # nothing is left to check
    assert "0 computed" in capfd.readouterr().err


def test_one_that_cannot_start_keeps_no_other_from_running(world: Any, capfd: Any) -> None:
    started = world(a=without_images, b=good)
    assert run_all() == USAGE
    assert started == ["a", "b"]
    said = capfd.readouterr().err
    assert "data_dir=None" in said
    lines = [line.strip() for line in said.splitlines()]
    table = {line[0]: line for line in lines if line[:2] in ("a ", "b ")}
    assert "could not start" in table["a"]
    assert "done" in table["b"]


def test_failed_cells_are_told_at_the_end(
    world: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    world(a=good)
    monkeypatch.setenv("TOY_SEED_0", "raise")
    assert run_all() == ERROR
    assert "cells failed or are missing" in capfd.readouterr().err


def test_a_signal_ends_all(world: Any) -> None:
    started = world(a=stop, b=good)
    assert run_all() == TERMINATED
    assert started == ["a"]


def test_bad_options_are_refused_before_anything_runs(world: Any) -> None:
    started = world(a=good)
    with pytest.raises(SystemExit) as ended:
        run_all("--sedes", "3")
    assert ended.value.code == USAGE
    assert started == []


def test_one_document_is_of_one_experiment(world: Any, capfd: Any) -> None:
    started = world(a=good)
    assert command(["run", "--preset", "smoke", "--json", "--all"]) == ERROR
    assert "--json prints one document" in capfd.readouterr().err
    assert started == []


def test_an_experiment_without_the_preset_is_left_out(
    world: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    started = world(a=good, b=good)
    find, few = every.find, {"smoke": EXPERIMENT.presets["smoke"]}
    monkeypatch.setattr(
        every, "find", lambda name: replace(find(name), presets=few) if name == "b" else find(name)
    )
    assert command(["run", "--all", "--preset=laptop", "--seeds", "1", "--no-figure"]) == DONE
    assert started == ["a"]
    assert command(["run", "--all", "--preset", "hours"]) == USAGE
    assert "there are laptop" in capfd.readouterr().err
