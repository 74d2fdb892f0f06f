"""Engines: any executor computes the same rows; processes share the cores and are heard."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from typing import Any

import pytest
import torch
from toy_experiment import EXPERIMENT
from toy_runs import contents

from multiview.process import is_alive
from multiview.runs.engines import LocalEngine, ProcessEngine, Renewed, check_device, cores
from multiview.runs.runner import plan
from multiview.runs.sweep import compute


def sweep(out, executor):
    run, jobs = plan(EXPERIMENT, "smoke", EXPERIMENT.options(), out=out)
    run.directory.mkdir(parents=True)
    with executor:
        outcomes = list(compute(jobs, executor))
        on_ctrl_c = executor.submit(signal.getsignal, signal.SIGINT).result()
    assert sorted(outcome.key for outcome in outcomes) == sorted(run.keys)
    return run, on_ctrl_c


def test_every_engine_computes_the_same_rows(tmp_path):
    processes = ProcessEngine(1)
    swept = [
        sweep(tmp_path / "local", LocalEngine()),
        sweep(tmp_path / "threads", ThreadPoolExecutor(2)),  # stands for any executor
        sweep(tmp_path / "processes", processes),
    ]
    runs = [run for run, _ in swept]
    local, *others = [contents(run.directory) for run in runs]
    assert all(other == local for other in others)
    assert swept[2][1] == signal.SIG_IGN  # Ctrl-C is the parent's to handle
    assert multiprocessing.active_children() == []


def test_an_outcome_is_told_before_the_next_cell_begins(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))
    run, jobs = plan(EXPERIMENT, "smoke", EXPERIMENT.options(), out=tmp_path)
    run.directory.mkdir(parents=True)
    computed = [len(log.read_text().splitlines()) for _ in compute(jobs, LocalEngine())]
    assert computed == [1, 2, 3, 4]


def test_workers_share_the_cores():
    assert cores() == len(os.sched_getaffinity(0))
    for workers, threads in ((2 * cores(), 1), (1, cores())):
        with ProcessEngine(workers) as engine:
            assert (engine.workers, engine.threads) == (workers, threads)


def test_a_failing_call_fails_its_future_only():
    future = LocalEngine().submit(int, "x")
    assert isinstance(future.exception(), ValueError)
    assert LocalEngine().submit(int, "7").result() == 7


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_pool_that_broke_is_made_anew_and_what_died_is_gone():
    with ProcessEngine(2) as engine:
        workers = [engine.submit(os.getpid).result()]
        with pytest.raises(BrokenExecutor):
            engine.submit(kill_self).result()
        assert engine.submit(os.getpid).result() not in workers
        assert not any(is_alive(worker) for worker in workers)


def freeze_self():
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.parametrize("attempt", range(3))  # what the pool watches was a matter of moments
def test_a_pool_that_broke_is_made_anew_though_a_worker_is_frozen(attempt):
    with ProcessEngine(2) as engine:
        frozen, killed = engine.submit(freeze_self), engine.submit(kill_self)
        for future in (frozen, killed):
            with pytest.raises(BrokenExecutor):
                future.result(60)
        assert isinstance(engine.submit(os.getpid).result(60), int)


def test_any_executor_that_broke_is_made_anew():
    made = []

    def make():
        made.append(ThreadPoolExecutor(1, initializer=None if len(made) else broken))
        return made[-1]

    def broken():
        raise RuntimeError("no worker starts")

    engine = Renewed(make)
    with pytest.raises(BrokenExecutor):
        engine.submit(int).result()
    assert engine.submit(int, "7").result() == 7
    assert len(made) == 2
    engine.shutdown()


@pytest.mark.parametrize("engine", [LocalEngine, ProcessEngine])
def test_no_workers_are_refused(engine):
    with pytest.raises(ValueError, match="workers=0"):
        engine(0)


@pytest.mark.parametrize("engine", [LocalEngine, ProcessEngine])
def test_fewer_than_no_workers_are_refused(engine):
    with pytest.raises(ValueError, match=r"workers=-1 computes nothing: use at least 1"):
        engine(-1)


def test_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    ProcessEngine(1).shutdown()
    assert "PYTHONWARNINGS" not in os.environ
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    ProcessEngine(1).shutdown()
    assert os.environ["PYTHONWARNINGS"] == "ignore"


def test_the_local_engine_has_one_worker():
    with pytest.raises(ValueError, match=r"workers=2.*use processes"):
        LocalEngine(2)


def test_processes_of_others_are_left_alone():
    """A notebook may have loaders of its own when a run in it is interrupted."""
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    workers = []

    def interrupted():
        with ProcessEngine(workers=1) as engine:
            engine.submit(os.getpid).result()
            inner: Any = engine.inner
            workers.extend(inner._processes.values())
            raise KeyboardInterrupt

    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert [is_alive(worker.pid) for worker in workers] == [False]
        assert other.is_alive()
    finally:
        other.kill()
        other.join()


@pytest.mark.parametrize("device", ["cup", "cuda:99"])
def test_devices_that_are_not_there_are_refused(device):
    with pytest.raises(ValueError, match=f"device='{device}'.*use cpu"):
        check_device(device)
    check_device("cpu")
    assert torch.zeros(1).device.type == "cpu"
