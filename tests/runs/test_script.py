"""A script as a program: options, exit codes, what it prints and draws."""

import errno
import math
import os
import re
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from toy_experiment import EXPERIMENT, claims
from toy_runs import cells_in

from multiview.bench.cost import Cost
from multiview.runs import memory
from multiview.runs.estimates import Estimate, Values, measured
from multiview.runs.script import run_script
from multiview.runs.store import load

REFUTED = replace(
    EXPERIMENT,
    claims=lambda cells: [replace(claims(cells)[0], predicted=(0.9, 1.0))],
)


@pytest.fixture
def toy(tmp_path, capfd):
    def run(*args, experiment=EXPERIMENT):
        try:
            code = run_script(experiment, ["--out", str(tmp_path / "out"), *args])
        except SystemExit as stop:  # the parser's
            code = stop.code
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_run_prints_its_tables_and_its_verdicts(toy):
    code, out, err = toy("--preset", "smoke")
    assert code == 0
    assert "Heads, %" in out
    assert re.search(r"200 flips +(4|5)\d\.\d \[", out)
    assert "fair: heads as often as tails" in out
    assert "Theorem 0" in out
    assert "0.3 to 0.7" in out
    assert "4 cells, 0 stored before, 4 computed, 0 failed" in err
    assert "4 stored before, 0 computed" in toy("--preset", "smoke", "--resume")[2]
    assert "0 stored before, 4 computed" in toy("--preset", "smoke", "--fresh")[2]


def test_what_is_left_to_compute_is_priced_before_it_starts(toy, tmp_path):
    def cost(cells, context):
        assert not list((tmp_path / "out").rglob("*.json"))  # nothing is computed yet
        flips = f"{sum(cell.flips for cell in cells)} flips on {context.device}"
        return Cost(text=flips, memory=1e6)

    priced = replace(EXPERIMENT, cost=cost)
    assert "600 flips on cpu" in toy("--preset", "smoke", experiment=priced)[2]
    assert "flips on" not in toy("--preset", "smoke", experiment=priced)[2]  # all are stored


def test_more_memory_than_there_is_is_refused_with_numbers_before_anything_starts(
    toy, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "free_memory", lambda: 5_000_000_000)
    priced = replace(EXPERIMENT, cost=lambda cells, context: Cost(text="", memory=2e9))
    options = ("--preset", "smoke", "--engine", "processes", "--workers")
    code, _, said = toy(*options, "3", experiment=priced)
    assert code == 2
    assert "5.0 GB of memory are free, and this takes 3 processes of 2.0 GB" in said
    assert "use --workers 2, or a preset of fewer images" in said
    assert not list((tmp_path / "out").rglob("*.json"))
    assert toy(*options, "2", experiment=priced)[0] == 0
    huge = replace(EXPERIMENT, cost=lambda cells, context: Cost(text="", memory=9e9))
    code, _, said = toy("--preset", "smoke", "--fresh", experiment=huge)
    assert code == 2
    assert "takes a process of 9.0 GB: a preset of fewer images" in said


def test_only_check_makes_a_refuted_claim_an_exit_code(toy):
    code, out, _ = toy(experiment=REFUTED)
    assert "refuted" in out
    assert code == 0
    assert toy("--check", experiment=REFUTED)[0] == 3
    assert toy("--check")[0] == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--preset", "huge"], "smoke"),
        (["--engine", "dusk"], "processes"),
        (["--seeds", "0"], "seeds=0"),
        (["--seeds", "many"], "many"),
        (["--workers", "2"], "use processes"),
        (["--workers", "0"], "workers=0 computes nothing: use at least 1"),
        (["--workers", "-1"], "workers=-1 computes nothing: use at least 1"),
        (["--out", ""], "the path is empty"),
        (["--out="], "the path is empty"),
        (["--data-dir", ""], "the path is empty"),
        (["--device", ""], "device=''"),
        (["--engine", ""], "processes"),
        (["--seeds", "-1"], "seeds=-1"),
        (["--engine", "processes", "--workers", "0"], "workers=0"),
        (["--device", "abacus"], "device='abacus'"),
        (["--data-dir", "/no/such/place"], "data_dir=/no/such/place"),
        (["--fresh", "--resume"], "exclude each other"),
        (["--coin", "square"], "forged"),
        (["--unheard-of"], "--unheard-of"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(toy, tmp_path, args, said):
    code, out, err = toy(*args)
    assert code == 2
    assert said in out + err
    assert "Traceback" not in out + err
    assert not (tmp_path / "out").exists()


def test_failed_cells_are_told_and_do_not_stop_the_sweep(toy, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    code, out, err = toy("--preset", "smoke", "--seeds", "4")
    assert code == 0
    assert "the loss is nan at step 3" in err
    assert "6 computed, 2 failed" in err
    assert "2 of 8 cells failed" in out
    assert "3 (1 missing)" in out
    assert "2 of 8 cells failed" in toy("--preset", "smoke", "--seeds", "4")[1]  # from the store


def test_a_bug_is_told_with_its_traceback_and_ends_in_1(toy, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "raise")
    code, out, err = toy("--preset", "smoke", "--check", experiment=REFUTED)
    assert code == 1
    assert "RuntimeError: a bug" in err
    assert "Cell(seed=1, flips=100" in err
    assert "2 stopped by an error" in err
    assert "2 of 4 cells have no row yet: run `multiview run toy_experiment --preset smoke`" in out
    monkeypatch.delenv("TOY_SEED_1")
    assert toy("--preset", "smoke")[0] == 0


def test_tables_that_cannot_do_without_missing_rows_are_only_reported(toy, monkeypatch):
    fragile = replace(EXPERIMENT, tables=lambda table: table.set_index("seed").loc[1])
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    code, out, _ = toy("--preset", "smoke", experiment=fragile)
    assert code == 0
    assert "not possible with 2 of 4 rows: KeyError(1)" in out
    broken = replace(EXPERIMENT, tables=lambda table: table["nothing"])
    monkeypatch.delenv("TOY_SEED_1")
    with pytest.raises(KeyError):  # all rows are there: a bug
        toy("--preset", "smoke", "--fresh", experiment=broken)


def test_a_full_disk_is_told_and_what_was_stored_stays(toy, tmp_path, monkeypatch):
    sync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 6:  # the run file, then arrays and row of a cell each
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = toy("--preset", "smoke")
    assert code == 1
    assert "No space left on device" in err
    assert "2 of 4 cells were computed and stay; run the same command again" in err
    assert "Traceback" not in err
    monkeypatch.undo()
    assert cells_in(load(tmp_path / "out")) == 2
    assert "2 stored before, 2 computed" in toy("--preset", "smoke")[2]


def test_an_unusable_out_is_an_error(toy, tmp_path):
    (tmp_path / "out").write_text("a file")
    code, _, err = toy()
    assert code == 1
    assert str(tmp_path / "out") in err
    assert "Traceback" not in err


def refuse(name, number, below, monkeypatch):
    """Let a method of Path fail below a folder, as the file system would."""
    works = getattr(Path, name)

    def fail(path, *args, **settings):
        if path.is_relative_to(below):
            raise OSError(number, os.strerror(number), str(path))
        return works(path, *args, **settings)

    monkeypatch.setattr(Path, name, fail)


def one_line(code, out, err):
    """What a failure before the first cell prints."""
    assert code == 1
    assert out == ""
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("name", ["o" * 300, "a/" + "o" * 300])
def test_a_name_too_long_is_one_line(toy, name, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    line = one_line(*toy("--out", name))
    assert line.startswith(f"Cannot read or write {Path(name).resolve()}/toy_experiment")
    assert line.endswith("File name too long: name another place, or mend this one.")
    assert one_line(*toy("--data-dir", "d" * 300)).count("File name too long") == 1


def test_a_row_that_is_a_folder_is_one_line(toy, tmp_path):
    toy("--preset", "smoke")
    row = next(path for path in (tmp_path / "out").rglob("*.npz")).with_suffix(".json")
    row.unlink()
    row.mkdir()
    assert f"{row}: Is a directory" in one_line(*toy("--preset", "smoke"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("method", ["read_bytes", "mkdir", "open"])
def test_a_place_that_refuses_is_one_line(toy, tmp_path, monkeypatch, number, method):
    if method == "read_bytes":
        toy("--preset", "smoke")
    refuse(method, number, tmp_path / "out", monkeypatch)
    line = one_line(*toy("--preset", "smoke"))
    assert os.strerror(number) in line
    assert str(tmp_path / "out") in line


def test_a_figure_that_cannot_be_written_is_one_line(toy, tmp_path, figure):
    (tmp_path / "out/toy_experiment/toy_experiment-smoke.png").mkdir(parents=True)
    code, _, err = toy("--preset", "smoke", experiment=replace(EXPERIMENT, figure="toy"))
    assert code == 1
    assert "toy_experiment-smoke.png: Is a directory" in err.splitlines()[-1]
    assert "4 of 4 cells were computed and stay" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_claim_that_cannot_be_judged_costs_neither_the_run_nor_other_claims(toy):
    def odd(estimate):
        return replace(claims([])[0], estimate=estimate)

    def several(cells):
        fair = measured("error", "coin", flips=200)
        return [
            odd(Estimate("infinite", lambda table: Values(pd.Series([math.inf, 0.5])))),
            odd(fair - 3),
            odd(Estimate("twice", lambda table: Values(pd.Series([0.1, 0.2], index=[0, 0])))),
            odd(Estimate("impossible", lambda table: Values(pd.Series([1 / 0])))),
            *claims(cells),
        ]

    code, out, err = toy(experiment=replace(EXPERIMENT, claims=several))
    assert code == 0
    assert "8 computed" in err
    text = " ".join(out.split())
    for said in ("infinite", "not judged:", "ZeroDivisionError", "supported"):
        assert said in text


@pytest.fixture
def figure(monkeypatch):
    """figures/toy.py, and the tables it was given."""
    drawn = []

    def draw(table):
        drawn.append(table)
        return Figure()

    module = types.ModuleType("figures.toy")
    module.draw = draw  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "figures.toy", module)
    return drawn


def test_the_figure_is_drawn_from_the_rows_that_succeeded(toy, tmp_path, figure, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    experiment = replace(EXPERIMENT, figure="toy")
    code, out, _ = toy("--seeds", "3", experiment=experiment)
    assert code == 0
    assert figure[0]["seed"].tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert figure[0]["error_of"].tolist()[:2] == [100, pytest.approx(math.nan, nan_ok=True)]
    paths = [tmp_path / "out/toy_experiment" / f"toy_experiment.{kind}" for kind in ("png", "pdf")]
    assert all(str(path) in out for path in paths)
    before = [path.read_bytes() for path in paths]
    assert before[0][:4] == b"\x89PNG"
    assert before[1][:4] == b"%PDF"
    toy("--seeds", "3", experiment=experiment)
    assert [path.read_bytes() for path in paths] == before  # the same rows, the same bytes
    assert len(figure) == 2
    toy("--seeds", "3", "--no-figure", experiment=experiment)
    assert len(figure) == 2


def test_a_figure_that_cannot_do_without_missing_rows_is_only_reported(toy, figure, monkeypatch):
    def fail(table):
        raise ValueError("empty")

    experiment = replace(EXPERIMENT, figure="toy")
    monkeypatch.setattr(sys.modules["figures.toy"], "draw", fail)
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    code, _, err = toy("--preset", "smoke", experiment=experiment)
    assert code == 0
    assert "not possible with 2 of 4 rows: ValueError('empty')" in err
    monkeypatch.delenv("TOY_SEED_1")
    with pytest.raises(ValueError, match="empty"):
        toy("--preset", "smoke", "--fresh", experiment=experiment)


def test_help_names_every_option_and_the_claim(toy):
    code, out, _ = toy("--help")
    assert code == 0
    assert "A coin shows heads half of the time." in out
    for option in ("preset", "seeds", "out", "engine", "workers", "data-dir", "device"):
        assert f"--{option}" in out
    for option in ("resume", "fresh", "check", "no-figure", "coin"):
        assert f"--{option}" in out
    assert "a forged one shows heads" in out
    assert "3 done but a claim was refuted" in out


WHERE = """
\"\"\"Where a cell is computed.\"\"\"
import os
from dataclasses import dataclass
from pathlib import Path
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main

with Path(os.environ["EXECUTED"]).open("a") as file:
    file.write(f"{os.getpid()} {__name__}\\n")

@dataclass(frozen=True)
class Cell:
    part: str
    seed: int = 0

def run(cell, context):
    own = {"module": type(cell).__module__, "run": run.__module__, "process": os.getpid()}
    return {"data": own}

presets = {"smoke": Preset(cells=[Cell("a"), Cell("b")], seeds=2)}
EXPERIMENT = Experiment(name="where", description=__doc__, run=run, presets=presets)
if __name__ == "__main__":
    print(os.getpid())
    main(EXPERIMENT)
"""


@pytest.fixture
def where(tmp_path):
    """Run a script of a package of that name as a program, in whatever way it is called."""
    package = tmp_path / "theory_experiments"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "where.py").write_text(WHERE)
    log = tmp_path / "executed"

    def call(*command):
        log.write_text("")
        done = subprocess.run(
            [sys.executable, *command, "--out", tmp_path / "out", "--fresh"],
            env={
                **os.environ,
                "EXECUTED": str(log),
                "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        executed = [tuple(line.split()) for line in log.read_text().splitlines()]
        return done.stdout.split()[0], executed, load(tmp_path / "out" / "where")

    call.path = package / "where.py"
    return call


@pytest.mark.parametrize("call", ["file", "module"])
def test_a_program_computes_with_its_own_functions_and_is_executed_once(where, call):
    command = [where.path] if call == "file" else ["-m", "theory_experiments.where"]
    program, executed, table = where(*command)
    assert executed == [(program, "__main__")]
    assert set(table["module"]) == set(table["run"]) == {"__main__"}
    assert set(map(str, table["process"])) == {program}


@pytest.mark.parametrize("call", ["file", "module"])
def test_processes_compute_with_the_functions_of_a_program(where, call):
    """Each worker executes the script once, under a name that keeps it from running as one."""
    command = [where.path] if call == "file" else ["-m", "theory_experiments.where"]
    program, executed, table = where(*command, "--engine", "processes", "--workers", "2")
    assert len(table) == 4
    assert [name for process, name in executed if process == program] == ["__main__"]
    workers = [process for process, name in executed if process != program]
    assert len(set(workers)) == len(workers) <= 2
    assert {name for process, name in executed if process != program} == {"__mp_main__"}
    assert set(map(str, table["process"])) <= set(workers)


def test_rows_are_the_same_however_a_script_is_run(where):
    keys = [
        set(where(*command)[2]["key"])
        for command in ([where.path], ["-m", "theory_experiments.where"])
    ]
    assert keys[0] == keys[1]
    code = (
        "from theory_experiments.where import EXPERIMENT as e; from multiview.runs.runner import "
        "plan; from pathlib import Path; print(0); "
        "assert plan(e, 'smoke', e.options(), out=Path('out'))[1] == []"
    )
    where("-c", code)


def test_what_the_experiment_refuses_stops_it_before_any_cell(toy):
    def check(cells, context):
        heads = {cell.coin.heads for cell in cells}
        raise ValueError(f"data_dir={context.data_dir} holds no coins {heads}.")

    code, _, err = toy("--coin", "forged", experiment=replace(EXPERIMENT, check=check))
    assert code == 2
    assert "data_dir=None holds no coins {0.9}." in err
    assert "computed" not in err


def test_only_cells_to_come_are_checked(toy):
    asked = []
    checked = replace(EXPERIMENT, check=lambda cells, context: asked.append(len(cells)))
    toy("--preset", "smoke", experiment=checked)
    toy("--preset", "smoke", experiment=checked)  # all are stored
    toy("--preset", "smoke", "--seeds", "3", experiment=checked)
    assert asked == [4, 2]


def test_a_claim_added_after_rows_were_seen_says_so_for_ever(toy):
    toy("--preset", "smoke")

    def more(cells):
        return [*claims(cells), replace(claims(cells)[0], name="new")]

    for _ in range(2):
        _, out, _ = toy("--preset", "smoke", experiment=replace(EXPERIMENT, claims=more))
        assert " ".join(out.split()).count("(not registered") == 1
