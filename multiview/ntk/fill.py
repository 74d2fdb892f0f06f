"""Compute a kernel's tiles, here or on any executor, and keep each as soon as it is there."""

import io
import random
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview import checks
from multiview.atomic import write_atomically
from multiview.ntk.arguments import check_folder
from multiview.ntk.check import NOT_A_SAMPLE, check_finite, check_samples
from multiview.ntk.contract import Outputs
from multiview.ntk.fingerprint import fingerprint
from multiview.ntk.gram import Method, gram, plan_gram
from multiview.ntk.sent_module import SentModule, send, store_numbers
from multiview.ntk.store import TileStore
from multiview.ntk.tiling import DTYPES, TileIndex, Tiling

Progress = Callable[[int, int], None]  # (tiles stored, tiles in all)


@dataclass(frozen=True, kw_only=True)
class TileTask:
    """One tile to compute: what a worker on any machine must know beside the store's files."""

    directory: Path
    at: TileIndex
    x_dtype: torch.dtype
    device: str
    method: Method
    dtype: torch.dtype | None
    check_batches: bool = True
    module: SentModule | None = None  # None where it is at hand


def fill_tiles(
    directory: Path | str,
    module: nn.Module,
    x1: Shaped[Tensor, "n1 ..."],
    x2: Shaped[Tensor, "n2 ..."] | None = None,
    outputs: Outputs = "trace",
    *,
    tile: int = 1024,
    executor: Executor | None = None,
    dtype: torch.dtype | None = None,
    accumulate: torch.dtype = torch.float64,
    method: Method = "auto",
    check_batches: bool = True,
    progress: Progress | None = None,
) -> TileStore:
    """The kernel ``gram`` would return, in tiles on disk; those that are there are not computed.

    The kernel lies in ``directory``/KEY, KEY being its ``fingerprint``. After a kill or an error
    the same call goes on where it was. It first reads every tile that is there, once; damaged ones
    are named in the log and computed again. Any number of processes and machines may make this call
    at once. Each takes the tiles in a random order of its own and leaves out those that another has
    stored, so that they share the work without talking. Tiles computed with as many threads of
    torch have the same bits.

    The kernel's directory also holds the samples and, for an executor, the numbers of the module's
    tensors. Nothing in it is ever run: the module's code goes to the workers with the tasks.

    Args:
        directory: Made if it is not there; for several machines on a file system they share.
        outputs: "trace" or "per_class".
        tile: Samples in a tile's rows and columns. A worker computes the features of 2 tile
            samples for tile^2 entries: the larger, the less work, and the more memory.
        executor: Where tiles are computed; None: in this process. All tasks are submitted at
            once, each with the module but for its numbers, some kB; a worker reads those once,
            and maps the samples.
        check_batches: As for ``gram``; no entry depends on it.
        progress: Called with the tiles stored and the tiles in all, first before any is computed.

    Raises:
        ValueError: As ``gram`` does, before any work; also for "full", or if the module cannot be
            pickled for an executor.
        concurrent.futures.BrokenExecutor: If a worker was killed; tiles stored so far stay.
        Exception: Of a task, with a note that names the tile; tasks not begun are cancelled.
    """
    root, tile = _checked(directory, x1, x2, outputs, tile)
    checks.flag("check_batches", check_batches)
    checks.function("progress", progress, optional=True)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise ValueError(
            f"executor={checks.shown(executor)} has no submit: give a concurrent.futures.Executor, "
            "or None to compute here."
        )
    n2 = None if x2 is None else len(x2)
    plan = plan_gram(module, x1[:2], len(x1), n2, outputs, method=method, dtype=dtype)
    if accumulate not in DTYPES.values():
        raise ValueError(f"accumulate={accumulate}: use torch.float64 or torch.float32.")
    tiling = Tiling(
        form="symmetric" if x2 is None else "rectangular",
        n1=len(x1),
        n2=len(x1) if n2 is None else n2,
        num_outputs=plan.num_outputs if outputs == "per_class" else None,
        tile=tile,
        dtype=str(accumulate).removeprefix("torch."),
        key=fingerprint(
            module,
            x1,
            x2,
            outputs,
            dtype=dtype,
            accumulate=accumulate,
            method=method,
            tile=tile,
        ),
    )
    sent, numbers = (None, None) if executor is None else send(module)
    store = TileStore.create(root / tiling.key, tiling)
    store.repair()
    missing, total = store.missing(), len(list(tiling.places()))
    progress = progress or (lambda done, total: None)
    progress(total - len(missing), total)
    if missing:
        for name, x in (("x1", x1), ("x2", x2)):
            if x is not None:
                _store_samples(store.directory / f"{name}.npy", x)
        if numbers is not None:
            store_numbers(store.directory, numbers)
    tasks = (
        TileTask(
            directory=store.directory,
            at=at,
            x_dtype=x1.dtype,
            device=str(next(module.parameters()).device),
            method=method,
            dtype=dtype,
            check_batches=check_batches,
            module=sent,
        )
        for at in random.SystemRandom().sample(missing, len(missing))
    )
    for done, _ in enumerate(_compute(tasks, module, executor), total - len(missing) + 1):
        progress(done, total)
    return store


def compute_tile(task: TileTask, module: nn.Module | None = None) -> TileIndex:
    """Compute and store a tile, wherever the executor has put us; nothing if it is there.

    Args:
        module: None: the one that the task was sent with.
    """
    store = TileStore.open(task.directory)
    if store.path(*task.at).exists():  # another process was faster
        return task.at
    if module is None:
        assert task.module is not None
        module = task.module.load(task.directory, task.device)
    symmetric = store.tiling.form == "symmetric"
    i, j = task.at
    rows = _samples(task, "x1", store.tiling.rows[i]).to(task.device)
    columns = None
    if not (symmetric and i == j):
        name = "x1" if symmetric else "x2"
        columns = _samples(task, name, store.tiling.columns[j]).to(task.device)
    kernel = gram(
        module,
        rows,
        columns,
        "trace" if store.tiling.num_outputs is None else "per_class",
        method=task.method,
        dtype=task.dtype,
        accumulate=DTYPES[store.tiling.dtype],
        check_batches=task.check_batches,
    )
    store.write(i, j, kernel)
    return task.at


def _compute(
    tasks: Iterator[TileTask], module: nn.Module, executor: Executor | None
) -> Iterator[TileIndex]:
    """The places of tiles, as they are stored."""
    if executor is None:
        for task in tasks:
            with _naming(task):
                at = compute_tile(task, module)
            yield at
        return
    done: SimpleQueue[Future] = SimpleQueue()
    waiting: dict[Future, TileTask] = {}
    try:
        for task in tasks:
            future = executor.submit(compute_tile, task)
            waiting[future] = task
            future.add_done_callback(done.put)
            while not done.empty():  # an executor may compute while it is given the task
                yield _next(done, waiting)
        while waiting:
            yield _next(done, waiting)
    finally:
        for future in waiting:
            future.cancel()


def _next(done: SimpleQueue[Future], waiting: dict[Future, TileTask]) -> TileIndex:
    future = done.get()
    with _naming(waiting.pop(future)):
        return future.result()


@contextmanager
def _naming(task: TileTask) -> Iterator[None]:
    """Name in an exception the tile that was being computed; of a killed worker nobody knows."""
    try:
        yield
    except BrokenExecutor:
        raise
    except Exception as error:
        error.add_note(f"while computing the tile {task.at} of {task.directory}")
        raise


def _store_samples(path: Path, x: Tensor) -> None:
    """Write samples where workers map them into memory, unless the same are there."""
    array = _array(x)
    try:
        there = np.lib.format.open_memmap(path, mode="r")
        alike = (there.shape, there.dtype) == (array.shape, array.dtype)
        if alike and np.array_equal(there.view(np.uint8), array.view(np.uint8)):
            return
    except (OSError, ValueError, EOFError):  # absent or damaged
        pass
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomically(path, buffer.getvalue())


def _samples(task: TileTask, name: str, chosen: slice) -> Tensor:
    mapped = np.lib.format.open_memmap(task.directory / f"{name}.npy", mode="r")
    return torch.from_numpy(np.array(mapped[chosen])).view(task.x_dtype)


def _array(x: Tensor) -> np.ndarray:
    """Samples for numpy, which knows no bfloat16."""
    x = x.detach().cpu().contiguous()
    return (x.view(torch.int16) if x.dtype == torch.bfloat16 else x).numpy()


def _checked(
    directory: Path | str, x1: Tensor, x2: Tensor | None, outputs: Outputs, tile: int
) -> tuple[Path, int]:
    """Refuse what no store is of; returns the whole path of ``directory``, and ``tile``."""
    if outputs not in ("trace", "per_class"):
        raise ValueError(
            f'outputs={outputs!r}: a store holds "trace" or "per_class" kernels. A "full" one has '
            "(n k)^2 entries, so one worth solving fits in memory: use gram."
        )
    check_samples(x1=x1, x2=x2)
    for name, x in (("x1", x1), ("x2", x2)):
        if x is not None:
            check_finite(name, x, NOT_A_SAMPLE)
    return check_folder("directory", directory).resolve(), checks.count("tile", tile)
