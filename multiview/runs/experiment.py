"""Experiment: a claim, the cells that test it and the function that computes one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from multiview.runs.artefacts import Tensors, compute_now
from multiview.runs.claims import Claim
from multiview.runs.version import code_version

if TYPE_CHECKING:
    from pandas import DataFrame

    from multiview.runs.tables import Listing

C = TypeVar("C")  # the cell: a frozen dataclass with a field ``seed``
O = TypeVar("O")  # the script's own options  # noqa: E741
Row = Mapping[str, Mapping[str, Any]]  # method -> measure -> value
Split = Callable[[Any], Iterable[tuple[Any, Iterable[int]]]]


class UnknownName(ValueError):
    """A name on the command line is that of nothing."""


def _no_progress(message: str, fraction: float | None = None) -> None:
    """Print no progress."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a cell is computed; nothing in it may change the result, so no row's key holds it.

    Attributes:
        scratch: Folder of this cell alone, for what a killed cell can go on with; it stays until
            the row is stored. It need not exist. None where nothing is to be kept.
        artefact: ``artefact(description, compute)`` is what ``compute()`` returns, tensors
            by name: computed once by all cells and processes where there are ``Artefacts``.
    """

    device: str = "cpu"
    data_dir: Path | None = None
    scratch: Path | None = None
    progress: Callable[..., None] = _no_progress  # progress(message, fraction of the cell done)
    artefact: Callable[..., Tensors] = compute_now


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options of a script that has none of its own."""


@dataclass(frozen=True, kw_only=True)
class Preset(Generic[C, O]):
    """The cells of one repetition, and how often it is repeated.

    Attributes:
        cells: The cells of one repetition, or ``cells(options)`` that gives them. The runner sets
            their ``seed``.
        seeds: Number of repetitions unless ``--seeds`` says otherwise.
        first_seed: The seed of the first repetition; the next have the next seeds, so a larger
            number only adds rows. Where claims were restated when results of some seeds were
            known, it lies behind those.
        claimed: Whether the experiment's claims are about cells of this size.
        split: Whether cells are split into parts that many workers can share.
    """

    cells: Sequence[C] | Callable[[O], Iterable[C]]
    seeds: int = 1
    first_seed: int = 0
    claimed: bool = True
    split: bool = False

    def of(self, options: O) -> list[C]:
        """The cells of one repetition under these options."""
        return list(self.cells(options) if callable(self.cells) else self.cells)


def _no_claims(cells: Sequence[object]) -> Sequence[Claim]:
    return ()


class Cost(Protocol):
    """What cells will take."""

    @property
    def text(self) -> str:
        """What is said before the first cell."""
        ...

    @property
    def memory(self) -> float:
        """Bytes that a process takes at once."""
        ...

    @property
    def disk(self) -> float:
        """Bytes of trained networks and checkpoints that all cells store, at most."""
        ...


def _no_cost(cells: Sequence[object], context: Context) -> None:
    """Estimate no cost."""


def _in_one(cell: object) -> Iterable[tuple[object, Iterable[int]]]:
    """Split nothing."""
    return ()


def _no_check(cells: Sequence[object], context: Context) -> None:
    """Accept all cells."""


def _as_it_is(table: "DataFrame") -> "DataFrame":
    return table


def _no_tables(table: "DataFrame") -> "Iterable[Listing]":
    return ()


@dataclass(frozen=True, kw_only=True)
class Experiment(Generic[C, O]):
    """What a script declares; the runner does all else.

    Attributes:
        name: The script's file name without ``.py``.
        description: The script's docstring: its claim.
        run: ``run(cell, context)`` computes one cell and returns what was measured of each method:
            ``{method: {measure: value}}``, values being numbers, strings, lists of them and arrays.
            What belongs to no method stands under the name "data".
        presets: By name.
        claims: ``claims(cells)`` of the cells of one repetition: it never sees a row.
        check: ``check(cells, context)`` raises a ValueError for what ``run`` could not work with,
            such as missing data; called with the cells to come before any is computed.
        cost: ``cost(cells, context)`` says what the cells to come will take; printed before the
            first. None where there is nothing to say.
        split: ``split(cell)``, the parts of a cell that ``run`` computes before it where a preset
            is split, each with the positions of those before it that it needs. They leave
            artefacts, and their rows are in no table.
        options: Frozen dataclass of the script's own options, scalars with defaults. What changes
            a result must also stand in the cell.
        derived: ``derived(table)`` adds columns that follow from others, such as closed forms; it
            is applied whenever rows are read to be shown or judged, and so costs no computation.
        tables: ``tables(table)``, what is printed of a run, of its derived table.
        figure: Module of the package ``figures`` whose ``draw(table)`` makes the figure.
    """

    name: str
    description: str
    run: Callable[[C, Context], Row]
    presets: Mapping[str, Preset[C, O]]
    claims: Callable[[Sequence[C]], Iterable[Claim]] = _no_claims
    check: Callable[[Sequence[C], Context], None] = _no_check
    cost: Callable[[Sequence[C], Context], Cost | None] = _no_cost
    split: Split = _in_one
    options: type[O] = NoOptions  # type: ignore[assignment]
    derived: "Callable[[DataFrame], DataFrame]" = _as_it_is
    tables: "Callable[[DataFrame], Iterable[Listing]]" = _no_tables
    figure: str | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name={self.name!r} names files and a module: use an identifier.")
        if not self.presets:
            raise ValueError(f"presets of {self.name} is empty: give at least one preset.")

    @property
    def title(self) -> str:
        """The first line of the description."""
        return (self.description.strip() or self.name).splitlines()[0]

    @property
    def default_preset(self) -> str:
        """``laptop`` where there is one, else the first preset."""
        return "laptop" if "laptop" in self.presets else next(iter(self.presets))

    def preset(self, name: str) -> Preset[C, O]:
        """The preset of this name.

        Raises:
            UnknownName: If there is none.
        """
        if name not in self.presets:
            raise UnknownName(f"preset={name!r} is not one of {', '.join(self.presets)}.")
        return self.presets[name]

    def cells(self, preset: str, options: O, seeds: int | None = None) -> list[C]:
        """Every cell of ``preset``, one repetition after the other.

        Raises:
            ValueError: If there is no such preset, ``seeds`` is not positive, there is no cell, or
                one is not a dataclass with a field ``seed``.
        """
        chosen = self.preset(preset)
        repetitions = chosen.seeds if seeds is None else seeds
        if type(repetitions) is not int or repetitions < 1:
            raise ValueError(
                f"seeds={repetitions!r} leaves nothing to compute: use an integer of at least 1."
            )
        cells = chosen.of(options)
        if not cells:
            raise ValueError(f"preset={preset} of {self.name} has no cells: give at least one.")
        for cell in cells:
            if not is_dataclass(cell) or "seed" not in {field.name for field in fields(cell)}:
                raise ValueError(f"cell={cell!r} has no seed: use a dataclass with a field seed.")
        seeds_used = range(chosen.first_seed, chosen.first_seed + repetitions)
        return [replace(cell, seed=seed) for seed in seeds_used for cell in cells]  # type: ignore[type-var]

    def code_version(self) -> str:
        """The version of the code that computes the cells of all presets."""
        return code_version(self.run, *self.makers())

    def makers(self) -> Iterator[object]:
        """The presets' cells, or what makes them from options."""
        for preset in self.presets.values():
            yield from [preset.cells] if callable(preset.cells) else preset.cells

    def claims_about(self, preset: str, options: O) -> list[Claim]:
        """The claims about the cells of a preset."""
        chosen = self.preset(preset)
        return list(self.claims(chosen.of(options))) if chosen.claimed else []

    def derive(self, table: "DataFrame") -> "DataFrame":
        """The lines that succeeded, with their derived columns."""
        ok: Any = table[table["status"] == "ok"] if len(table) else table
        return self.derived(ok) if len(ok) else ok
