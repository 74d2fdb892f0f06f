"""Progress of a sweep on the terminal; silent where there is none."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from multiview.runs.leases import told
from multiview.runs.work import Outcome

LOOK = 0.5  # seconds between two looks at what running cells say


class ProgressBars:
    """One bar over all cells, its rate and time left, and the last message of a running cell.

    Args:
        leases: Of all cells, in which running ones say how far they are, whatever computes them.
    """

    def __init__(self, console: Console, title: str, leases: Sequence[Path]) -> None:
        self._keys = {lease.name for lease in leases}
        self._folders, self._over = {lease.parent for lease in leases}, threading.Event()
        self._running: dict[str, float] = {}  # row key -> fraction done
        self._done = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[message]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=len(leases), rate="", message="")

    def __enter__(self) -> "ProgressBars":
        self._progress.start()
        if not self._progress.disable:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._over.set()
        self._progress.stop()

    def look(self) -> None:
        """Show what running cells say."""
        said = [each for folder in self._folders for each in told(folder) if each[0] in self._keys]
        self._running = {key: fraction or 0.0 for key, _, fraction in said}
        self._update(said[-1][1] if said else "")

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            self.look()

    def follow(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass the outcomes on and count them."""
        for outcome in outcomes:
            self._running.pop(outcome.key, None)
            self._done += 1
            self._update("")
            yield outcome

    def _update(self, message: str) -> None:
        completed = self._done + sum(list(self._running.values()))
        task = self._progress.tasks[self._task]
        minutes = (task.elapsed or 0.0) / 60
        rate = f"{completed / minutes:.1f} cells/min" if minutes and completed else ""
        self._progress.update(self._task, completed=completed, message=message, rate=rate)
