"""The bar: counts cells, shows what they say, and is silent where nobody looks."""

import io

from rich.console import Console

from multiview.runs.progress import ProgressBars
from multiview.runs.work import Outcome


def sweep(console):
    bars = ProgressBars(console, "toy", 3)

    def outcomes():
        for key in "abc":
            bars.listen(key, f"cell {key} step 7", 0.5)
            bars._progress.refresh()
            yield Outcome(key=key, cell=None, status="ok")

    with bars:
        assert [outcome.key for outcome in bars.follow(outcomes())] == ["a", "b", "c"]
    return bars


def test_the_bar_counts_cells_and_shows_their_messages():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    bars = sweep(console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "cell b step 7" in text
    assert "1/3" in text
    assert "cells/min" in text
    assert bars._progress.tasks[0].completed == 3


def test_a_running_cell_counts_as_far_as_it_is():
    bars = ProgressBars(Console(file=io.StringIO()), "toy", 3)
    bars.listen("a", "", 0.25)
    bars.listen("b", "", 0.5)
    bars.listen("a", "", 0.75)
    assert bars._progress.tasks[0].completed == 1.25


def test_nothing_is_shown_where_there_is_no_terminal():
    console = Console(file=io.StringIO(), force_terminal=False)
    sweep(console)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
