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

from multiview.runs.leases import count_deaths, withdraw
from multiview.runs.rows import stored_keys
from multiview.runs.work import MOST_DEATHS, Job, Outcome, lose, work

POLL = 0.5  # seconds after which a cell that another process computes is asked for again
FOUND = 50  # jobs whose rows others have stored, after which the folder is listed for all others
WINDOW = 4  # jobs a worker that are submitted and not done


class Unwritten(OSError):
    """A row cannot be stored, e.g. because the disk is full."""


def compute(
    jobs: Iterable[Job], executor: Executor, window: int | None = None
) -> Generator[Outcome, None, None]:
    """Compute jobs and yield the outcome of each as it comes.

    A job whose process was killed is submitted again; after two deaths it runs alone, so that it
    costs no other cell its process; after the third it is lost. Jobs that another process computes
    are asked for again until their rows are there. When this is left early, by an exception such as
    a Ctrl-C or because it is closed, the executor is shut down without waiting for what runs.

    Args:
        executor: Of any kind. It should make itself anew when it broke, as ``Renewed`` does.
        window: Most jobs that are submitted and not done; 4 a worker unless it is given.

    Raises:
        concurrent.futures.BrokenExecutor: If the executor takes no more jobs.
        Unwritten: If a row cannot be stored.
    """
    sweep = _Sweep(jobs, executor, window or WINDOW * workers_of(executor))
    try:
        yield from sweep.outcomes()
    except BaseException:
        try:
            shut_down(executor)
        finally:
            for job in sweep.running.values():
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

    def __init__(self, jobs: Iterable[Job], executor: Executor, window: int) -> None:
        jobs = list(jobs)
        self.executor, self.window = executor, window
        self.running: dict[Future, Job] = {}
        self._done: SimpleQueue[Future] = SimpleQueue()
        keys = {job.key for job in jobs}
        self._missing = {job.key: set(job.after) & keys for job in jobs}  # rows to come before
        self._later: dict[str, list[Job]] = {}  # by a row that comes before
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

    def _next(self) -> Job | None:
        """The job to submit now."""
        if self._busy and time.monotonic() - self._asked >= POLL:
            self._waiting.extend(self._busy)
            self._busy.clear()
            self._asked = time.monotonic()
        if self._lonely or len(self.running) >= self.window:
            return None
        if self._waiting:
            return self._waiting.popleft()
        self._lonely = bool(self._alone) and not self.running
        return self._alone.popleft() if self._lonely else None

    def _submit(self, job: Job) -> None:
        future = self.executor.submit(work, job)
        self.running[future] = job
        future.add_done_callback(self._done.put)

    def _collect(self, wait: bool) -> Iterator[Outcome]:
        """What is done by now, or if asked to wait the next that will be."""
        if wait and not self.running and self._busy:
            time.sleep(POLL)
        while self.running:
            try:
                future = self._done.get(wait, POLL if self._busy else None)
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
        if outcome.status == "busy":
            self._busy.append(job)
            return
        if outcome.status == "unwritten":
            raise Unwritten(outcome.message)
        self._barren = 0
        self._found += not outcome.computed
        for later in self._later.pop(job.key, []):
            self._missing[later.key].discard(job.key)
            if not self._missing[later.key]:
                self._waiting.append(later)
        yield outcome

    def _look_around(self) -> Iterator[Outcome]:
        """Tell of all rows that are stored by now, without a look at each cell."""
        waiting, self._waiting = self._waiting, deque()
        keys = {each: stored_keys(each) for each in {job.directory for job in waiting}}
        for job in waiting:
            if job.done and job.key in keys[job.directory]:
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
        deaths = {job.key: count_deaths(job.lease) for job, _ in fallen}
        self._barren = self._barren + 1 if broken and not any(deaths.values()) else 0
        if self._barren >= MOST_DEATHS:
            raise BrokenExecutor(f"workers end before they begin a cell: {fallen[0][1]}")
        for job, error in reversed(fallen):
            self._refused[job.key] += not isinstance(error, BrokenExecutor)
            strikes = max(deaths[job.key], self._refused[job.key])
            reason = f"{type(error).__name__}: {error}"
            if strikes < MOST_DEATHS - 1:
                self._waiting.appendleft(job)
            elif strikes < MOST_DEATHS:
                self._alone.append(job)
            elif deaths[job.key] < MOST_DEATHS:  # it never got to its work, nor would elsewhere
                outcome = Outcome(key=job.key, cell=job.cell, status="lost", message=reason)
                yield from self._settle(job, outcome)
            else:
                reason = f"{deaths[job.key]} processes that computed it were killed; {reason}"
                yield from self._settle(job, lose(job, reason))


def _nothing() -> None:
    """Do nothing."""
