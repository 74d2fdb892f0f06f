"""Cell: a setting, named methods and measures, as plain data; measured computes one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from multiview.bench.method import Measure, Method, with_needs
from multiview.bench.setting import Setting
from multiview.bench.types import Context

S = TypeVar("S", bound=Setting)


@dataclass(frozen=True, kw_only=True)
class Cell(Generic[S]):
    """One repetition of named methods in one setting.

    Attributes:
        part: Which part of an experiment this is.
        seed: Everything random follows from it.
    """

    part: str = ""
    setting: S
    methods: Mapping[str, Method] = field(default_factory=dict, hash=False)
    measures: tuple[Measure, ...] = ()
    seed: int = 0

    def changed(self, part: str | None = None, **setting: Any) -> "Cell[S]":
        """A cell of the same methods and measures in a setting with other values.

        Args:
            part: Its part; None: this cell's.
            setting: Fields of the setting.
        """
        other: Any = replace(self.setting, **setting)  # type: ignore[type-var]
        return replace(self, part=self.part if part is None else part, setting=other)

    def __str__(self) -> str:
        named = f"{self.part}, " if self.part else ""
        return f"{named}{', '.join(self.methods)} in {self.setting}, seed {self.seed}"


def measured(cell: Cell, context: Context) -> dict[str, dict[str, Any]]:
    """Train every method of a cell on one draw of its samples, and measure.

    Returns:
        ``{method: {measure: value}}``: what the methods noted and the measures found.
    """
    bench = cell.setting.bench(cell.seed, context)
    bench.plan(list(cell.methods.values()))
    trained = {name: bench.trained(method) for name, method in cell.methods.items()}
    row = {name: dict(each.notes) for name, each in trained.items()}
    for measure in cell.measures:
        for name, found in measure.of(bench, trained).items():
            row[name] = row.get(name, {}) | dict(found)
    return row


def check(cells: Iterable[Cell], context: Context) -> None:
    """Refuse cells that could not be computed, before any is.

    Raises:
        ValueError: If data are missing, or a method or measure does not fit its setting.
    """
    seen: list[tuple[Setting, Sequence[Method], Sequence[Measure]]] = []
    for cell in cells:
        known = (cell.setting, list(cell.methods.values()), cell.measures)
        if known in seen:  # another repetition of it
            continue
        seen.append(known)
        for name, method in cell.methods.items():
            for each in with_needs([method]):
                try:
                    each.check(cell.setting)
                except ValueError as error:
                    raise ValueError(f"method {name!r}: {error}") from error
        for measure in cell.measures:
            measure.check(cell.setting)
        cell.setting.check(context)  # last, since it may read data
