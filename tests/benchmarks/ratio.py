"""Costs held against those of rivals that are taken in turn with them, and one table of many."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A cost beside a rival's: the ratio of the least times, and of the medians.

    Attributes:
        what: What costs it.
        rival: What it is held against: another method, a bare operation, or a limit.
        ours: Each time it was measured, in ``unit``.
        theirs: The rival's.
        aim: The largest ratio aimed at, if one was set.
    """

    what: str
    rival: str
    ours: Sequence[float]
    theirs: Sequence[float]
    aim: float | None = None
    unit: str = "s"

    @property
    def least(self) -> float:
        """The ratio of the least costs, which other work on the machine lengthens little."""
        return min(self.ours) / min(self.theirs)

    @property
    def middle(self) -> float:
        """The ratio of the median costs."""
        return median(self.ours) / median(self.theirs)

    def row(self) -> list[str]:
        """As texts, for a table."""
        shown = [f"{min(each):.3g} ({median(each):.3g})" for each in (self.ours, self.theirs)]
        aim, verdict = "", ""
        if self.aim is not None:
            aim, verdict = f"{self.aim:.2f}", "met" if self.least <= self.aim else "missed"
        ratio = f"{self.least:.2f} ({self.middle:.2f})"
        return [self.what, self.rival, self.unit, *shown, f"{len(self.ours)}", ratio, aim, verdict]


def in_turn(
    tasks: Mapping[str, Callable[[], object]],
    repeats: int,
    calls: int = 1,
    after: Callable[[], object] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each task, as often as asked, after a turn that is not counted.

    Tasks take turns, so that a machine that slows down slows all of them. Where a turn has several
    calls, their mean is taken. A task that returns a number has timed itself, in seconds.

    Args:
        after: What waits for the calls of a turn to be done, as on a GPU.
    """
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(1 + repeats):
        for name, task in tasks.items():
            own, begin = 0.0, time.perf_counter()
            for _ in range(calls):
                found = task()
                own += found if isinstance(found, float) else 0.0
            if after is not None:
                after()
            taken[name].append((own or time.perf_counter() - begin) / calls)
    return {name: values[1:] for name, values in taken.items()}


def peak_of(task: Callable[[], object], small: Callable[[], object]) -> float:
    """Peak memory of a call above what was resident before it, MB; in a process that is fresh.

    Linux only: writing 5 there sets the peak back to what is resident now.

    Args:
        small: A tiny task of the same kind, called first: it loads the code.
    """
    small()
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_kilobytes()
    task()
    return (_peak_kilobytes() - before) / 1024


def _peak_kilobytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def table(ratios: Iterable[Ratio]) -> Table:
    """One line a ratio: least values, medians in brackets."""
    title = f"least (median); {torch.get_num_threads()} threads of torch"
    found = Table(title=title)
    words = ("what", "held against", "unit", "ours", "rival", "n", "ratio", "aim", "")
    for word in words:
        left = word in ("what", "held against", "unit", "")
        found.add_column(word, justify="left" if left else "right", overflow="fold")
    for each in ratios:
        found.add_row(*each.row())
    return found
