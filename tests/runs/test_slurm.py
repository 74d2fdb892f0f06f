"""Tasks of a real Slurm array share the cells, whatever becomes of the tasks."""

import contextlib
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import slurm_cluster
from slurm_cluster import MOST_TASKS
from toy_experiment import EXPERIMENT
from toy_programs import CELLS, compute_here, rows, start, wait_for
from toy_runs import contents

from multiview.runs.leases import read
from multiview.runs.rows import read_row
from multiview.runs.sbatch import options_of_site, submit, tasks_of
from multiview.runs.script import run_script
from multiview.runs.slurm import command_of_task

EVERY_CELL = sorted(f"{seed} {flips}" for seed in range(CELLS // 2) for flips in (100, 200))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A cluster that runs while the tests of this file do."""
    if why := slurm_cluster.why_not():
        pytest.skip(why)
    with slurm_cluster.running(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return compute_here(tmp_path_factory.mktemp("undisturbed"))[0]


@pytest.fixture
def sweep(slurm, tmp_path):
    """Start a sweep over Slurm; what is left of it is ended after the test."""

    def begin(workers, *options, **settings):
        log = tmp_path / "log"
        program = start(tmp_path, "slurm", log, workers=workers, options=options, **settings)
        programs.append(program)
        return program

    programs = []
    yield begin
    for program in programs:
        program.kill()
        program.wait()
    slurm_cluster.end_tasks()


def ask(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def array_of(out):
    """The number of the array whose tasks have begun."""
    (number,) = {path.name.partition("_")[0] for path in out.glob("toy_experiment/slurm/*.log")}
    return number


def leases(out):
    return list(out.glob("toy_experiment/leases/*.lease-*"))


def at_a_cell(out):
    """The tasks that hold a lease, and the process that does so for each."""
    found = {}
    for process in (read(path).get("process") for path in leases(out)):
        with contextlib.suppress(OSError):  # it ends at this moment
            text = Path(f"/proc/{process}/environ").read_text()
            for task in re.findall(r"SLURM_ARRAY_TASK_ID=(\d+)", text):
                found[int(task)] = process
    return found


def parent_of(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def computed(out):
    """How often each cell was begun."""
    return Counter((out / "log").read_text().splitlines())


def test_each_cell_is_computed_once_and_the_table_is_that_of_one_machine(
    sweep, tmp_path, undisturbed
):
    program = sweep(4, "--threads", "2", "--slurm", "--partition=all --time=10")
    output, _ = program.communicate()
    assert program.returncode == 0, output
    assert f"{CELLS} cells, 0 stored before, {CELLS} computed, 0 failed" in output
    assert "1 claims: 1 supported" in output
    assert sorted(computed(tmp_path).elements()) == EVERY_CELL
    assert contents(tmp_path / "toy_experiment") == contents(undisturbed)
    assert {read_row(path)["threads"] for path in rows(tmp_path)} == {2}
    told = re.search(r"Slurm array (\d+): 4 tasks, which print to (.*)", output)
    assert told is not None
    assert told[2] == str(tmp_path / "toy_experiment" / "slurm" / f"{told[1]}_*.log")
    assert len(list((tmp_path / "toy_experiment" / "slurm").iterdir())) == 4

    again = sweep(4)  # for which no array is needed
    output, _ = again.communicate()
    assert again.returncode == 0, output
    assert f"{CELLS} stored before" in output
    assert "Slurm array" not in output


def test_a_killed_and_a_preempted_task_cost_no_cell(sweep, tmp_path, undisturbed):
    program = sweep(2, nap="0.4")
    wait_for(lambda: at_a_cell(tmp_path))
    number, (killed, worker) = array_of(tmp_path), at_a_cell(tmp_path).popitem()
    for process in (parent_of(worker), worker):
        os.kill(process, signal.SIGKILL)
    preempted = 1 - killed
    wait_for(lambda: preempted in at_a_cell(tmp_path))
    ask("scontrol", "requeue", f"{number}_{preempted}")
    wait_for(lambda: tasks_of(number) == [("PENDING", "BeginTime")])
    # Not in two minutes, but when what it was allowed before is certainly withdrawn.
    ask("scontrol", "update", f"jobid={number}_{preempted}", "starttime=now+2")
    output, _ = program.communicate()
    assert program.returncode == 0, output
    assert contents(tmp_path / "toy_experiment") == contents(undisturbed)
    begun = computed(tmp_path)
    assert sorted(begun) == EVERY_CELL
    assert begun.total() <= CELLS + 2  # again those that the two were at
    printed = (tmp_path / "toy_experiment" / "slurm" / f"{number}_{preempted}.log").read_text()
    assert "DUE TO JOB REQUEUE" in printed
    assert "Terminated." in printed  # Python was told
    wait_for(lambda: leases(tmp_path) == [])  # a task may be about to end


def test_cells_that_kill_their_process_cost_no_task(sweep, tmp_path, undisturbed):
    program = sweep(2, TOY_SEED_1="die")
    output, _ = program.communicate()
    assert program.returncode == 1
    assert output.count("lost: Cell(seed=1") == 2
    assert f"{CELLS - 2} computed, 2 lost" in output
    lost = [row for row in map(read_row, rows(tmp_path)) if row["status"] == "lost"]
    assert [row["cell"]["seed"] for row in lost] == [1, 1]
    found, whole = contents(tmp_path / "toy_experiment"), contents(undisturbed)
    assert sum(found[name] == whole[name] for name in whole) == CELLS - 2


def test_an_array_that_is_cancelled_is_told_and_the_same_command_goes_on(sweep, tmp_path):
    program = sweep(2, nap="1")
    wait_for(lambda: len(rows(tmp_path)) >= 1)
    number = array_of(tmp_path)
    ask("scancel", number)
    output, _ = program.communicate()
    assert program.returncode == 1
    stored = len(rows(tmp_path))
    assert f"No task of Slurm array {number} is left, and {CELLS - stored} of {CELLS}" in output
    for task in range(2):
        assert str(tmp_path / "toy_experiment" / "slurm" / f"{number}_{task}.log") in output
    assert f"{stored} of {CELLS} cells were computed and stay; run the same command" in output
    wait_for(lambda: leases(tmp_path) == [])  # no death is counted


def test_who_leaves_is_told_how_to_end_the_array(sweep, tmp_path):
    program = sweep(1, nap="1")
    wait_for(lambda: len(rows(tmp_path)) >= 1)
    array = array_of(tmp_path)
    os.killpg(program.pid, signal.SIGINT)
    output, _ = program.communicate(timeout=30)
    assert program.returncode == 1
    assert "Traceback" not in output
    assert f"Slurm array {array} goes on and computes the rest, unless `scancel {array}`" in output
    stored = len(rows(tmp_path))
    wait_for(lambda: len(rows(tmp_path)) > stored)
    assert tasks_of(array) == [("RUNNING", "None")]


def test_slurm_says_what_it_refuses(slurm, tmp_path, capfd):
    def refused(*options):
        out = ("--out", str(tmp_path), "--engine", "slurm", "--seeds", "5")
        assert run_script(EXPERIMENT, [*out, *options]) == 1
        assert rows(tmp_path) == []
        return capfd.readouterr().err

    too_many = refused("--workers", str(MOST_TASKS + 1))
    assert f"sbatch refused an array of {MOST_TASKS + 1} tasks (" in too_many
    assert "Invalid job array specification" in too_many
    assert "use fewer --workers" in too_many
    assert "invalid partition" in refused("--workers", "2", "--slurm", "--partition=gpu")
    assert tasks_of("99999") == []
    (tmp_path / "toy_experiment" / "slurm").rmdir()
    (tmp_path / "toy_experiment" / "slurm").write_text("")  # no folder
    assert "toy_experiment/slurm: File exists" in refused("--workers", "2")


def test_memory_and_processors_are_asked_for(slurm, tmp_path):
    def array(**settings):
        plain = {"name": "coin", "workers": 2, "threads": 3, "memory": 5 * 2**20}
        number = submit(["true"], **{**plain, **settings}, folder=tmp_path)
        try:
            return ask("scontrol", "show", "job", number)
        finally:
            ask("scancel", number)

    told = array()
    for each in ("JobName=coin", "NumCPUs=3", "MinMemoryNode=6M", "Requeue=1"):
        assert each in told
    assert "MinMemoryNode=20M" in array(own=["--mem=20M"])
    assert "MinMemoryCPU=100M" in array(memory=None)  # the site's


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "workers=0: say how many tasks"),
        ([], "workers=None: say how many tasks"),
        (["--workers", "2", "--fresh"], "not with --fresh or --retry"),
        (["--workers", "2", "--slurm", "--array=0-9"], "--array=0-9 is not yours to set"),
    ],
)
def test_options_that_fit_no_array_are_refused(tmp_path, monkeypatch, capfd, options, message):
    (tmp_path / "sbatch").write_text("")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    out = ["--out", str(tmp_path), "--engine", "slurm"]
    assert run_script(EXPERIMENT, [*out, *options]) == 2
    assert message in capfd.readouterr().err


def test_without_sbatch_a_remedy_is_named(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = ["--out", str(tmp_path), "--engine", "slurm", "--workers", "2"]
    assert run_script(EXPERIMENT, out) == 2
    assert "needs sbatch, which is not on PATH" in capfd.readouterr().err
    assert run_script(EXPERIMENT, ["--out", str(tmp_path), "--slurm", "--time=1"]) == 2
    assert "give --engine slurm too" in capfd.readouterr().err


@pytest.mark.parametrize("text", ["", "--partition=gpu --time=2:00:00", "-pgpu", "--gres='gpu:1'"])
def test_options_of_a_site_are_passed_on(text):
    assert options_of_site(text) == text.replace("'", "").split()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--partition gpu", "'gpu' is no option"),
        ("job.sh", "'job.sh' is no option"),
        ("--", "'--' is no option"),
        ("--comment='", "cannot be split"),
        ("--arr=0-3", "(--array)"),  # as sbatch would understand it
        ("-c4", "(--cpus-per-task)"),
        ("--no-requeue", "(--no-requeue)"),
        ("--out=x", "(--output)"),
        ("--wrap=true", "(--wrap)"),
    ],
)
def test_options_that_are_no_site_s_are_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        options_of_site(text)


def test_a_task_runs_the_same_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = {"out": Path("rows"), "data-dir": None}
    command = command_of_task(
        EXPERIMENT, "multiview run toy_experiment --coin 'for ged'", 2, "cuda", folders
    )
    assert command[1:6] == ["-m", "multiview", "run", "toy_experiment", "--coin"]
    assert command[6:9] == ["for ged", "--out", str(tmp_path / "rows")]
    assert {"--share", "--no-figure"} <= set(command)
    assert "--data-dir" not in command
