"""Engines: any executor computes the same rows; processes share the cores and are heard."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from toy_experiment import EXPERIMENT
from toy_runs import contents

from multiview.runs import engines
from multiview.runs.engines import LocalEngine, ProcessEngine, check_device, cores, report
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
    heard = []
    processes = ProcessEngine(1, lambda *message: heard.append(message))
    swept = [
        sweep(tmp_path / "local", LocalEngine()),
        sweep(tmp_path / "threads", ThreadPoolExecutor(2)),  # stands for any executor
        sweep(tmp_path / "processes", processes),
    ]
    runs = [run for run, _ in swept]
    local, *others = [contents(run.directory) for run in runs]
    assert all(other == local for other in others)
    assert heard[0] == (runs[0].keys[0], "step 0", 0.0)  # through the process boundary
    assert set(runs[2].table()["threads"]) == {cores()}  # one worker has all cores
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
    assert ProcessEngine(2 * cores())._initargs[0] == 1
    assert ProcessEngine(1)._initargs[0] == cores() == len(os.sched_getaffinity(0))


def test_a_failing_call_fails_its_future_only():
    future = LocalEngine().submit(int, "x")
    assert isinstance(future.exception(), ValueError)
    assert LocalEngine().submit(int, "7").result() == 7


def test_messages_are_cheap_and_none_are_sent_when_nobody_listens(monkeypatch):
    heard = []
    LocalEngine(listener=lambda *message: heard.append(message))
    monkeypatch.setattr(engines, "_last_message", -1.0)
    begin = time.monotonic()
    while time.monotonic() - begin < 2.5 * engines.MESSAGE_INTERVAL:
        report("key", "step", 0.5)
    assert 2 <= len(heard) <= 4
    assert heard[0] == ("key", "step", 0.5)
    LocalEngine()
    time.sleep(engines.MESSAGE_INTERVAL)
    report("key", "step")
    assert len(heard) <= 4


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
            workers.extend(engine._processes.values())
            raise KeyboardInterrupt

    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert [worker.is_alive() for worker in workers] == [False]
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
