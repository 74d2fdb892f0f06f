"""``--share``: programs started with one command on one folder compute each cell once."""

import os
import signal
from collections import Counter

import pytest
from toy_experiment import EXPERIMENT, Options
from toy_programs import CELLS, alive, compute_here, rows, start, wait_for
from toy_runs import contents

from multiview.runs.engines import LocalEngine
from multiview.runs.leases import read
from multiview.runs.runner import plan
from multiview.runs.sweep import compute


def holders(out):
    """The processes that compute cells now."""
    found = (out / "toy_experiment" / "leases").glob("*.lease-*")
    return {read(path).get("process") for path in found}


def computed(log):
    """How often each cell was begun."""
    return Counter(log.read_text().splitlines())


@pytest.mark.parametrize("engine", ["local", "processes"])
def test_each_cell_is_computed_once_and_the_whole_is_shown(tmp_path, engine):
    log = tmp_path / "log"
    programs = [start(tmp_path, engine, log, nap="0.1", options=["--share"]) for _ in range(3)]
    printed = [program.communicate()[0] for program in programs]
    assert [program.returncode for program in programs] == [0] * 3, printed
    assert set(computed(log).values()) == {1}
    assert len(computed(log)) == CELLS
    shown = [text for text in printed if "Claims" in text]
    assert shown
    for text in printed:
        assert text in shown or "Another process shows the results." in text
        assert f"{CELLS} cells" in text
    for text in shown:
        assert "missing" not in text  # the claim is judged by all rows
    mine, _ = compute_here(tmp_path / "alone")
    assert contents(tmp_path / "toy_experiment") == contents(mine)
    assert list((tmp_path / "toy_experiment" / "leases").iterdir()) == []


def test_the_cells_of_a_program_that_was_killed_go_to_the_others(tmp_path):
    log = tmp_path / "log"
    programs = [start(tmp_path, "local", log, nap="0.4", options=["--share"]) for _ in range(3)]
    wait_for(lambda: len(rows(tmp_path)) >= 2)
    victim = programs[0]
    wait_for(lambda: victim.pid in holders(tmp_path))
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    printed = [program.communicate()[0] for program in programs[1:]]
    assert [program.returncode for program in programs[1:]] == [0] * 2, printed
    assert len(rows(tmp_path)) == CELLS
    assert sum(computed(log).values()) <= CELLS + 1  # the one in flight was begun twice


def test_a_cell_that_kills_costs_three_programs_and_no_cell(tmp_path):
    """A fourth stores both cells of the seed as lost, so that later ones live."""
    log = tmp_path / "log"
    command = {"nap": "0.02", "options": ["--share"], "TOY_SEED_1": "die"}
    deaths = 0
    for _ in range(8):
        program = start(tmp_path, "local", log, **command)
        program.communicate()
        if program.returncode != -signal.SIGKILL:
            break
        deaths += 1
    assert deaths == 6  # three for each of the two cells
    assert program.returncode == 1
    assert len(rows(tmp_path)) == CELLS


def test_ctrl_c_leaves_at_once_and_the_others_go_on(tmp_path):
    log = tmp_path / "log"
    programs = [start(tmp_path, "local", log, nap="0.3", options=["--share"]) for _ in range(2)]
    # Both are past their imports, during which a program does not hear us yet.
    for program in programs:
        wait_for(lambda program=program: program.pid in holders(tmp_path))
    programs[0].send_signal(signal.SIGINT)
    output, _ = programs[0].communicate(timeout=30)
    assert programs[0].returncode == 1
    assert "Interrupted." in output
    output, _ = programs[1].communicate()
    assert programs[1].returncode == 0, output
    assert len(rows(tmp_path)) == CELLS
    assert not alive(programs[0].pid)


def test_the_folder_is_listed_once_others_are_found_to_be_far(tmp_path, monkeypatch):
    """Of a thousand processes not each must look at each of many cells."""
    _, jobs = plan(EXPERIMENT, "laptop", Options(), out=tmp_path, seeds=20)
    compute_here(tmp_path, seeds=19)
    monkeypatch.setattr("multiview.runs.sweep.FOUND", 5)
    looked = []
    engine = LocalEngine()
    submit = engine.submit
    monkeypatch.setattr(engine, "submit", lambda *given: looked.append(given) or submit(*given))
    outcomes = Counter(outcome.status for outcome in compute(jobs, engine))
    assert outcomes == {"stored": 33, "ok": 7}
    assert len(looked) == 7  # five were found, two computed
