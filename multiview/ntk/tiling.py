"""What a kernel on disk holds: its sizes, and which tiles are kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from multiview import checks
from multiview.ntk.tiles import spans

FORMAT = 1  # of the files; part of every key
DTYPES = {"float32": torch.float32, "float64": torch.float64}
Form = Literal["symmetric", "rectangular", "triangular"]
TileIndex = tuple[int, int]  # of a tile: its row and column among the tiles


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

    Raises:
        ValueError: If a field is out of range, the files are of another ``version``, or a kernel of
            another ``form`` than "rectangular" is not square.
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
            if value is not None or name != "num_outputs":
                object.__setattr__(self, name, checks.count(name, value, least))
        checks.choice("form", self.form, get_args(Form))
        checks.instance("key", self.key, str)
        object.__setattr__(self, "version", checks.count("version", self.version, 0))
        if self.form != "rectangular" and self.n1 != self.n2:
            raise ValueError(
                f"a {self.form} kernel is square, got n1={self.n1}, n2={self.n2}: "
                'use form="rectangular".'
            )
        checks.choice("dtype", self.dtype, tuple(DTYPES))
        if self.version != FORMAT:
            raise ValueError(
                f"version={self.version} of the files is not {FORMAT}, the one read here: "
                "compute the kernel again in another directory."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole kernel: (n1, n2), or (num_outputs, n1, n2)."""
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

    def places(self) -> Iterator[TileIndex]:
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
