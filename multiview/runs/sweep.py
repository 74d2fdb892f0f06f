"""Sweep: many jobs on one executor, of which a death costs nothing but time.

Of an executor no more is asked than all keep: ``submit`` gives a future, and what becomes of the
future is known some time. Whether a cell is computed, the store says.
"""

import inspect
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from queue import Empty, SimpleQueue
from typing import get_args

from multiview.runs.leases import count_deaths, count_strikes, withdraw
from multiview.runs.rows import stored_keys
from multiview.runs.work import MOST_DEATHS, Job, Outcome, Stored, fail, lose, work

POLL = 0.2  # seconds after which a cell that another process computes is asked for again
FOUND = 50  # jobs whose rows others have stored, after which the folder is listed for all others
WINDOW = 4  # jobs a worker that are submitted and not done


class Unwritten(OSError):
    """A row cannot be stored, e.g. because the disk is full."""


def compute(
    jobs: Iterable[Job], executor: Executor, window: int | None = None
) -> Generator[Outcome, None, None]:
    """Compute jobs and yield the outcome of each as it comes.

    A job whose process was killed is submitted again; after two deaths it runs alone, so that it
    costs no other cell its process; after the third it is lost. A job without one of its parts is
    not computed. Jobs that another process computes are asked for again until their rows are there.
    When this is left early, by an exception such as a Ctrl-C or because it is closed, the executor
    is shut down without waiting for what runs.

    Args:
        executor: Of any kind. It should make itself anew when it broke, as ``Renewed`` does.
        window: Most jobs that are submitted and not done; None: 4 a worker, of which there may be
            more later.

    Raises:
        concurrent.futures.BrokenExecutor: If the executor takes no more jobs.
        Unwritten: If a row cannot be stored.
    """
    sweep = _Sweep(jobs, executor, window)
    try:
        yield from sweep.outcomes()
    except BaseException:
        try:
            shut_down(executor)
        finally:
            for job in sweep.begun.values() if getattr(executor, "ends_at_once", False) else ():
                withdraw(job.lease, job.owner)
        raise


def workers_of(executor: Executor) -> int:
    """The number of workers, as most executors have it."""
    number = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)
    return number if isinstance(number, int) else 1


def shut_down(executor: Executor) -> None:
    """Shut an executor down now: nobody waits for cells that are begun, or begins others."""
    known = inspect.signature(executor.shutdown).parameters
    executor.shutdown(wait=False, **({"cancel_futures": True} if "cancel_futures" in known else {}))


class _Sweep:
    """What is waiting, what is running and what has become of it."""

    def __init__(self, jobs: Iterable[Job], executor: Executor, window: int | None) -> None:
        jobs = list(jobs)
        self.executor, self._given = executor, window
        self.running: dict[Future, Job] = {}
        # Whose processes end with this sweep. One may have ended before the signal that ends both
        # is seen here, so a job stays until its death was counted.
        self.begun: dict[str, Job] = {}
        self._done: SimpleQueue[Future] = SimpleQueue()
        keys = {job.key for job in jobs}
        # Of each job that is to be computed, the parts that are still to come.
        self._missing = {job.key: set(job.after) & keys for job in jobs}
        self._later: dict[str, list[Job]] = {}  # jobs by one of their parts
        for job in jobs:
            for key in self._missing[job.key]:
                self._later.setdefault(key, []).append(job)
        self._waiting = deque(job for job in jobs if not self._missing[job.key])
        self._alone: deque[Job] = deque()  # to run while no other does
        self._lonely = False  # whether one of those runs
        self._busy: deque[Job] = deque()  # that other processes compute
        self._asked = time.monotonic()  # when busy jobs were asked for
        self._found = 0  # rows that others have stored, since the folder was listed
        self._fallen: list[tuple[Job, BaseException]] = []  # in flight when workers died
        self._strikes: dict[str, float] = {}  # of jobs when workers last died
        self._refused: Counter[str] = Counter()  # how often a job did not get to its work
        self._barren = 0  # breaks of the executor in a row, before any cell was begun

    def outcomes(self) -> Iterator[Outcome]:
        """One outcome for each job."""
        while self._waiting or self._alone or self._busy or self.running or self._fallen:
            yield from self._pick_up()
            if self._found >= FOUND:
                yield from self._look_around()
            job = self._next()
            if job is not None:
                self._submit(job)
            yield from self._collect(wait=job is None)

    @property
    def window(self) -> int:
        """Most jobs to be submitted and not done."""
        return self._given or WINDOW * workers_of(self.executor)

    def _next(self) -> Job | None:
        """The job to submit now."""
        if self._busy and self._pause() <= 0:
            self._waiting.extend(self._busy)
            self._busy.clear()
            self._asked = time.monotonic()
        if self._lonely or len(self.running) >= self.window:
            return None
        while self._waiting:
            job = self._waiting.popleft()
            if count_strikes(job.lease) < MOST_DEATHS - 1:
                return job
            self._alone.append(job)
        self._lonely = bool(self._alone) and not self.running
        return self._alone.popleft() if self._lonely else None

    def _pause(self) -> float:
        """Seconds until busy jobs are asked for: the more there are, the more a look costs."""
        return self._asked + POLL * (1 + len(self._busy) / 10) - time.monotonic()

    def _submit(self, job: Job) -> None:
        self.begun[job.key] = job
        future = self.executor.submit(work, job)
        self.running[future] = job
        future.add_done_callback(self._done.put)

    def _collect(self, wait: bool) -> Iterator[Outcome]:
        """What is done by now, or if asked to wait the next that will be."""
        if wait and not self.running and self._busy:
            time.sleep(max(0.0, self._pause()))
        while self.running:
            try:
                future = self._done.get(wait, max(0.0, self._pause()) if self._busy else None)
            except Empty:
                return
            wait = False
            yield from self._end(future)

    def _end(self, future: Future) -> Iterator[Outcome]:
        job, self._lonely = self.running.pop(future), False
        try:
            error = future.exception()
        except CancelledError as cancelled:
            error = cancelled
        if error is None:
            yield from self._settle(job, future.result())
        else:
            self._fallen.append((job, error))

    def _settle(self, job: Job, outcome: Outcome) -> Iterator[Outcome]:
        """Tell an outcome, and let those go on that waited for it, whatever it is."""
        self.begun.pop(job.key, None)
        if outcome.status == "busy":
            self._busy.append(job)
            return
        if outcome.status == "unwritten":
            raise Unwritten(outcome.message)
        self._barren = 0
        self._found += not outcome.computed
        self._missing.pop(job.key, None)
        yield outcome
        for later in self._later.pop(job.key, []):
            missing = self._missing.get(later.key)
            if missing is None:
                continue  # another of its parts is not there either
            missing.discard(job.key)
            if outcome.status in ("failed", "error", "lost"):
                yield from self._settle(later, _without(later, outcome))
            elif not missing:
                self._waiting.append(later)

    def _look_around(self) -> Iterator[Outcome]:
        """Tell of all rows that are stored by now, without a look at each cell."""
        waiting, self._waiting = self._waiting, deque()
        keys = {each: stored_keys(each) for each in {job.directory for job in waiting}}
        for job in waiting:
            if set(job.done) == set(get_args(Stored)) and job.key in keys[job.directory]:
                found = Outcome(key=job.key, cell=job.cell, status="stored", computed=False)
                yield from self._settle(job, found)
            else:
                self._waiting.append(job)
        self._found = 0

    def _pick_up(self) -> Iterator[Outcome]:
        """Submit the jobs again whose workers died, or lose them."""
        if not self._fallen:
            return
        broken = any(isinstance(error, BrokenExecutor) for _, error in self._fallen)
        if broken:
            self.executor.submit(_nothing)  # makes it anew: what died is gone then
        fallen, self._fallen = self._fallen, []
        # A pool ends the neighbours of a worker that dies: of these nobody died.
        ended = getattr(self.executor, "ended", frozenset()) if broken else frozenset()
        spared = [withdraw(job.lease, job.owner, ended) for job, _ in fallen]
        strikes = {job.key: count_strikes(job.lease) for job, _ in fallen}
        struck = any(strikes[key] > self._strikes.get(key, 0.0) for key in strikes)
        self._strikes |= strikes
        self._barren = self._barren + 1 if broken and not (struck or any(spared)) else 0
        if self._barren >= MOST_DEATHS:
            raise BrokenExecutor(f"workers end before they begin a cell: {fallen[0][1]}")
        for job, error in reversed(fallen):
            self.begun.pop(job.key, None)
            self._refused[job.key] += not isinstance(error, BrokenExecutor)
            reason = f"{type(error).__name__}: {error}"
            most = max(strikes[job.key], self._refused[job.key])
            if most < MOST_DEATHS - 1:
                self._waiting.appendleft(job)
            elif most < MOST_DEATHS:
                self._alone.append(job)
            elif strikes[job.key] < MOST_DEATHS:  # it never got to its work, nor would elsewhere
                outcome = Outcome(key=job.key, cell=job.cell, status="lost", message=reason)
                yield from self._settle(job, outcome)
            else:
                number = count_deaths(job.lease)
                reason = f"{number} processes that computed it were killed; {reason}"
                yield from self._settle(job, lose(job, reason))


def _without(job: Job, part: Outcome) -> Outcome:
    """What becomes of a job whose part has no result."""
    if part.status == "failed":  # as the whole would, had it not been split
        return fail(job, part.message)
    reason = f"it needs what came to nothing: {part.cell}\n{part.message}"
    return Outcome(key=job.key, cell=job.cell, status=part.status, message=reason)


def _nothing() -> None:
    """Do nothing."""
