"""Engines: where cells are computed. Any ``concurrent.futures.Executor`` will do."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

from multiview.runs.signals import uninterrupted

Listener = Callable[[str, str, float | None], None]  # (row key, message, fraction of the cell)
MESSAGE_INTERVAL = 0.1  # seconds between two progress messages of one process
SECONDS_TO_END = 5.0  # before a worker that was asked to end is killed
_listener: Listener | None = None  # this process's; None: nobody listens
_last_message = 0.0


def report(key: str, message: str, fraction: float | None = None) -> None:
    """Tell whoever watches this process how far the cell ``key`` is; cheap at every step."""
    global _last_message
    now = time.monotonic()
    if _listener is not None and now - _last_message >= MESSAGE_INTERVAL:
        _last_message = now
        _listener(key, message, fraction)


def cores() -> int:
    """Cores this process may use, which on a cluster are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_device(device: str) -> None:
    """Raise a ValueError unless torch can compute on ``device``."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        first = str(error).splitlines()[0]
        raise ValueError(f"device={device!r} is not available here ({first}): use cpu.") from error


def _check_workers(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers} computes nothing: use at least 1.")


class LocalEngine(Executor):
    """Computes each cell in this process, while it is submitted."""

    def __init__(self, workers: int | None = None, listener: Listener | None = None) -> None:
        global _listener
        _check_workers(workers)
        if workers not in (None, 1):
            raise ValueError(f"workers={workers}: the local engine has one, use processes.")
        _listener = listener

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class ProcessEngine(ProcessPoolExecutor):
    """Computes cells in processes of this machine, which share its cores evenly."""

    def __init__(self, workers: int | None = None, listener: Listener | None = None) -> None:
        _check_workers(workers)
        workers = cores() if workers is None else workers
        # Forked children would inherit torch's thread pools in an unusable state.
        context = multiprocessing.get_context("spawn")
        _start_quiet_tracker()
        self._messages = None if listener is None else context.SimpleQueue()
        threads = max(1, cores() // workers)
        super().__init__(workers, context, _start_worker, (threads, self._messages))
        if listener is not None:
            self._relay = threading.Thread(target=self._relay_to, args=(listener,), daemon=True)
            self._relay.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        with uninterrupted():  # it may start a worker
            return super().submit(fn, *args, **kwargs)

    def _relay_to(self, listener: Listener) -> None:
        assert self._messages is not None
        while (message := self._messages.get()) is not None:
            listener(*message)

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool | None:
        if kind is not None:  # Ctrl-C or a full disk: nobody waits for the cells begun
            workers = list((self._processes or {}).values())  # shutdown forgets them
            self.shutdown(wait=False, cancel_futures=True)
            _end(workers)
        super().__exit__(kind, value, traceback)
        # A worker that was killed may hold the queue's lock; the thread then ends with us.
        if kind is None and self._messages is not None:
            self._messages.put(None)
            self._relay.join()
        return None


def _end(workers: Sequence[BaseProcess]) -> None:
    """Ask processes to end, and end those that do not."""
    for worker in workers:
        worker.terminate()
    end = time.monotonic() + SECONDS_TO_END
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
        if worker.exitcode is None:
            worker.kill()


def _start_quiet_tracker() -> None:
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


def _start_worker(threads: int, messages: Any) -> None:
    global _listener
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    if messages is not None:
        _listener = lambda *message: messages.put(message)  # noqa: E731


def _die_with_parent() -> None:
    """End this worker once its parent was killed; it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


ENGINES: dict[str, Callable[..., Executor]] = {"local": LocalEngine, "processes": ProcessEngine}
