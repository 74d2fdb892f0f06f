"""Bad kernels on disk and checkpoints."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from one_bad_input import BadInput
from torch import nn

from multiview.ntk import TileError, TileStore, Tiling
from multiview.ntk.sent_module import path_of, send, store_numbers
from multiview.train import Checkpoint


class Runs:
    """Makes the file "ran" when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch ran",)


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


TILING = Tiling(form="symmetric", n1=5, n2=5, num_outputs=None, tile=2, dtype="float64", key="k")


def kernel(
    name: str,
    message: str,
    spoil: Callable[[Path], Any] = lambda here: None,
    call: Callable[[TileStore], Any] = lambda store: store.read(0, 1),
    error: type[Exception] = TileError,
) -> BadInput:
    """A line about a kernel on disk of which something is spoilt."""

    def prepare(here: Path) -> None:
        store = TileStore.create(here, TILING)
        for i, j in TILING.places():
            store.write(i, j, torch.ones(TILING.tile_shape(i, j)).double())
        spoil(here)

    return BadInput(
        name, lambda here: call(TileStore.open(here)), message, error=error, prepare=prepare
    )


TILE = "tile-0-1.npz"


def poisoned_tile(here: Path) -> None:
    """Put an array of objects in the place of a tile."""
    np.savez(here / TILE, tile=np.array([Runs()], object), name=np.array("k (0, 1)"))


TILES: list[BadInput] = [
    BadInput(
        "no kernel",
        lambda here: TileStore.open(here),
        "{here}/kernel.json does not describe a kernel ([Errno 2] No such file or "
        "directory: '{here}/kernel.json'): compute it with fill_tiles.",
        error=TileError,
    ),
    kernel(
        "a description cut short",
        "{here}/kernel.json does not describe a kernel (Expecting value: line 5 "
        "column 17 (char 60)): compute it with fill_tiles.",
        lambda here: cut(here / "kernel.json"),
    ),
    kernel(
        "a description of no kernel",
        "{here}/kernel.json does not describe a kernel "
        "(multiview.ntk.tiling.Tiling() argument after ** must be a mapping, not "
        "list): compute it with fill_tiles.",
        lambda here: (here / "kernel.json").write_text("[]"),
    ),
    kernel(
        "files of another version",
        "{here}/kernel.json does not describe a kernel (version=9 of the files is "
        "not 1, the one read here: compute the kernel again in another "
        "directory.): compute it with fill_tiles.",
        lambda here: (here / "kernel.json").write_text(
            json.dumps({**asdict(TILING), "version": 9})
        ),
    ),
    kernel(
        "another kernel",
        "{here}/kernel.json describes another kernel, Tiling(form='symmetric', "
        "n1=5, n2=5, num_outputs=None, tile=2, dtype='float64', key='k', "
        "version=1), not Tiling(form='symmetric', n1=5, n2=5, num_outputs=None, "
        "tile=2, dtype='float64', key='other', version=1): use a new directory.",
        call=lambda store: TileStore.create(store.directory, replace(TILING, key="other")),
        error=ValueError,
    ),
    kernel(
        "a missing tile",
        "{here}/tile-0-1.npz is missing: compute it again with the call that made the store.",
        lambda here: (here / TILE).unlink(),
    ),
    kernel(
        "a tile cut short",
        "{here}/tile-0-1.npz is damaged (File is not a zip file): compute it again "
        "with the call that made the store.",
        lambda here: cut(here / TILE),
    ),
    kernel(
        "a tile of another place",
        "{here}/tile-0-1.npz is damaged (it is the tile k (0, 2)): compute it "
        "again with the call that made the store.",
        lambda here: shutil.copy(here / "tile-0-2.npz", here / TILE),
    ),
    kernel(
        "a tile that is a pickle",
        "{here}/tile-0-1.npz is damaged (it holds pickled objects): compute it "
        "again with the call that made the store.",
        lambda here: (here / TILE).write_bytes(pickle.dumps(Runs())),
    ),
    kernel(
        "a tile that holds a pickle",
        "{here}/tile-0-1.npz is damaged (it holds pickled objects): compute it "
        "again with the call that made the store.",
        poisoned_tile,
    ),
    kernel(
        "a tile of another shape",
        "tile (0, 0) must be (2, 2), got (3, 3): give its own samples.",
        call=lambda store: store.write(0, 0, torch.ones(3, 3).double()),
        error=ValueError,
    ),
    kernel(
        "a tile with NaN",
        "tile (0, 0) has entries that are NaN or infinite: look at the samples 0 "
        "to 1 and 0 to 1, or compute in float64.",
        call=lambda store: store.write(0, 0, torch.full((2, 2), torch.nan).double()),
        error=ValueError,
    ),
    kernel(
        "columns of another kernel",
        "columns (1, 4, 1) must be (1, 5, 's') for the kernel (5, 5).",
        call=lambda store: store.matmul(torch.ones(1, 4, 1)),
        error=ValueError,
    ),
]


def saved(here: Path, content: Any) -> None:
    """Write what torch can read into the checkpoint's file."""
    torch.save(content, here / "c.pt")


def checkpoint(
    name: str, message: str, prepare: Callable[[Path], Any], error: type[Exception] = UserWarning
) -> BadInput:
    """A line about a checkpoint's file."""
    return BadInput(
        name,
        lambda here: Checkpoint(path=here / "c.pt").load({"spec": "x"}),
        message,
        error=error,
        prepare=prepare,
    )


def numbers(here: Path) -> None:
    """Write other numbers than those of the module that was sent."""
    _, sent = send(NET)
    store_numbers(here, sent)
    (path,) = here.iterdir()
    np.save(path, sent + 1)


NET = nn.Linear(3, 2)
CHECKPOINTS: list[BadInput] = [
    checkpoint(
        "a checkpoint of nothing",
        "{here}/c.pt is no checkpoint (BadZipFile): the training begins anew.",
        lambda here: (here / "c.pt").write_bytes(b""),
    ),
    checkpoint(
        "a checkpoint that is a pickle",
        "{here}/c.pt is no checkpoint (BadZipFile): the training begins anew.",
        lambda here: (here / "c.pt").write_bytes(pickle.dumps(Runs())),
    ),
    checkpoint(
        "a checkpoint that holds code",
        "{here}/c.pt is no checkpoint (UnpicklingError): the training begins anew.",
        lambda here: saved(here, {"training": {}, "state": {"a": Runs()}}),
    ),
    checkpoint(
        "a checkpoint of a list",
        "{here}/c.pt is no checkpoint (TypeError): the training begins anew.",
        lambda here: saved(here, [1]),
    ),
    checkpoint(
        "a checkpoint of another training",
        "checkpoint {here}/c.pt is of a training with other spec: remove it, or name another path.",
        lambda here: saved(here, {"training": {"spec": "y"}, "state": {}}),
        ValueError,
    ),
    BadInput(
        "numbers of another module",
        lambda here: send(NET)[0].load(here, "cpu"),
        lambda here: (
            f"{path_of(here, send(NET)[0].digest)} does not hold the numbers of the module that "
            "was sent: make the same call again, which writes them anew."
        ),
        prepare=numbers,
    ),
]
