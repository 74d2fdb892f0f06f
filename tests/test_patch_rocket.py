"""rocket_launching on patches: what follows from a row, claims and tables."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from test_rocket_launching import refuted
from tidy_tables import changed, repeated, table_of, texts

from figures import rocket_launching as figure
from figures import style
from multiview.bench import Sgd, check, run
from multiview.methods import Rocket
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.experiment import Context
from theory_experiments.views import rocket_patches as patches

# Long enough that networks of other settings answer otherwise.
TRAINING: Any = patches.SMOKE.setting.training
OPTIM = replace(TRAINING.labels, epochs=6)
CELL = replace(
    patches.SMOKE,
    setting=replace(
        patches.SMOKE.setting,
        relu_knee=1.0,
        sigma_init=0.3,
        training=Sgd(labels=OPTIM, students=OPTIM),
    ),
)


@pytest.fixture(scope="module")
def row():
    return run(CELL, Context())


@pytest.fixture(scope="module")
def lines(row):
    return patches.derived(table_of((CELL, row))).set_index("method")


@pytest.mark.parametrize("cell", [patches.SMOKE, patches.LAPTOP, patches.PAPER])
def test_every_cell_can_be_computed_and_shares_up_to_all_neurons(cell):
    check([cell], Context())
    rockets = [each for each in cell.methods.values() if isinstance(each, Rocket)]
    assert max(each.shared for each in rockets) == cell.setting.width
    assert {each.width for each in rockets} > {cell.methods["rocket"].width}


def test_methods_differ_in_what_they_are_named_by():
    rocket: Any = patches.LAPTOP.methods["rocket"]
    for name, changes in {
        "base": {"weight": 0.0},
        "no_block": {"block": False},
        "no_joint": {"joint": False},
        "no_joint_shared": {"joint": False, "shared": 10},
        "shared_5": {"shared": 5},
        "width_40": {"width": 40},
        "weight_0.3": {"weight": 0.3},
    }.items():
        assert patches.LAPTOP.methods[name] == replace(rocket, **changes), name


def test_the_rocket_stands_on_every_axis(row):
    axes = dict(patches.AXES.values())
    found = {axis: {who: each[axis] for who, each in row.items() if axis in each} for axis in axes}
    assert found == {
        "neurons_shared": {"rocket": 0, "shared_4": 4},
        "booster_neurons": {"rocket": 4, "width_6": 6},
        "hint_weight": {"rocket": 0.03, "weight_0.1": 0.1},
    }
    assert set(figure.AXES) == set(axes)


def test_what_follows_from_a_row_is_that_of_light_net_and_booster(lines):
    bench = CELL.setting.bench(0, Context())
    probes = coverage_probes(CELL.setting.spec, bench.features, bench.stream("probes"), 20)
    for name in ("rocket", "no_block", "shared_4"):
        light = bench.trained(CELL.methods[name])
        assert light.companion is not None
        pair = (light, light.companion)
        with torch.no_grad():
            found = [coverage_of(each.logits(probes.patches), probes) for each in pair]
        first, second = (each.margin.argmax(1) for each in found)
        assert lines["margins_agree"][name] == float((first == second).double().mean())
        union = found[0].covered | found[1].covered
        assert lines["union"][name] == float(union.double().mean())
        assert lines["coverage"][name] == float(found[0].fraction)
        assert lines["booster_coverage"][name] == float(found[1].fraction)
    mixed = 0.02 * lines["single"] + 0.98 * lines["multi"]
    np.testing.assert_allclose(lines["mixed"].astype(float), mixed.astype(float))
    assert lines["neurons_agree"]["shared_4"] == 1  # one net
    own, other = lines["coverage"]["base"], lines["coverage"]["booster"]
    for name in ("rocket", "kd"):
        assert lines["predicted"][name] == pytest.approx(1 - (1 - own) * (1 - other))


def test_hints_change_light_nets_and_but_for_the_block_no_booster(row):
    booster = row["base"]["booster_margin"]
    for who in ("rocket", "no_joint"):
        assert row[who]["booster_margin"] == pytest.approx(booster, abs=1e-4)
    assert row["no_block"]["booster_margin"] != pytest.approx(booster, abs=1e-4)
    for who in ("kd", "rocket", "no_joint"):
        assert row[who]["margin"] != pytest.approx(row["base"]["margin"], abs=1e-6)
    assert row["booster"]["margin"] == booster


def test_c_and_single_view_errors_are_counted_in_views(lines):
    for name in ("coverage", "booster_coverage", "single", "booster_single", "union"):
        assert lines[f"{name}_of"]["rocket"] == 8
    assert "neurons_agree_of" not in lines


IDEAL = {
    "rocket": {
        **{"coverage": 0.75, "mixed": 0.25, "neurons_agree": 0.5},
        **{"booster_coverage": 0.5, "booster_neurons": 20},
    },
    "shared_10": {"coverage": 0.5, "booster_coverage": 0.5, "mixed": 0.2},
    "no_block": {"coverage": 0.6, "booster_coverage": 0.4, "neurons_agree": 0.8},
    "width_10": {"coverage": 0.7, "booster_neurons": 10},
    "width_40": {"coverage": 0.72, "booster_neurons": 40},
}


@pytest.mark.parametrize(
    ("name", "value", "refutes"),
    [
        ("rocket.mixed", 0.25, set()),
        ("shared_10.coverage", 0.74, {"all shared"}),
        ("shared_10.mixed", 0.3, {"sharing helps"}),
        ("rocket.neurons_agree", 0.7, {"block, winners"}),
        ("no_block.neurons_agree", 0.5, {"no block, winners"}),
        ("no_block.booster_coverage", 0.5, {"no block, booster"}),
        ("width_40.coverage", 0.8, {"wider booster"}),
    ],
)
def test_each_claim_turns_with_the_measure_it_is_about(name, value, refutes):
    table = repeated({patches.LAPTOP: changed(IDEAL, {name: value})})
    assert refuted(table, patches.claims(patches.LAPTOP)) == refutes


def test_the_tables_show_what_was_predicted(row):
    table = patches.derived(table_of(*((replace(CELL, seed=i), row) for i in (0, 1))))
    text = texts(patches.tables(table), table)
    for words in ("predicted", "same view", "neurons shared", "hint's weight", "alone", "on D"):
        assert words in text
    assert {entry.method for entry in figure.PATCHES} <= set(row)


def test_panels_begin_with_a(monkeypatch, row):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    figure.draw(patches.derived(table_of((CELL, row))))
    assert letters == list("abcde")
