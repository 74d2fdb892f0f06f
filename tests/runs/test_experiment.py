"""Experiments: presets of one repetition's cells, repeated seed by seed."""

from dataclasses import dataclass, replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_experiment import EXPERIMENT, Cell, Options, claims

from multiview.runs.experiment import Experiment, NoOptions, Preset


def run(cell, context):
    return {}


def experiment(preset, **other):
    return Experiment(
        name="e", description="An example.", run=run, presets={"smoke": preset}, **other
    )


lists = st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)


@given(st.integers(1, 4), st.integers(0, 20), lists, st.integers(1, 6), st.booleans())
def test_a_preset_is_repeated_for_every_seed(seeds, first, sizes, more, called):
    cells = [Cell(seed=5, flips=flips) for flips in sizes]  # whose seed the runner sets
    given_as = (lambda options: (cell for cell in cells)) if called else cells
    e = experiment(Preset(cells=given_as, seeds=seeds, first_seed=first))
    found = e.cells("smoke", NoOptions())
    assert found == [
        Cell(seed=seed, flips=flips) for seed in range(first, first + seeds) for flips in sizes
    ]
    # More seeds only add cells, and a repetition is complete before the next begins.
    assert e.cells("smoke", NoOptions(), seeds + more)[: len(found)] == found
    assert e.cells("smoke", NoOptions(), 1) == found[: len(sizes)]


def test_cells_know_the_options():
    fair = EXPERIMENT.cells("smoke", Options())
    forged = EXPERIMENT.cells("smoke", Options(coin="forged"))
    assert [c.coin.heads for c in fair + forged] == [0.5] * 4 + [0.9] * 4


def test_the_title_is_the_first_line_of_the_script():
    assert EXPERIMENT.title == "A coin shows heads half of the time."


def test_laptop_is_the_default_where_there_is_one():
    assert EXPERIMENT.default_preset == "laptop"
    assert experiment(Preset(cells=[Cell(flips=1)])).default_preset == "smoke"


def test_claims_are_about_the_cells_of_one_repetition():
    asked = []

    def remember(cells):
        asked.append(list(cells))
        return claims(cells)

    preset = Preset(cells=[Cell(flips=1), Cell(flips=2)], seeds=7)
    (claim,) = experiment(preset, claims=remember).claims_about("smoke", NoOptions())
    assert claim.name == "fair"
    assert asked == [[Cell(flips=1), Cell(flips=2)]]
    unclaimed = experiment(replace(preset, claimed=False), claims=remember)
    assert unclaimed.claims_about("smoke", NoOptions()) == []
    assert len(asked) == 1


def test_columns_are_derived_of_the_lines_that_succeeded():
    table = pd.DataFrame({"seed": [0, 1], "status": ["ok", "failed"]})
    doubled = experiment(
        Preset(cells=[Cell(flips=1)]), derived=lambda t: t.assign(twice=2 * t["seed"])
    )
    assert doubled.derive(table)["twice"].tolist() == [0]
    assert doubled.derive(table.iloc[1:]).empty
    assert doubled.derive(pd.DataFrame()).empty
    assert "twice" not in table


def test_the_code_version_is_that_of_the_cells_of_all_presets(monkeypatch):
    asked = []

    def remember(*parts):
        asked.extend(parts)
        return "version"

    monkeypatch.setattr("multiview.runs.experiment.code_version", remember)
    given = [Cell(flips=1), Cell(flips=2)]
    both = replace(EXPERIMENT, presets={**EXPERIMENT.presets, "few": Preset(cells=given)})
    assert both.code_version() == "version"
    made = EXPERIMENT.presets["smoke"].cells
    assert asked == [EXPERIMENT.run, made, made, *given]


@dataclass(frozen=True)
class Seedless:
    flips: int = 1


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ([Seedless()], "field seed"),
        (lambda options: [{"seed": 0}], "field seed"),
        ([], "smoke of e has no cells"),
    ],
)
def test_cells_that_are_no_repetition_are_refused(cells, match):
    with pytest.raises(ValueError, match=match):
        experiment(Preset(cells=cells)).cells("smoke", NoOptions())


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match=r"preset='huge' is not one of smoke, laptop"):
        EXPERIMENT.cells("huge", Options())
    with pytest.raises(ValueError, match=r"preset='huge' is not one of smoke, laptop"):
        EXPERIMENT.claims_about("huge", Options())
    with pytest.raises(ValueError, match=r"seeds=0 .* at least 1"):
        EXPERIMENT.cells("smoke", Options(), 0)
    with pytest.raises(ValueError, match="no/slash"):
        replace(EXPERIMENT, name="no/slash")
    with pytest.raises(ValueError, match="preset"):
        replace(EXPERIMENT, presets={})
