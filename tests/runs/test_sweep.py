"""The sweep: a window of jobs, deaths as outcomes, rows that come before others, leaving."""

import errno
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from concurrent.futures import ThreadPoolExecutor as Threads
from dataclasses import replace

import pytest
from toy_experiment import EXPERIMENT, Options
from toy_runs import contents, run_toy

from multiview.runs.engines import LocalEngine, ProcessEngine
from multiview.runs.leases import claim
from multiview.runs.rows import read_row, row_path
from multiview.runs.runner import plan
from multiview.runs.sweep import Unwritten, compute, workers_of
from multiview.runs.work import Outcome, work


def planned(out, seeds=4, **settings):
    run, jobs = plan(EXPERIMENT, "smoke", Options(), out=out, seeds=seeds, **settings)
    run.store()
    return run, jobs


class Scripted(LocalEngine):
    """Does with each job what a test says, and notes it."""

    def __init__(self, behave):
        super().__init__()
        self.behave, self.given, self.closed = behave, [], None

    def submit(self, fn, /, *args, **kwargs):
        if not args:
            return super().submit(fn)
        self.given.append(args[0].key)
        error = self.behave(args[0])
        if error is None:
            return super().submit(fn, *args)
        future = Future()
        future.set_exception(error)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.closed = wait, cancel_futures


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def test_a_window_of_jobs_is_in_flight(tmp_path):
    running, most, lock = set(), [], threading.Lock()

    class Watched(Threads):
        def submit(self, fn, /, *args, **kwargs):
            future = super().submit(fn, *args, **kwargs)
            with lock:
                running.add(future)
                most.append(len(running))
            future.add_done_callback(running.discard)
            return future

    _, jobs = planned(tmp_path, seeds=20)
    with Watched(1) as executor:
        assert statuses(compute(jobs, executor, window=3)) == ["ok"] * 40
    assert 1 < max(most) <= 3
    assert [workers_of(each) for each in (Threads(3), LocalEngine(), Executor())] == [3, 1, 1]


def test_an_exception_of_a_future_costs_other_cells_nothing(tmp_path):
    """Twice it is tried again, the second time alone; then it is lost, without a row."""
    run, jobs = planned(tmp_path)
    engine = Scripted(lambda job: OSError("gone") if job.key == run.keys[1] else None)
    outcomes = {outcome.key: outcome for outcome in compute(jobs, engine)}
    lost = outcomes.pop(run.keys[1])
    assert (lost.status, lost.message) == ("lost", "OSError: gone")
    assert set(statuses(outcomes.values())) == {"ok"}
    assert engine.given.count(run.keys[1]) == 3
    assert engine.given[-1] == run.keys[1]
    assert not row_path(run.directory, run.keys[1]).exists()
    _, jobs = planned(tmp_path)
    assert [job.key for job in jobs] == [run.keys[1]]


def test_after_two_deaths_a_cell_runs_alone(tmp_path):
    run, jobs = planned(tmp_path, seeds=8)
    for _ in range(2):
        die_in(jobs[3])
    running, beside = [], []

    def note(job):
        running.append(job.key)
        if job.key == run.keys[3]:
            beside.append({key for key in running if not row_path(run.directory, key).exists()})

    refused = [run.keys[3]]
    outcomes = list(
        compute(jobs, Scripted(lambda job: note(job) or (broken(job, refused))), window=4)
    )
    assert statuses(outcomes) == ["ok"] * 16
    assert beside[-1] == {run.keys[3]}


def broken(job, keys):
    """The pool breaks under a job once."""
    if job.key in keys:
        keys.remove(job.key)
        return BrokenExecutor("a worker was killed")
    return None


def die_in(job):
    """A process that takes the job's lease and is killed."""
    job.lease.parent.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child == 0:
        claim(job.lease, job.owner)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_third_death_is_stored_as_lost(tmp_path):
    run, jobs = planned(tmp_path)
    for _ in range(3):
        die_in(jobs[0])
    outcomes = {outcome.key: outcome for outcome in compute(jobs, LocalEngine())}
    lost = outcomes[run.keys[0]]
    assert (lost.status, lost.message) == ("lost", "3 processes that computed it were killed")
    row = read_row(row_path(run.directory, run.keys[0]))
    assert (row["status"], row["failure"], row["result"]) == ("lost", lost.message, {})
    assert planned(tmp_path)[1] == []
    _, jobs = planned(tmp_path, retry=True)
    assert statuses(compute(jobs, LocalEngine())) == ["ok"]
    assert planned(tmp_path, retry=True)[1] == []


def test_lost_overwrites_no_result(tmp_path):
    run, _ = run_toy(tmp_path)
    before = contents(run.directory)
    _, jobs = planned(tmp_path, seeds=2, fresh=True)
    for _ in range(3):  # since it was planned
        die_in(jobs[0])
    assert "lost" in statuses(compute(jobs, LocalEngine()))
    assert contents(run.directory) == before


def test_an_engine_that_takes_no_more_says_so(tmp_path):
    _, jobs = planned(tmp_path)
    executor = ProcessPoolExecutor(1, initializer=os._exit, initargs=(1,))
    with pytest.raises(BrokenExecutor):
        list(compute(jobs, executor))


def test_workers_that_end_before_any_cell_end_the_sweep(tmp_path):
    """Else it would be tried forever."""
    _, jobs = planned(tmp_path)
    with pytest.raises(BrokenExecutor, match="workers end before they begin a cell: no memory"):
        list(compute(jobs, Scripted(lambda job: BrokenExecutor("no memory"))))


def test_an_old_death_does_not_hide_that_workers_end_before_any_cell(tmp_path):
    _, jobs = planned(tmp_path)
    die_in(jobs[0])
    with pytest.raises(BrokenExecutor, match="workers end before they begin a cell"):
        list(compute(jobs, Scripted(lambda job: BrokenExecutor("no memory"))))


def test_the_neighbours_of_a_worker_that_died_are_innocent(tmp_path, monkeypatch):
    """Their pool ends them, and again with the next that dies."""
    monkeypatch.setenv("TOY_SEED_0", "die")
    monkeypatch.setenv("TOY_SEED_1", "die")
    monkeypatch.setenv("TOY_NAP", "0.2")
    _, jobs = planned(tmp_path, seeds=3)
    jobs = [job for job in jobs if job.cell.flips == 100]  # one a seed: each death costs seconds
    with ProcessEngine(2) as engine:
        outcomes = {outcome.key: outcome for outcome in compute(jobs, engine)}
    assert [outcomes[job.key].status for job in jobs] == ["lost"] * 2 + ["ok"]


def test_a_retried_sweep_lists_no_bad_row_as_done(tmp_path, monkeypatch):
    monkeypatch.setattr("multiview.runs.sweep.FOUND", 1)
    monkeypatch.setenv("TOY_SEED_0", "diverge")
    run, jobs = planned(tmp_path)
    list(compute(jobs, LocalEngine()))
    monkeypatch.delenv("TOY_SEED_0")
    _, jobs = planned(tmp_path, retry=True)
    first, _ = planned(tmp_path, retry=True)[1]
    work(first)  # as another process does
    assert sorted(statuses(compute(jobs, LocalEngine()))) == ["ok"] * 2
    assert set(run.table()["status"]) == {"ok"}


def test_the_window_grows_with_the_workers(tmp_path):
    class Growing(Threads):
        workers = 1

        def submit(self, fn, /, *args, **kwargs):
            self.workers = 3
            return super().submit(fn, *args, **kwargs)

    _, jobs = planned(tmp_path)
    with Growing(3) as executor:
        assert statuses(compute(jobs, executor)) == ["ok"] * 8
        assert workers_of(executor) == 3


def test_fresh_and_retried_cells_are_tried_though_processes_died_of_them(tmp_path):
    _, jobs = planned(tmp_path, seeds=1)
    list(compute(jobs, LocalEngine()))
    for _ in range(3):
        die_in(jobs[0])
    _, jobs = planned(tmp_path, seeds=1, fresh=True)
    assert statuses(compute(jobs, LocalEngine())) == ["ok"] * 2


def test_rows_that_come_before_are_there(tmp_path):
    run, jobs = planned(tmp_path)
    jobs = [replace(jobs[0], after=(run.keys[5], run.keys[6], "of another run")), *jobs[1:]]
    jobs[1] = replace(jobs[1], after=(run.keys[0],))
    order = [outcome.key for outcome in compute(jobs, LocalEngine())]
    assert sorted(order) == sorted(run.keys)
    first, second = order.index(run.keys[0]), order.index(run.keys[1])
    assert max(order.index(run.keys[5]), order.index(run.keys[6])) < first < second


@pytest.mark.parametrize(
    ("fault", "status", "rows"), [("raise", "error", 2), ("diverge", "failed", 8)]
)
def test_what_needs_a_part_that_came_to_nothing_is_not_computed(
    tmp_path, monkeypatch, fault, status, rows
):
    """It would train the part again, to the same end."""
    monkeypatch.setenv("TOY_SEED_0", fault)
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    run, jobs = planned(tmp_path)
    jobs = [*jobs[:4], *(replace(job, after=run.keys[:2]) for job in jobs[4:])]
    outcomes = {outcome.key: outcome for outcome in compute(jobs, LocalEngine())}
    assert [outcomes[key].status for key in run.keys] == [status] * 2 + ["ok"] * 2 + [status] * 4
    assert len((tmp_path / "log").read_text().splitlines()) == 4
    if fault == "raise":
        assert "RuntimeError: a bug" in outcomes[run.keys[7]].message
        assert "it needs what came to nothing: Cell(seed=0" in outcomes[run.keys[7]].message
    assert sum(row_path(run.directory, key).exists() for key in run.keys) == rows


def test_a_cell_that_another_computes_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr("multiview.runs.sweep.POLL", 0.05)
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    run, jobs = planned(tmp_path)
    jobs[0].lease.parent.mkdir(parents=True)
    lease = claim(jobs[0].lease)
    assert lease is not None
    outcomes = compute(jobs, LocalEngine())
    assert {next(outcomes).key for _ in jobs[1:]} == set(run.keys[1:])
    threading.Timer(0.3, lambda: finish(lease, jobs[0])).start()
    (last,) = outcomes
    assert (last.key, last.status, last.computed) == (run.keys[0], "ok", False)
    assert len((tmp_path / "log").read_text().splitlines()) == 8  # each cell once


def finish(lease, job):
    """What the process that holds the lease does."""
    elsewhere = replace(job, directory=job.directory.parent / "elsewhere")
    work(elsewhere)
    for path in elsewhere.directory.glob(f"{job.key}.*"):
        path.rename(job.directory / path.name)
    lease.release()


def test_leaving_shuts_down_and_counts_no_death(tmp_path):
    _, jobs = planned(tmp_path)
    engine = Scripted(lambda job: None)
    outcomes = compute(jobs, engine)
    next(outcomes)
    outcomes.close()
    assert engine.closed == (False, True)

    class Interrupted(Scripted):
        ends_at_once = True

        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            job = args[0]
            job.lease.parent.mkdir(parents=True, exist_ok=True)
            claim(job.lease, job.owner)
            self.given.append(job)
            if len(self.given) == 3:
                raise KeyboardInterrupt
            return future

    engine = Interrupted(lambda job: None)
    with pytest.raises(KeyboardInterrupt):
        list(compute(jobs, engine, window=4))
    assert len(engine.given) == 3
    assert list(tmp_path.rglob("*.lease-*")) == []


def test_a_signal_that_ends_the_workers_first_counts_no_death(tmp_path):
    """A scheduler's SIGTERM reaches all; the sweep may see the workers' deaths before its own."""

    class Ended(LocalEngine):
        ends_at_once = True

        def submit(self, fn, /, *args, **kwargs):
            if not args:
                raise KeyboardInterrupt  # as the pool is made anew
            claim(args[0].lease, args[0].owner)
            future = Future()
            future.set_exception(BrokenExecutor("a worker died"))
            return future

    _, jobs = planned(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(compute(jobs, Ended()))
    assert list(tmp_path.rglob("*.lease-*")) == []


def test_an_executor_without_cancel_futures_can_be_left(tmp_path):
    class Old(Scripted):
        def shutdown(self, wait=True):
            self.closed = wait

    _, jobs = planned(tmp_path)
    engine = Old(lambda job: None)
    outcomes = compute(jobs, engine)
    next(outcomes)
    outcomes.close()
    assert engine.closed is False


def test_a_row_that_cannot_be_stored_ends_the_sweep(tmp_path, monkeypatch):
    _, jobs = planned(tmp_path)

    def full(*given):
        raise OSError(28, "No space left on device", "row.json")

    monkeypatch.setattr("multiview.runs.work.write_row", full)
    with pytest.raises(Unwritten, match=r"No space left on device: 'row\.json'"):
        list(compute(jobs, LocalEngine()))


def test_a_failing_future_of_any_kind_is_an_outcome(tmp_path):
    """Even one that would end a program which asks for its result."""
    run, jobs = planned(tmp_path, seeds=1)
    engine = Scripted(lambda job: SystemExit(3) if job.key == run.keys[0] else None)
    outcomes = {outcome.key: outcome for outcome in compute(jobs, engine)}
    assert outcomes[run.keys[0]].message == "SystemExit: 3"
    assert outcomes[run.keys[1]] == Outcome(key=run.keys[1], cell=jobs[1].cell, status="ok")


def test_threads_travel_in_the_job(tmp_path):
    run, jobs = planned(tmp_path, threads=1)
    list(compute(jobs, LocalEngine()))
    assert set(run.table()["threads"]) == {1}


def test_beyond_ten_thousand_rows_there_are_subfolders(tmp_path, monkeypatch):
    flat, _ = run_toy(tmp_path / "flat")
    monkeypatch.setattr("multiview.runs.store.MANY", 3)
    run, _ = run_toy(tmp_path / "deep")
    assert not list(run.directory.glob("*.npz"))
    for key in run.keys:
        assert row_path(run.directory, key) == run.directory / key[:2] / f"{key}.json"
    columns = ["key", "method", "error", "status"]
    assert run.table()[columns].equals(flat.table()[columns])
    assert planned(tmp_path / "deep", seeds=2)[1] == []
    grown, _ = run_toy(tmp_path / "flat", seeds=3)  # rows that lie flat stay where they are
    assert len(grown.table()["key"].unique()) == 6
    assert sum(path.parent == grown.directory for path in grown.directory.rglob("*.npz")) == 4


def test_the_memory_that_a_row_took_is_known_and_estimates_that_of_others(tmp_path):
    run, jobs = planned(tmp_path, seeds=1)
    assert {job.memory for job in jobs} == {None}
    list(compute(jobs, LocalEngine()))
    (took,) = set(run.table()["peak_memory"])
    assert 50e6 < took < 50e9
    _, jobs = planned(tmp_path, seeds=2)
    assert {job.memory for job in jobs} == {round(1.25 * took)}
    assert {job.memory for job in planned(tmp_path, seeds=2, memory=7)[1]} == {7}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_fills_in_a_cell_ends_the_sweep(tmp_path, number):
    """Each of the others would stop at it too, with a traceback of its own."""

    def fill(cell, context):
        raise OSError(number, os.strerror(number), "checkpoint")

    _, jobs = planned(tmp_path)
    jobs = [replace(job, run=fill) for job in jobs]
    with pytest.raises(Unwritten, match=f"{os.strerror(number)}.*checkpoint"):
        list(compute(jobs, LocalEngine()))
    assert list(jobs[0].lease.parent.iterdir()) == []


def test_the_row_that_another_stored_meanwhile_stays(tmp_path):
    """Whoever was frozen is taken for dead and finds the row of its successor."""
    _, jobs = planned(tmp_path)
    path = row_path(jobs[0].directory, jobs[0].key)

    def overtaken(cell, context):
        elsewhere = tmp_path / "elsewhere"
        work(replace(jobs[0], directory=elsewhere))
        for found in elsewhere.glob(f"{jobs[0].key}.*"):
            found.rename(path.parent / found.name)
        before.append((path.read_bytes(), path.stat().st_mtime_ns))
        return jobs[0].run(cell, context)

    before = []
    outcome = work(replace(jobs[0], run=overtaken))
    assert (outcome.status, outcome.computed) == ("ok", False)
    assert [(path.read_bytes(), path.stat().st_mtime_ns)] == before
