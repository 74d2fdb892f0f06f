"""Engines: where cells are computed. Any ``concurrent.futures.Executor`` will do."""

import inspect
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.runs.memory import keep_freed_memory
from multiview.runs.signals import uninterrupted

if TYPE_CHECKING:
    from multiview.runs.experiment import Experiment
    from multiview.runs.work import Job

SECONDS_TO_END = 0.5  # before a worker that was asked to end is killed


def cores() -> int:
    """Cores this process may use, which on a cluster are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_device(device: str) -> None:
    """Raise a ValueError unless torch can compute on ``device``."""
    if device == "cpu":
        return  # as it always can; torch takes more than a second to import
    import torch

    try:
        torch.zeros(1, device=device).item()  # the device "meta" has no numbers
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        first = str(error).splitlines()[0]
        raise ValueError(f"device={device!r} is not available here ({first}): use cpu.") from error


def check_workers(workers: int | None) -> None:
    """Raise a ValueError unless there are workers."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers} computes nothing: use at least 1.")


class Engine(Executor):
    """An executor of cells.

    Attributes:
        workers: How many cells are computed at once.
        threads: Of torch in a cell; None: as many as its process has.
        ends_at_once: Whether cells that are begun end when it is shut down and nobody waits.
        ended: Numbers of the processes that it ended itself when it last broke.
    """

    workers: int
    threads: int | None
    ends_at_once: bool = False
    ended: frozenset[int] = frozenset()

    def prepare(self, experiment: "Experiment", directory: Path, jobs: "Sequence[Job]") -> None:
        """Get ready to compute jobs, whose rows go to ``directory``; most engines are."""


class LocalEngine(Engine):
    """Computes each cell in this process, while it is submitted.

    Attributes:
        threads: Of torch in a cell; None: as many as it has here.
    """

    workers = 1
    threads = None

    def __init__(self, workers: int | None = None) -> None:
        check_workers(workers)
        if workers not in (None, 1):
            raise ValueError(f"workers={workers}: the local engine has one, use processes.")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Renewed(Executor):
    """An executor that is made anew when it broke, once all that is left of it has ended.

    Args:
        make: Makes one.
    """

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self.inner = make()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        try:
            return self.inner.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self.inner.shutdown(wait=True)
            self.inner = self._make()
            return self.inner.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        known = inspect.signature(self.inner.shutdown).parameters  # which may be a stranger's
        cancel = {"cancel_futures": cancel_futures} if "cancel_futures" in known else {}
        self.inner.shutdown(wait, **cancel)


class ProcessEngine(Renewed, Engine):
    """Computes cells in processes of this machine, which share its cores evenly.

    Attributes:
        threads: Of torch in a cell.
    """

    ends_at_once = True

    def __init__(self, workers: int | None = None) -> None:
        check_workers(workers)
        self.workers = cores() if workers is None else workers
        self.threads = max(1, cores() // self.workers)
        start_quiet_tracker()
        super().__init__(self._pool)

    def _pool(self) -> ProcessPoolExecutor:
        # Forked children would inherit torch's thread pools in an unusable state.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, context, _start_worker)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        pool: Any = self.inner
        with uninterrupted():  # it may start a worker
            if pool._broken:
                workers = list((pool._processes or {}).values())
                # The pool asks all to end when one dies, and waits; a frozen one does not see it.
                asked = (None, 0, -signal.SIGTERM)
                self.ended = frozenset(each.pid for each in workers if each.exitcode in asked)
                _end(workers)
            future = super().submit(fn, *args, **kwargs)
        self._watch_new_worker()
        return future

    def _watch_new_worker(self) -> None:
        """Let the pool look at its workers again.

        It wakes its watching thread before it starts a worker, so that the death of the last one
        may be seen only when another returns a result, which a frozen one never does.
        """
        pool: Any = self.inner
        with pool._shutdown_lock:
            pool._executor_manager_thread_wakeup.wakeup()

    def __exit__(self, kind: Any, *exception: Any) -> None:
        # Ctrl-C or a full disk: nobody waits for the cells begun.
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of any executor; if nobody waits, cells that are begun end at once."""
        pool: Any = self.inner
        workers = list((pool._processes or {}).values())  # shutdown forgets them
        manager = pool._executor_manager_thread
        super().shutdown(wait, cancel_futures=cancel_futures)
        if not wait:
            _end(workers)
            if manager is not None:  # at Python's end it would complain of what is closed by then
                manager.join(SECONDS_TO_END)


def _end(workers: Sequence[BaseProcess]) -> None:
    """Ask processes to end, and end those that do not."""
    for worker in workers:
        worker.terminate()
    end = time.monotonic() + SECONDS_TO_END
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
        if worker.exitcode is None:
            worker.kill()
            worker.join()


def start_quiet_tracker() -> None:
    """Start the process that frees the semaphores of a killed program, without its warning.

    The warning calls them a leak, on the terminal, after the program is gone.
    """
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore:resource_tracker"  # what the text begins with
    os.environ["PYTHONWARNINGS"] = f"{before},{quiet}" if before else quiet
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _start_worker() -> None:
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End this worker once its parent was killed; it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
