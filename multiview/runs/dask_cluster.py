"""Dask's workers: own ones, which are started and killed, and those of a scheduler that runs."""

import contextlib
import importlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from multiview.runs.engines import start_quiet_tracker
from multiview.runs.signals import uninterrupted

SECONDS_TO_ANSWER = 10.0  # of a scheduler
SECONDS_TO_START = 60.0  # before the first worker is there
SECONDS_TO_CLOSE = 1.0
SECONDS_TO_WRITE = 2.0  # a short file that is there already
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


def imported(name: str) -> Any:
    """A module of Dask."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"engine=dask needs the package {error.name}: pip install 'multiview-theory[dask]'."
        ) from error


def address_of(scheduler: str) -> str:
    """Where a scheduler listens, of its address or its file."""
    path = Path(scheduler)
    if not path.is_file():
        return scheduler
    try:
        return json.loads(_written(path))["address"]
    except (ValueError, LookupError, TypeError, OSError) as error:
        raise ValueError(
            f"scheduler={scheduler} is no file of a Dask scheduler: give one that "
            "`dask scheduler --scheduler-file FILE` wrote, or an address."
        ) from error


def _written(path: Path) -> str:
    """A file's text, which a scheduler that is starting creates first and writes then."""
    end = time.monotonic() + SECONDS_TO_WRITE
    while not (text := path.read_text()) and time.monotonic() < end:
        time.sleep(0.01)
    return text


@contextmanager
def connected(where: Any) -> Iterator[Any]:
    """A client of a cluster, or of a scheduler by its address."""
    try:
        client = imported("distributed").Client(
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


def await_worker(client: Any, scheduler: str | None) -> None:
    """Wait for the first worker.

    Raises:
        ValueError: If none comes.
    """
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_START)
    except TimeoutError as error:
        raise ValueError(
            f"scheduler={scheduler}: no worker came in {SECONDS_TO_START:.0f} s, start some with "
            "`dask worker ADDRESS --nthreads 1`."
        ) from error


@contextmanager
def own_workers(workers: int, memory: int) -> Iterator[str]:
    """The address of a scheduler with processes of this machine, which are killed at the end."""
    start_quiet_tracker()
    with _kept_environment(), imported("dask").config.set(SETTINGS):
        # A cluster that is half started cannot be closed, so Ctrl-C waits for a second. Its thread,
        # which starts workers, passes on to them that they see none.
        with uninterrupted():
            cluster = _cluster(workers, memory)
        try:
            yield cluster.scheduler_address
        finally:
            with contextlib.suppress(TimeoutError):
                cluster.sync(_kill_workers, cluster, callback_timeout=SECONDS_TO_CLOSE)
            with contextlib.suppress(TimeoutError):
                cluster.close(timeout=SECONDS_TO_CLOSE)


def _cluster(workers: int, memory: int) -> Any:
    try:
        return imported("distributed").LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            death_timeout=SECONDS_TO_START,
            dashboard_address=None,
            # Its pages are not built, but it listens all the same: not where another does.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise ValueError(
            f"workers={workers}: Dask cannot start them ({error.__cause__ or error}), start fewer "
            "or give --engine processes."
        ) from error


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
def quiet() -> Iterator[None]:
    """Keep Dask from reporting what is an outcome here, such as the death of a worker."""
    imported("distributed")  # which sets the levels
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
