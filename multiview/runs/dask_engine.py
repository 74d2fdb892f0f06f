"""The Dask engine: cells are computed by Dask's workers, own ones or those of a cluster."""

import contextlib
import importlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from multiview.runs.engines import Engine, check_workers, cores, start_quiet_tracker
from multiview.runs.experiment import Experiment
from multiview.runs.signals import uninterrupted
from multiview.runs.work import Job
from multiview.runs.worker_check import Needs, UnfitWorker, call_if_fit, needs_of, require

SECONDS_TO_ANSWER = 10.0  # of a scheduler
SECONDS_TO_START = 60.0  # before the first worker is there
SECONDS_TO_CLOSE = 1.0
SLACK = 2.0  # a process may take so many times the memory that was estimated
LEAST_LIMIT = 2**30  # bytes; Python and torch alone take a quarter of it
SETTINGS = {
    # A killed worker counts against every task that it was given, begun or not, and a task with
    # more is given up. What a cell has done itself, its lease counts.
    "distributed.scheduler.allowed-failures": 20,
    # Results are short: there is nothing to spill, and a worker that pauses would wait forever.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # Cells find the environment that they have in other engines; Dask would set OMP_NUM_THREADS.
    "distributed.nanny.pre-spawn-environ": {},
    # A busy machine takes its time to start a worker anew.
    "distributed.deploy.lost-worker-timeout": "5 minutes",
}
INHERITED = ("PYTHONHASHSEED", "__DASK_PARENT_PID")  # set by Dask in this process too
LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")


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
        _imported("distributed")
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
        future.add_done_callback(lambda outer: outer.cancelled() and inner.cancel())
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
            stack.enter_context(_quiet())
            if self.scheduler is None:
                where = stack.enter_context(_own_workers(self._own, memory))
            else:
                where = _address(self.scheduler)
            self._client = stack.enter_context(_connected(where))
            self._await_worker()
            self._executor = self._client.get_executor(pure=False)
            self._closing = stack.pop_all()

    def _await_worker(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=SECONDS_TO_START)
        except TimeoutError as error:
            whose = "Dask's own" if self.scheduler is None else f"scheduler={self.scheduler}"
            raise ValueError(
                f"{whose}: no worker came in {SECONDS_TO_START:.0f} s, start some with "
                "`dask worker ADDRESS --nthreads 1` and --scheduler ADDRESS."
            ) from error

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
            if isinstance(error, _imported("distributed").KilledWorker):
                error = BrokenExecutor(str(error))
            future.set_exception(error)
        else:
            future.set_result(inner.result())

    def _lost(self) -> str:
        return f"the scheduler {self.scheduler} is gone, start it and its workers again"


def _imported(name: str) -> Any:
    """A module of Dask."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"engine=dask needs the package {error.name}: pip install 'multiview[dask]'."
        ) from error


def _address(scheduler: str) -> str:
    """Where a scheduler listens, of its address or its file."""
    path = Path(scheduler)
    if not path.is_file():
        return scheduler
    try:
        return json.loads(path.read_text())["address"]
    except (ValueError, LookupError, TypeError, OSError) as error:
        raise ValueError(
            f"scheduler={scheduler} is no file of a Dask scheduler: give one that "
            "`dask scheduler --scheduler-file FILE` wrote, or an address."
        ) from error


@contextmanager
def _connected(where: Any) -> Iterator[Any]:
    """A client of a cluster, or of a scheduler by its address."""
    try:
        client = _imported("distributed").Client(
            where, timeout=SECONDS_TO_ANSWER, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"scheduler={where} does not answer ({error}): start one with `dask scheduler` and "
            "give the address that it prints."
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(TimeoutError):
            client.close(timeout=SECONDS_TO_CLOSE)


@contextmanager
def _own_workers(workers: int, memory: int) -> Iterator[str]:
    """The address of a scheduler with processes of this machine, which are killed at the end."""
    start_quiet_tracker()
    distributed, dask = _imported("distributed"), _imported("dask")
    with _kept_environment(), dask.config.set(SETTINGS):
        # A cluster that is half started cannot be closed, so Ctrl-C waits for a second. Its thread,
        # which starts workers, passes on to them that they see none.
        with uninterrupted():
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=memory,
                death_timeout=SECONDS_TO_START,
                dashboard_address=None,
                # Its pages are not built, but it listens all the same: not where another does.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            )
        try:
            yield cluster.scheduler_address
        finally:
            with contextlib.suppress(TimeoutError):
                cluster.sync(_kill_workers, cluster, callback_timeout=SECONDS_TO_CLOSE)
            with contextlib.suppress(TimeoutError):
                cluster.close(timeout=SECONDS_TO_CLOSE)


async def _kill_workers(cluster: Any) -> None:
    """End the workers of a cluster; to be asked, they would first finish their cells."""
    for nanny in list(cluster.workers.values()):
        nanny.close_gracefully()  # or it would start another
        process = nanny.process and nanny.process.process
        if process is not None and process.is_alive():
            await process.kill()


@contextmanager
def _kept_environment() -> Iterator[None]:
    """Restore at the end what Dask sets here for its workers."""
    before = {name: os.environ.get(name) for name in INHERITED}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from reporting what is an outcome here, such as the death of a worker."""
    _imported("distributed")  # which sets the levels
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
