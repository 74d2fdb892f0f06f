"""Kernels on disk, in tiles: of any size, written by any number of processes, safe from kills.

A store is a directory that holds one kernel: a description and one file a tile. A tile is whole or
not there, so whoever is killed loses the tile at hand and no other; which tiles are missing can be
asked at any time, and by anyone who shares the file system.
"""

import io
import json
import logging
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.atomic import write_atomically
from multiview.ntk.arguments import check_folder
from multiview.ntk.tiling import DTYPES, TileIndex, Tiling

DESCRIPTION = "kernel.json"
# What a damaged zip file makes of itself: a bad sum, a lost entry, an unknown method (which is a
# NotImplementedError, a RuntimeError).
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError),
    *(zipfile.BadZipFile, SyntaxError, RuntimeError, AttributeError),
)
_log = logging.getLogger(__name__)


class TileError(ValueError):
    """A tile, or a store's description, is not there or is not what was written."""


@dataclass(frozen=True)
class TileStore:
    """One kernel in a directory; ``create`` or ``open`` it. Where a kernel is only multiplied by,
    it stands for the kernel (``layout.Operator``).

    Raises:
        ValueError: If ``directory`` is no path, or ``tiling`` no ``Tiling``.
    """

    directory: Path
    tiling: Tiling

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", check_folder("directory", self.directory))
        checks.instance("tiling", self.tiling, Tiling)

    @classmethod
    def create(cls, directory: Path | str, tiling: Tiling) -> "TileStore":
        """Begin a store, or go on with the one that is there.

        Raises:
            ValueError: If the directory holds another kernel.
        """
        directory = cls(check_folder("directory", directory), tiling).directory
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / DESCRIPTION
        if path.exists():
            try:
                there = cls.open(directory).tiling
            except TileError as error:
                _log.warning("%s It is written again.", error)
            else:
                if there == tiling:
                    return cls(directory, tiling)
                raise ValueError(
                    f"{path} describes another kernel, {there}, not {tiling}: use a new directory."
                )
        write_atomically(path, json.dumps(asdict(tiling), indent=1).encode())
        return cls(directory, tiling)

    @classmethod
    def open(cls, directory: Path | str) -> "TileStore":
        """The store that is there.

        Raises:
            TileError: If there is none, or its description is damaged.
        """
        path = (directory := check_folder("directory", directory)) / DESCRIPTION
        try:
            return cls(directory, Tiling(**json.loads(path.read_bytes())))
        except (OSError, ValueError, TypeError) as error:
            raise TileError(
                f"{path} does not describe a kernel ({error}): compute it with fill_tiles."
            ) from error

    @property
    def shape(self) -> tuple[int, ...]:
        """(n1, n2), or (num_outputs, n1, n2)."""
        return self.tiling.shape

    def path(self, i: int, j: int) -> Path:
        """The file of a tile."""
        return self.directory / f"tile-{i}-{j}.npz"

    def missing(self) -> list[TileIndex]:
        """The tiles that are not there, row by row."""
        there = {path.name for path in self.directory.glob("tile-*.npz")}
        return [at for at in self.tiling.places() if self.path(*at).name not in there]

    def damaged(self) -> list[TileIndex]:
        """The tiles that are there and cannot be read; reads every one."""
        missing, found = set(self.missing()), []
        for at in self.tiling.places():
            try:
                if at not in missing:
                    self.read(*at)
            except TileError:
                found.append(at)
        return found

    def repair(self) -> list[TileIndex]:
        """Name damaged tiles in the log and remove them, so that they are missing instead."""
        found = self.damaged()
        for at in found:
            _log.warning(
                "%s is damaged: it is removed and has to be computed again.", self.path(*at)
            )
            self.path(*at).unlink(missing_ok=True)
        return found

    def write(self, i: int, j: int, tile: Float[Tensor, "*outputs r c"]) -> None:
        """Store a tile, in place of the one that may be there.

        Raises:
            ValueError: If its shape is wrong, or an entry is not finite in the store's type.
        """
        shape = self.tiling.tile_shape(i, j)
        if tuple(tile.shape) != shape:
            raise ValueError(
                f"tile ({i}, {j}) must be {shape}, got {tuple(tile.shape)}: give its own samples."
            )
        tile = tile.detach().to("cpu", DTYPES[self.tiling.dtype])
        if not tile.isfinite().all():
            raise ValueError(
                f"tile ({i}, {j}) has entries that are NaN or infinite: look at the samples "
                f"{_span(self.tiling.rows[i])} and {_span(self.tiling.columns[j])}, or compute in "
                "float64."
            )
        buffer = io.BytesIO()
        np.savez(buffer, tile=tile.numpy(), name=np.array(self._name(i, j)))
        write_atomically(self.path(i, j), buffer.getvalue())

    def read(self, i: int, j: int) -> Float[Tensor, "*outputs r c"]:
        """A tile as it was written.

        Raises:
            TileError: If it is missing, damaged or of another kernel.
        """
        shape, path = self.tiling.tile_shape(i, j), self.path(i, j)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                name, tile = str(arrays["name"]), torch.from_numpy(arrays["tile"])
            if name != self._name(i, j):
                raise ValueError(f"it is the tile {name}")
            if tuple(tile.shape) != shape or tile.dtype != DTYPES[self.tiling.dtype]:
                raise ValueError(f"it has shape {tuple(tile.shape)} and type {tile.dtype}")
        except UNREADABLE as error:
            # What numpy says of a pickle is how to run it.
            reason = "it holds pickled objects" if "pickle" in str(error) else error
            what = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({reason})"
            raise TileError(
                f"{path} is {what}: compute it again with the call that made the store."
            ) from error
        return tile

    def dense(self) -> Float[Tensor, "*outputs n1 n2"]:
        """The whole kernel in memory.

        Raises:
            TileError: As ``read`` does.
        """
        tiling = self.tiling
        kernel = torch.zeros(tiling.shape, dtype=DTYPES[tiling.dtype])
        for i, j in tiling.places():
            tile = self.read(i, j)
            kernel[..., tiling.rows[i], tiling.columns[j]] = tile
            if tiling.form == "symmetric" and i != j:
                kernel[..., tiling.columns[j], tiling.rows[i]] = tile.mT
        return kernel

    def matmul(self, columns: Float[Tensor, "B n2 s"], /) -> Float[Tensor, "B n1 s"]:
        """Kernel @ columns in float64; each tile is read once and held alone.

        Args:
            columns: B is ``num_outputs``, or 1 where one kernel serves every output.

        Raises:
            ValueError: If shapes disagree.
            TileError: As ``read`` does.
        """
        tiling = self.tiling
        expected = (tiling.num_outputs or 1, tiling.n2)
        if columns.dim() != 3 or tuple(columns.shape[:2]) != expected:
            raise ValueError(
                f"columns {tuple(columns.shape)} must be {(*expected, 's')} for the kernel "
                f"{tiling.shape}."
            )
        columns = columns.to(torch.float64)
        result = columns.new_zeros(expected[0], tiling.n1, columns.shape[2])
        for i, j in tiling.places():
            tile = stack(self.read(i, j)).to(columns.device)
            rows, cols = tiling.rows[i], tiling.columns[j]
            result[:, rows] += tile @ columns[:, cols]
            if tiling.form == "symmetric" and i != j:
                result[:, cols] += tile.mT @ columns[:, rows]
        return result

    @property
    def nbytes(self) -> int:
        """Bytes of the tiles that are on disk."""
        return sum(path.stat().st_size for path in self.directory.glob("tile-*.npz"))

    def _name(self, i: int, j: int) -> str:
        return f"{self.tiling.key} ({i}, {j})"


def _span(chosen: slice) -> str:
    return f"{chosen.start} to {chosen.stop - 1}"


def stack(tile: Float[Tensor, "*outputs r c"]) -> Float[Tensor, "B r c"]:
    """A tile in float64 with the axis of kernels that a single one lacks."""
    return tile.to(torch.float64).reshape(-1, *tile.shape[-2:])
