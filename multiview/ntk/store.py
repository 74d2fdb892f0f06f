"""Kernels on disk, in tiles: of any size, written by any number of processes, safe from kills.

A store is a directory that holds one kernel: a description and one file a tile. A tile is whole or
not there, so whoever is killed loses the tile at hand and no other; which tiles are missing can be
asked at any time, and by anyone who shares the file system.
"""

import io
import json
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from multiview.atomic import write_atomically
from multiview.ntk.tiles import spans

FORMAT = 1  # of the files; part of every key
DESCRIPTION = "kernel.json"
DTYPES = {"float32": torch.float32, "float64": torch.float64}
Form = Literal["symmetric", "rectangular", "triangular"]
Place = tuple[int, int]  # of a tile: its row and column among the tiles
_log = logging.getLogger(__name__)


class TileError(ValueError):
    """A tile, or a store's description, is not there or is not what was written."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """What a store holds.

    Attributes:
        form: "symmetric" keeps the tiles (i, j) with i <= j and mirrors the others; "triangular"
            keeps the same, and the others are zero; "rectangular" keeps all.
        num_outputs: Kernels in the stack, "per_class" of ``gram``; None: one kernel, "trace".
            There is no "full" kernel: it has (n k)^2 entries, so one worth solving, n k up to some
            ten thousand, fits in memory.
        tile: Samples a tile has in rows and columns; those at the end may have fewer.
        dtype: Name of the entries' type.
        key: Says which kernel it is (``fingerprint``).
    """

    form: Form
    n1: int
    n2: int
    num_outputs: int | None
    tile: int
    dtype: str
    key: str
    version: int = FORMAT

    def __post_init__(self) -> None:
        for name, least in (("n1", 1), ("n2", 1), ("tile", 1), ("num_outputs", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}={value} is a count: use at least {least}.")
        if self.form not in get_args(Form):
            raise ValueError(f"form={self.form!r}: choose one of {get_args(Form)}.")
        if self.form != "rectangular" and self.n1 != self.n2:
            raise ValueError(
                f"a {self.form} kernel is square, got n1={self.n1}, n2={self.n2}: "
                'use form="rectangular".'
            )
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r}: choose one of {tuple(DTYPES)}.")
        if self.version != FORMAT:
            raise ValueError(
                f"version={self.version} of the files is not {FORMAT}, the one read here: "
                "compute the kernel again in another directory."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole kernel: (n1, n2), or (num_outputs, n1, n2)."""
        stack = () if self.num_outputs is None else (self.num_outputs,)
        return (*stack, self.n1, self.n2)

    @property
    def rows(self) -> tuple[slice, ...]:
        """The samples of each row of tiles."""
        return tuple(spans(0, self.n1, self.tile))

    @property
    def columns(self) -> tuple[slice, ...]:
        """The samples of each column of tiles."""
        return tuple(spans(0, self.n2, self.tile))

    def places(self) -> Iterator[Place]:
        """Where tiles are kept, row by row."""
        for i in range(len(self.rows)):
            for j in range(0 if self.form == "rectangular" else i, len(self.columns)):
                yield i, j

    def tile_shape(self, i: int, j: int) -> tuple[int, ...]:
        """(r, c), or (num_outputs, r, c).

        Raises:
            ValueError: If no tile is kept there.
        """
        rows, columns = self.rows, self.columns
        first = 0 if self.form == "rectangular" else i
        if not (0 <= i < len(rows) and first <= j < len(columns)):
            raise ValueError(
                f"tile ({i}, {j}) is not kept: a {self.form} store of {len(rows)} x {len(columns)} "
                "tiles has " + ("all of them." if not first else "those with i <= j.")
            )
        return (*self.shape[:-2], *(s.stop - s.start for s in (rows[i], columns[j])))


@dataclass(frozen=True)
class TileStore:
    """One kernel in a directory; ``create`` or ``open`` it. Where a kernel is only multiplied by,
    it stands for the kernel (``layout.Operator``)."""

    directory: Path
    tiling: Tiling

    @classmethod
    def create(cls, directory: Path, tiling: Tiling) -> "TileStore":
        """Begin a store, or go on with the one that is there.

        Raises:
            ValueError: If the directory holds another kernel.
        """
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
    def open(cls, directory: Path) -> "TileStore":
        """The store that is there.

        Raises:
            TileError: If there is none, or its description is damaged.
        """
        path = directory / DESCRIPTION
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

    def missing(self) -> list[Place]:
        """The tiles that are not there, row by row."""
        there = {path.name for path in self.directory.glob("tile-*.npz")}
        return [at for at in self.tiling.places() if self.path(*at).name not in there]

    def damaged(self) -> list[Place]:
        """The tiles that are there and cannot be read; reads every one."""
        missing, found = set(self.missing()), []
        for at in self.tiling.places():
            try:
                if at not in missing:
                    self.read(*at)
            except TileError:
                found.append(at)
        return found

    def repair(self) -> list[Place]:
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
            raise ValueError(f"tile ({i}, {j}) must be {shape}, got {tuple(tile.shape)}.")
        tile = tile.detach().to("cpu", DTYPES[self.tiling.dtype])
        if not tile.isfinite().all():
            raise ValueError(
                f"tile ({i}, {j}) has entries that are NaN or infinite: look at the samples "
                f"{self.tiling.rows[i]} and {self.tiling.columns[j]}, or compute in float64."
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
        # What a damaged zip file makes of itself: a bad sum, a lost entry, an unknown method.
        except (OSError, ValueError, TypeError, KeyError, EOFError, NotImplementedError) as error:
            raise self._unreadable(path, error) from error
        except (zipfile.BadZipFile, SyntaxError, RuntimeError, AttributeError) as error:
            raise self._unreadable(path, error) from error
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

    @staticmethod
    def _unreadable(path: Path, error: Exception) -> TileError:
        what = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({error})"
        return TileError(f"{path} is {what}: compute it again with the call that made the store.")


def stack(tile: Float[Tensor, "*outputs r c"]) -> Float[Tensor, "B r c"]:
    """A tile in float64 with the axis of kernels that a single one lacks."""
    return tile.to(torch.float64).reshape(-1, *tile.shape[-2:])
