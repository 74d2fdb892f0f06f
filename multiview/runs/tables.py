"""Printed tables: each number is an estimate with its 95% interval, in the terminal or Markdown."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from multiview.runs.estimates import Estimate, Values, measured, select
from multiview.runs.grid import Grid

if TYPE_CHECKING:
    from pandas import DataFrame

# How a number is printed: percentages of what lies in [0, 1], differences of them in points.
Unit = Literal["percent", "points", "number"]
UNITS: Mapping[Unit, tuple[float, int]] = {
    "percent": (100, 1),
    "points": (100, 1),
    "number": (1, 3),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a listing: what it is called, and which lines of the run's table it is about."""

    label: str | tuple[str, ...]  # one text a heading of the listing's ``labels``
    where: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""  # heading above the lines of one group


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a listing: its heading, and what stands in it on a line."""

    heading: str
    text: "Callable[[DataFrame, Line], Cell]"


class Cell(NamedTuple):
    """A printed cell, how its interval was made ("" without one) and of how many values."""

    text: str
    method: str = ""
    n: int = 0


def measure(
    heading: str,
    name: str,
    *,
    unit: Unit = "percent",
    minus: Mapping[str, Any] | None = None,
    gain_over: Mapping[str, Any] | None = None,
    interval: bool = True,
    digits: int | None = None,
    **where: Any,
) -> Column:
    """A measure of each line's method and cell, mean and 95% interval.

    Args:
        where: Values that hold in addition to the line's, or instead of them.
        minus: A difference paired by repetition: what is subtracted is the same measure where these
            values hold instead, e.g. ``{"method": "labels"}``. Its own line stays empty.
        gain_over: The reverse of ``minus``: the same measure where these values hold minus that of
            the line, which for an error is how much less the line's method errs.
        interval: False for the mean alone.

    Raises:
        ValueError: If both ``minus`` and ``gain_over`` are given.
    """
    if minus is not None and gain_over is not None:
        raise ValueError(f"{heading!r} is either a difference or a gain: drop one of the two.")

    def estimate(line: Line) -> Estimate | None:
        own = {**line.where, **where}
        if gain_over is not None:
            return gain(name, own, gain_over)
        return measured(name, **own) if minus is None else gain(name, {**own, **minus}, own)

    return estimated(heading, estimate, unit=unit, interval=interval, digits=digits)


def gain(name: str, own: Mapping[str, Any], over: Mapping[str, Any]) -> Estimate | None:
    """How much less a measure is where ``own`` holds than where ``over`` holds beside or instead.

    None where these are the same.
    """
    other = {**own, **over}
    return None if other == own else measured(name, **other) - measured(name, **own)


def estimated(
    heading: str,
    estimate: Callable[[Line], Estimate | None],
    *,
    unit: Unit = "percent",
    interval: bool = True,
    digits: int | None = None,
) -> Column:
    """Any estimate that follows from the line; None leaves the cell empty."""

    def text(table: "DataFrame", line: Line) -> Cell:
        chosen = estimate(line)
        return Cell("") if chosen is None else printed(table, chosen, unit, interval, digits)

    return Column(heading=heading, text=text)


def printed(
    table: "DataFrame",
    estimate: Estimate,
    unit: Unit = "percent",
    interval: bool = True,
    digits: int | None = None,
) -> Cell:
    """``12.3 [10.1, 14.5]``; empty where the run has no such line or column."""
    try:
        values = estimate.of(table)
    except KeyError:
        return Cell("")
    known = values.by_seed.dropna()
    if not len(known):
        return Cell("")
    if not all(map(math.isfinite, known)):
        return Cell("infinite", n=len(known))
    return Cell(*_numbers(values, unit, interval, digits), len(known))


def _numbers(values: Values, unit: Unit, with_ends: bool, digits: int | None) -> tuple[str, str]:
    """The numbers as text, and the interval's method."""
    scale, places = UNITS[unit]
    mean, low, high, method = values.interval()
    if digits is not None:
        places = digits
    elif unit == "number" and abs(mean) >= 10:
        places = 1
    # Adding 0 turns a rounded -0.0 into 0.0.
    mean, low, high = (
        round(scale * each, places) + 0.0 if math.isfinite(each) else each
        for each in (mean, low, high)
    )
    if not with_ends:
        return f"{mean:.{places}f}", ""
    if unit == "percent" and math.isfinite(low):  # of a t-interval of what lies in [0, 1]
        low, high = max(low, 0.0), min(high, 100.0)
    ends = f"{low:.{places}f}, {high:.{places}f}" if math.isfinite(low) else "?"
    return f"{mean:.{places}f} [{ends}]", method


def fractions(heading: str, name: str) -> Column:
    """Means over the repetitions of a list of fractions, in percent: ``10/50/40``.

    Empty where the run has no such line or column.
    """

    def text(table: "DataFrame", line: Line) -> Cell:
        try:
            lists = select(table, **line.where)[name].dropna()
        except KeyError:
            return Cell("")
        means = [100 * math.fsum(values) / len(lists) for values in zip(*lists, strict=True)]
        return Cell("/".join(f"{value:.0f}" for value in means), n=len(lists))

    return Column(heading=heading, text=text)


def given(heading: str, texts: Mapping[str, str]) -> Column:
    """What others published, by the line's last label."""
    return Column(
        heading=heading,
        text=lambda table, line: Cell(
            texts.get(line.label if isinstance(line.label, str) else line.label[-1], "")
        ),
    )


def lines_of(labels: Mapping[str, str], group: str = "", **where: Any) -> list[Line]:
    """A line for each method: ``{method: label}``."""
    return [
        Line(label=label, where={"method": method, **where}, group=group)
        for method, label in labels.items()
    ]


def each(table: "DataFrame", *names: str, **where: Any) -> list[Line]:
    """A line for each combination of values that these columns have, in the table's order."""
    kept = select(table, **where)
    found = dict.fromkeys(zip(*(kept[name] for name in names), strict=True))
    return [
        Line(label=tuple(f"{v:g}" if isinstance(v, float) else str(v) for v in values),
             where={**dict(zip(names, values, strict=True)), **where})
        for values in found
    ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A table to print: lines times columns.

    Attributes:
        title: What is listed; how many repetitions, and how intervals are made, is added.
        labels: Headings of the lines' labels.
        empty: Whether lines without any number are printed too.
        note: What a reader must know besides; stands below the table.
    """

    title: str
    lines: Sequence[Line]
    columns: Sequence[Column]
    labels: tuple[str, ...] = ("",)
    empty: bool = False
    note: str = ""

    def grid(self, table: "DataFrame") -> Grid:
        """The texts of the table, from a run's derived table."""
        rows, methods, n = [], set[str](), table["seed"].nunique()
        for line in self.lines:
            cells = [column.text(table, line) for column in self.columns]
            if not self.empty and not any(cell.n for cell in cells):
                continue
            methods |= {cell.method for cell in cells}
            texts = [c.text + (f" (n={c.n})" if 0 < c.n < n else "") for c in cells]
            label = (line.label,) if isinstance(line.label, str) else line.label
            rows.append((line.group, (*label, *texts)))
        headings = (*self.labels, *(column.heading for column in self.columns))
        caption = f"Mean [95% interval], n={n}{_how(methods)}. {self.note}".rstrip()
        return Grid(self.title, caption, headings, rows)


def _how(methods: Iterable[str]) -> str:
    """How the intervals of a table are made."""
    used = set(methods)
    known = {
        "views": "fractions of views by binomial intervals with the view as the unit",
        "t": "other numbers by Student's t" if "views" in used else "intervals by Student's t",
        "none": "[?] where there is one value, or all agree, and nothing shows their spread",
    }
    return "".join(f"; {text}" for name, text in known.items() if name in used)
