"""Experiments: grids of cells, repetition by repetition."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_experiment import EXPERIMENT, Cell, Options

from multiview.runs.experiment import Experiment, Grid, NoOptions, grid


def run(cell, context):
    return {}


def experiment(the_grid, **other):
    return Experiment(name="e", run=run, grids={"smoke": the_grid}, **other)


@given(st.integers(1, 4), st.sets(st.integers(1, 9), max_size=3), st.integers(1, 6))
def test_a_grid_is_the_product_of_its_axes_for_every_seed(seeds, axis, more):
    e = experiment(grid(Cell(seed=0, flips=1), seeds=seeds, flips=sorted(axis), sizes=[(1,), ()]))
    cells = e.cells("smoke", NoOptions())
    expected = {(s, f, z) for s in range(seeds) for f in axis for z in [(1,), ()]}
    assert {(c.seed, c.flips, c.sizes) for c in cells} == expected
    assert len(cells) == len(expected)
    # More seeds only add cells, and a repetition is complete before the next begins.
    assert e.cells("smoke", NoOptions(), seeds + more)[: len(cells)] == cells
    assert [c.seed for c in cells] == sorted(c.seed for c in cells)


def test_cells_know_the_options():
    fair = EXPERIMENT.cells("smoke", Options())
    forged = EXPERIMENT.cells("smoke", Options(coin="forged"))
    assert [c.coin.heads for c in fair + forged] == [0.5] * 4 + [0.9] * 4


def test_the_title_is_the_first_line_of_the_script():
    assert EXPERIMENT.title == "A coin shows heads half of the time."


def test_laptop_is_the_default_where_there_is_one():
    assert EXPERIMENT.default_preset == "laptop"
    assert experiment(grid(Cell(seed=0, flips=1), seeds=1)).default_preset == "smoke"


@dataclass(frozen=True)
class Seedless:
    flips: int = 1


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        (lambda seed, options: [Seedless()], "field seed"),
        (lambda seed, options: [{"seed": seed}], "field seed"),
        (lambda seed, options: [Cell(seed=7, flips=1)], "another seed"),
    ],
)
def test_cells_that_are_no_repetition_are_refused(cells, match):
    with pytest.raises(ValueError, match=match):
        experiment(Grid(cells=cells)).cells("smoke", NoOptions())


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match=r"preset='huge' is not one of smoke, laptop"):
        EXPERIMENT.cells("huge", Options())
    with pytest.raises(ValueError, match=r"seeds=0 .* at least 1"):
        EXPERIMENT.cells("smoke", Options(), 0)
    with pytest.raises(ValueError, match="no/slash"):
        replace(EXPERIMENT, name="no/slash")
    with pytest.raises(ValueError, match="preset"):
        replace(EXPERIMENT, grids={})
