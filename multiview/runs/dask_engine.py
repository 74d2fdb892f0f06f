"""The Dask engine: cells are computed by Dask's workers, own ones or those of a cluster."""

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from concurrent.futures import wait as wait_for
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from multiview.runs.dask_cluster import (
    address_of,
    await_worker,
    connected,
    imported,
    own_workers,
    quiet,
)
from multiview.runs.engines import Engine, check_workers, cores
from multiview.runs.experiment import Experiment
from multiview.runs.work import Job
from multiview.runs.worker_check import Needs, UnfitWorker, call_if_fit, needs_of, require

SLACK = 2.0  # a process may take so many times the memory that was estimated
LEAST_LIMIT = 2**30  # bytes; Python and torch alone take a quarter of it


class DaskEngine(Engine):
    """Computes calls in processes of this machine, or in the workers of a Dask scheduler.

    If a worker is killed, another computes its call. Own workers are started by ``prepare`` or the
    first call, and end with the engine. Workers of a scheduler finish what they have begun.

    Attributes:
        threads: Of torch in a cell.
    """

    def __init__(self, workers: int | None = None, scheduler: str | None = None) -> None:
        """Choose the workers.

        Args:
            workers: Processes to start, one a core unless given.
            scheduler: Address or file of a running scheduler, whose workers are used instead.

        Raises:
            ValueError: If Dask is not installed, there are no workers, or both are given.
        """
        imported("distributed")
        check_workers(workers)
        if scheduler is not None and workers is not None:
            raise ValueError(
                f"workers={workers}: the workers of scheduler={scheduler} are started with it, "
                "give one of the two."
            )
        self.scheduler = scheduler
        self._own = cores() if workers is None else workers
        # A worker of a cluster has a core for each cell, as Dask has it.
        self.threads = max(1, cores() // self._own) if scheduler is None else 1
        self._client: Any = None
        self._closing = ExitStack()
        self._futures: set[Future] = set()
        self._needs: Needs | None = None
        self._over = ""  # why no more calls are taken

    @property
    def ends_at_once(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether workers end with the engine: own ones do."""
        return self.scheduler is None

    @property
    def workers(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many calls are computed at once."""
        if self.scheduler is None or self._client is None:
            return self._own
        return max(1, sum(self._client.nthreads().values()))

    def prepare(self, experiment: Experiment, directory: Path, jobs: Sequence[Job]) -> None:
        """Start workers with a limit of memory, or ask a scheduler's whether they are fit.

        Raises:
            ValueError: If no scheduler answers, no worker comes, or one is not fit.
            OSError: If the folder of results cannot be written.
        """
        estimates = [job.memory for job in jobs if job.memory is not None]
        self._start(max(LEAST_LIMIT, int(SLACK * max(estimates))) if estimates else 0)
        if self.scheduler is None:
            return
        try:
            self._needs = self._closing.enter_context(needs_of(experiment, directory))
            answers = self._client.run(require, self._needs, on_error="return")
            for address, answer in answers.items():
                if isinstance(answer, UnfitWorker):
                    raise ValueError(f"The worker {address} {answer}.")
                if isinstance(answer, BaseException):
                    reason = f"lacks multiview ({answer}): install it there, as it is here"
                    raise ValueError(f"The worker {address} {reason}.")
        except BaseException:
            self.shutdown(wait=False)
            raise

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """As of any executor.

        Raises:
            BrokenExecutor: If the scheduler is gone or a worker is not fit.
        """
        self._start()
        if self._over or self._client.status != "running":
            raise BrokenExecutor(self._over or self._lost())
        inner = self._executor.submit(call_if_fit, self._needs, partial(fn, *args, **kwargs))
        future: Future = Future()
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        future.add_done_callback(partial(self._cancel, inner))
        inner.add_done_callback(partial(self._pass_on, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of any executor; if nobody waits, calls that own workers have begun end at once."""
        if wait and not cancel_futures:
            wait_for(set(self._futures))
        self._over = self._over or "it is shut down"
        self._closing.close()
        for future in list(self._futures):
            future.cancel()

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool | None:
        self.shutdown(wait=kind is None)
        return None

    def _start(self, memory: int = 0) -> None:
        """Start or find the workers.

        Args:
            memory: Bytes that a process may take before it is killed; 0 for no limit.
        """
        if self._client is not None or self._over:
            return
        with ExitStack() as stack:
            stack.enter_context(quiet())
            if self.scheduler is None:
                where = stack.enter_context(own_workers(self._own, memory))
            else:
                where = address_of(self.scheduler)
            self._client = stack.enter_context(connected(where))
            await_worker(self._client, self.scheduler)
            self._executor = self._client.get_executor(pure=False)
            self._closing = stack.pop_all()

    def _cancel(self, inner: Future, future: Future) -> None:
        """Cancel Dask's future where ours is; all of them are when the client is closed."""
        if future.cancelled() and not self._over:
            inner.cancel()

    def _pass_on(self, future: Future, inner: Future) -> None:
        """Give a future what became of Dask's."""
        if not future.set_running_or_notify_cancel():
            return
        if inner.cancelled():
            lost = self._client.status != "running"
            future.set_exception(BrokenExecutor(self._lost()) if lost else CancelledError())
        elif error := inner.exception():
            if isinstance(error, UnfitWorker):
                self._over = str(error)
            if isinstance(error, imported("distributed").KilledWorker):
                error = BrokenExecutor(str(error))
            future.set_exception(error)
        else:
            future.set_result(inner.result())

    def _lost(self) -> str:
        return f"the scheduler {self.scheduler} is gone, start it and its workers again"
