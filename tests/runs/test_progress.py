"""The bar: counts cells, shows what they say, and is silent where nobody looks."""

import io

import pytest
from rich.console import Console
from toy_programs import wait_for

from multiview.runs import leases
from multiview.runs.leases import claim, read
from multiview.runs.progress import ProgressBars
from multiview.runs.work import Outcome


@pytest.fixture
def telling(tmp_path, monkeypatch):
    """Cells that compute, by name, and say how far they are."""
    monkeypatch.setattr(leases, "BEAT", 0.01)

    def tell(name, message, fraction):
        lease = claim(tmp_path / name)
        assert lease is not None
        lease.__enter__()
        lease.tell(message, fraction)
        wait_for(lambda: read(lease.path).get("message") == message)
        return lease

    return tell


def sweep(console, folder, telling):
    bars = ProgressBars(console, "toy", [folder / key for key in "abc"])

    def outcomes():
        for key in "abc":
            with telling(key, f"cell {key} step 7", 0.5):
                bars.look()
                bars._progress.refresh()
            yield Outcome(key=key, cell=None, status="ok")

    with bars:
        assert [outcome.key for outcome in bars.follow(outcomes())] == ["a", "b", "c"]
    return bars


def test_the_bar_counts_cells_and_shows_their_messages(tmp_path, telling):
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    bars = sweep(console, tmp_path, telling)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "cell b step 7" in text
    assert "1/3" in text
    assert "cells/min" in text
    assert bars._progress.tasks[0].completed == 3


def test_the_bar_looks_by_itself(tmp_path, telling, monkeypatch):
    monkeypatch.setattr("multiview.runs.progress.LOOK", 0.01)
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with ProgressBars(console, "toy", [tmp_path / "a"]) as bars, telling("a", "step 3", 0.5):
        wait_for(lambda: bars._progress.tasks[0].completed == 0.5)
    assert "step 3" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_running_cell_counts_as_far_as_it_is(tmp_path, telling):
    bars = ProgressBars(Console(file=io.StringIO()), "toy", [tmp_path / key for key in "abc"])
    with telling("a", "one", 0.75), telling("b", "two", 0.5):
        bars.look()
        assert bars._progress.tasks[0].completed == 1.25


def test_nothing_is_shown_where_there_is_no_terminal(tmp_path, telling):
    console = Console(file=io.StringIO(), force_terminal=False)
    sweep(console, tmp_path, telling)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
