"""Estimates: numbers read off a run's table, one a repetition, which add and subtract."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from multiview.runs.intervals import Interval, Kind, interval_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Values:
    """One number a repetition, and what its interval must know.

    Attributes:
        by_seed: The numbers; the index is the seed. NaN where a repetition lacks it.
        units: Of how many views of a repetition these are fractions, or differences of fractions;
            None where nothing is counted.
        kind: "number" where nothing is counted.
    """

    by_seed: "pd.Series"
    units: int | None = None
    kind: Kind = "number"

    def interval(self, confidence: float = 0.95) -> Interval:
        """The interval of the expectation of the values that are not NaN.

        Raises:
            ValueError: If there are none, or one is infinite.
        """
        known = self.by_seed.dropna().to_numpy(float)
        return interval_of(known, self.units, self.kind, confidence)


@dataclass(frozen=True)
class Estimate:
    """A number of each repetition.

    Attributes:
        text: How it is written; equal texts are equal estimates.
        of: The values in a table with one line a cell and method.
    """

    text: str
    of: "Callable[[pd.DataFrame], Values]"

    def __add__(self, other: "Estimate | float") -> "Estimate":
        return _combined("+", self, other)

    def __sub__(self, other: "Estimate | float") -> "Estimate":
        return _combined("-", self, other)

    def __mul__(self, other: "Estimate | float") -> "Estimate":
        return _combined("*", self, other)

    def __truediv__(self, other: "Estimate | float") -> "Estimate":
        return _combined("/", self, other)

    def __abs__(self) -> "Estimate":
        return Estimate(f"abs({self.text})", lambda table: Values(self.of(table).by_seed.abs()))


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def _combined(sign: str, left: Estimate, right: Estimate | float) -> Estimate:
    """The operation, seed by seed; a difference of fractions keeps what they are counted in."""
    text = right.text if isinstance(right, Estimate) else repr(float(right))

    def of(table: "pd.DataFrame") -> Values:
        a = left.of(table)
        b = right.of(table) if isinstance(right, Estimate) else float(right)
        by_seed = OPERATIONS[sign](a.by_seed, b.by_seed if isinstance(b, Values) else b)
        if sign == "-" and a.kind == "fraction" and a.units is not None:
            if not isinstance(b, Values):
                return Values(by_seed, a.units, "difference")
            if b.kind == "fraction" and b.units is not None:
                return Values(by_seed, min(a.units, b.units), "difference")
        return Values(by_seed)

    return Estimate(f"({left.text} {sign} {text})", of)


def measured(measure: str, method: str | None = None, **where: Any) -> Estimate:
    """A measure of one method in the cells that have these values: ``measured("error", "sum")``.

    It is a fraction of so many views where the table has the column ``<measure>_of``.

    Raises:
        ValueError: When evaluated, if two lines of a repetition fit.
        KeyError: When evaluated, if there is no such column.
    """
    chosen = where if method is None else {"method": method, **where}
    text = ", ".join([repr(measure), *(f"{name}={value!r}" for name, value in chosen.items())])

    def of(table: "pd.DataFrame") -> Values:
        kept = places(table, **chosen)
        by_seed = table[measure].iloc[kept].astype(float).set_axis(table["seed"].iloc[kept])
        if by_seed.index.has_duplicates:
            raise ValueError(f"measured({text}) fits two lines of one repetition: say which.")
        units = table[f"{measure}_of"].iloc[kept] if f"{measure}_of" in table else None
        if units is None or units.isna().any() or units.nunique() != 1:
            return Values(by_seed)
        return Values(by_seed, int(units.iloc[0]), "fraction")

    return Estimate(f"measured({text})", of)


def select(table: "pd.DataFrame", **where: Any) -> "pd.DataFrame":
    """The lines that hold these values in the columns so named.

    Raises:
        KeyError: If there is no such column.
    """
    return table.iloc[places(table, **where)]


def places(table: "pd.DataFrame", **where: Any) -> list[int]:
    """Where the lines stand that ``select`` returns."""
    kept = list(range(len(table)))
    for name, value in where.items():
        column = table[name].tolist()
        kept = [i for i in kept if column[i] == value]
    return kept


def largest(estimates: Iterable[Estimate]) -> Estimate:
    """The largest of the estimates in each repetition; missing where one is."""
    return _over("largest", estimates, lambda values: values.max(axis=1, skipna=False))


def average(estimates: Iterable[Estimate]) -> Estimate:
    """The mean of the estimates in each repetition; missing where one is."""
    return _over("average", estimates, lambda values: values.mean(axis=1, skipna=False))


def _over(
    name: str, estimates: Iterable[Estimate], reduce: "Callable[[pd.DataFrame], pd.Series]"
) -> Estimate:
    parts = tuple(estimates)

    def of(table: "pd.DataFrame") -> Values:
        import pandas

        return Values(reduce(pandas.concat([each.of(table).by_seed for each in parts], axis=1)))

    return Estimate(f"{name}({', '.join(each.text for each in parts)})", of)


def by_repetition(text: str, compute: "Callable[[pd.DataFrame], float]", **where: Any) -> Estimate:
    """An estimate that sees all lines of a repetition, e.g. a correlation over its methods.

    Args:
        text: What is computed, in words that tell it from any other; change them with it.
        compute: The number, of the lines of one repetition.
        where: Values that the lines hold.
    """

    def of(table: "pd.DataFrame") -> Values:
        import pandas

        groups = select(table, **where).groupby("seed")
        found = {seed: float(compute(lines)) for seed, lines in groups}
        return Values(pandas.Series(found, dtype=np.float64))

    chosen = ", ".join(f"{name}={value!r}" for name, value in where.items())
    return Estimate(f"by_repetition({text!r}, {chosen})", of)
