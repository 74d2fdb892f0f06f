"""Experiment: a claim, the cells that test it and the function that computes one."""

import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from multiview.runs.claims import Claim


def _silent(message: str, fraction: float | None = None) -> None:
    """Report to nobody."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a cell is computed; nothing in it may change the result, so no row's key holds it.

    Attributes:
        scratch: Folder of this cell alone, for what a killed cell can go on with; it stays until
            the row is stored. It need not exist. None where nothing is to be kept.
    """

    device: str = "cpu"
    data_dir: Path | None = None
    scratch: Path | None = None
    progress: Callable[..., None] = _silent  # progress(message, fraction of the cell done)


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options of a script that has none of its own."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The cells of one preset, repetition by repetition.

    Attributes:
        cells: ``cells(seed, options)``, every cell of the repetition ``seed``.
        seeds: Number of repetitions unless ``--seeds`` says otherwise; they are 0, 1, ..., so a
            larger number only adds rows.
    """

    cells: Callable[[int, Any], Iterable[Any]]
    seeds: int = 1


def grid(base: Any, *, seeds: int, **axes: Sequence[Any]) -> Grid:
    """The product of ``axes`` around ``base``: ``grid(Cell(seed=0), seeds=3, members=(1, 10))``."""

    def cells(seed: int, options: Any) -> Iterable[Any]:
        for values in itertools.product(*axes.values()):
            yield replace(base, seed=seed, **dict(zip(axes, values, strict=True)))

    return Grid(cells=cells, seeds=seeds)


def _no_claims(preset: str, options: Any) -> Sequence[Claim]:
    return ()


def _no_cost(cells: Sequence[Any], context: Context) -> None:
    """Say nothing."""


def _accept(options: Any, context: Context) -> None:
    """Refuse nothing."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What a script declares; the runner does all else.

    Attributes:
        name: The script's file name without ``.py``.
        run: ``run(cell, context)`` computes one cell and returns its row: numbers, strings and
            lists of them; arrays are stored beside the row.
        grids: One ``Grid`` a preset.
        claims: ``claims(preset, options)``: decided before the run, so it never sees a row.
        check: ``check(options, context)`` raises a ValueError for what ``run`` could not work with,
            such as missing data; called before any cell is computed.
        cost: ``cost(cells, context)`` says what the cells about to be computed will take; printed
            before the first. None where there is nothing to say.
        options: Frozen dataclass of the script's own options, scalars with defaults. What changes
            a result must also stand in the cell.
        summary: ``summary(table)``, a string or rich renderable printed after a run.
        figure: Module of the package ``figures`` whose ``draw(table)`` makes the figure.
    """

    name: str
    run: Callable[[Any, Context], Mapping[str, Any]]
    grids: Mapping[str, Grid]
    claims: Callable[[str, Any], Sequence[Claim]] = _no_claims
    check: Callable[[Any, Context], None] = _accept
    cost: Callable[[Sequence[Any], Context], str | None] = _no_cost
    options: type = NoOptions
    summary: Callable[[Any], Any] | None = None
    figure: str | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name={self.name!r} names files and a module: use an identifier.")
        if not self.grids:
            raise ValueError(f"grids of {self.name} is empty: give at least one preset.")

    @property
    def docstring(self) -> str:
        """The script's docstring: its claim."""
        return sys.modules[self.run.__module__].__doc__ or self.name

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return self.docstring.strip().splitlines()[0]

    @property
    def default_preset(self) -> str:
        """``laptop`` where there is one, else the first preset."""
        return "laptop" if "laptop" in self.grids else next(iter(self.grids))

    def cells(self, preset: str, options: Any, seeds: int | None = None) -> list[Any]:
        """Every cell of ``preset``, one repetition after the other.

        Raises:
            ValueError: If there is no such preset, ``seeds`` is not positive, or a cell is not a
                dataclass that carries the repetition's seed.
        """
        if preset not in self.grids:
            raise ValueError(f"preset={preset!r} is not one of {', '.join(self.grids)}.")
        chosen = self.grids[preset]
        repetitions = chosen.seeds if seeds is None else seeds
        if repetitions < 1:
            raise ValueError(f"seeds={repetitions} leaves nothing to compute: use at least 1.")
        found = []
        for seed in range(repetitions):
            for cell in chosen.cells(seed, options):
                if not is_dataclass(cell) or "seed" not in {field.name for field in fields(cell)}:
                    raise ValueError(f"a cell is a dataclass with a field seed, got {cell!r}.")
                if cell.seed != seed:  # type: ignore[attr-defined]
                    raise ValueError(f"the cell {cell!r} of repetition {seed} has another seed.")
                found.append(cell)
        return found
