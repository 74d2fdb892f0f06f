"""rocket_launching on patches: how each pair is trained, what is measured, claims and table."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from test_rocket_launching import refuted, shown
from theory_experiments._patch_rocket_claims import patch_rocket_claims
from tidy_tables import changed, repeated, table_of

from figures import rocket_launching as figure
from figures import style
from multiview import stream
from multiview.distill import rocket_launching, sequential_rocket_launching
from multiview.models import PatchNet, shared_patch_nets
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.experiment import Context
from theory_experiments import _patch_rocket as patches
from theory_experiments import _patch_rocket_nets as patch_nets
from theory_experiments import _rocket_tables as tables
from theory_experiments import rocket_launching as script
from theory_experiments._patch_nets import draw_features, draw_train

PATCHES = replace(
    patches.SMOKE,
    relu_knee=1.0,
    sigma_init=0.3,
    optim=replace(patches.SMOKE.optim, epochs=6),
    num_test=50,
)


def quiet(message: str, fraction: float) -> None:
    """Progress to nobody."""


def test_pairs_on_patches_are_trained_as_named(monkeypatch):
    noted = {}

    def note(procedure, light, boosters, *data, **settings):
        widths = [sum(block.shape[1] for block in net.blocks) for net in (light, *boosters)]
        shared = {id(p) for p in light.parameters()} & {id(p) for p in boosters[0].parameters()}
        start = torch.cat(list(light.blocks), 1).detach().clone()
        noted[len(noted)] = (widths, len(shared), start, settings | {"by": procedure})
        return procedure(light, boosters, *data, **settings)

    for procedure in (rocket_launching, sequential_rocket_launching):
        monkeypatch.setattr(patch_nets, procedure.__name__, partial(note, procedure))
    cell = replace(PATCHES, optim=replace(PATCHES.optim, epochs=1))
    train = draw_train(cell, draw_features(cell))
    pairs = patch_nets.train_pairs(cell, train, quiet)
    chosen = patch_nets.trainings(cell)
    names = ["base", "rocket_kd", *chosen]
    assert set(pairs) == {*names, "kd", "teacher"}
    for name, (widths, shared, start, settings) in zip(names, noted.values(), strict=True):
        assert widths == {"width_6": [4, 6], "many": [4, 4, 4]}.get(name, [4, 4])
        assert shared == (name in ("shared_4", "no_joint_shared"))
        if not shared:
            assert start.equal(noted[0][2])
        weight = {"base": 0.0, "weight_0.1": 0.1}.get(name, cell.weight)
        assert settings["weight"] == weight
        joint = not name.startswith("no_joint")
        assert settings["by"] is (rocket_launching if joint else sequential_rocket_launching)
        assert settings.get("block", True) is (name != "no_block")
        assert settings.get("delay", 0.0) == (0.5 if name == "late" else 0.0)
        assert ("teacher" in settings) is (name == "rocket_kd")
    assert pairs["teacher"][1] is noted[1][3]["teacher"]
    assert pairs["kd"][1] is pairs["base"][1]


@pytest.fixture(scope="module")
def row():
    return patches.run_patch_rocket(PATCHES, Context())


def test_measures_on_patches_are_those_of_the_pairs(row):
    train = draw_train(PATCHES, draw_features(PATCHES))
    pairs = patch_nets.train_pairs(PATCHES, train, quiet)
    features = draw_features(PATCHES)
    generator = stream(PATCHES.seed, "probes")
    probes = coverage_probes(PATCHES.spec, features, generator, PATCHES.probes_per_view)
    cover = {}

    def won(name: str, place: int) -> np.ndarray:
        """By loops: the view of each class that some neuron of the class is most along."""
        found = []
        for i, views in enumerate(features.numpy()):
            own = [w.detach().numpy() for w in pairs[name][place].parameters()]
            rows = [w[..., i, :, :].reshape(-1, views.shape[1]) for w in own]
            found.append(
                max((float(n @ v), -j) for w in rows for n in w for j, v in enumerate(views))
            )
        return np.array([-view for _, view in found])

    for name, pair in pairs.items():
        with torch.no_grad():
            cover[name] = [coverage_of(net(probes.patches), probes) for net in pair]
    assert set(row) == {*pairs, "data"}
    for name, covers in cover.items():
        assert row[name]["coverage"] == float(covers[0].fraction)
        assert row[name]["booster_coverage"] == float(covers[1].fraction)
        assert row[name]["margin"] == pytest.approx(float(covers[0].margin.mean()))
        assert row[name]["neurons_agree"] == float((won(name, 0) == won(name, 1)).mean())
        first, second = (each.margin.argmax(1) for each in covers)
        assert row[name]["margins_agree"] == float((first == second).double().mean())
        for of in ("", "booster_"):
            whole = 0.02 * row[name][f"{of}single"] + 0.98 * row[name][f"{of}multi"]
            assert row[name][f"{of}mixed"] == pytest.approx(whole)
    varied = ("rocket", "shared_4", "width_6", "weight_0.1")
    assert len({round(row[name]["margin"], 6) for name in varied}) == 4
    own, told = row["base"]["coverage"], row["base"]["booster_coverage"]
    for name in ("rocket", "kd"):
        assert row[name]["predicted"] == pytest.approx(1 - (1 - own) * (1 - told))
    taught = 1 - row["teacher"]["booster_coverage"]
    assert row["rocket_kd"]["predicted"] == pytest.approx(1 - (1 - own) * (1 - told) * taught)
    many = 1 - row["many"]["booster_coverage"]
    assert row["many"]["predicted"] == pytest.approx(1 - (1 - own) * many)
    union = cover["base"][0].covered | cover["base"][1].covered
    assert row["data"]["union"] == float(union.double().mean())


def test_the_rocket_stands_on_every_axis(row):
    places = {
        axis: {name: line[axis] for name, line in row.items() if axis in line}
        for axis in tables.AXES
    }
    assert places == {
        "neurons_shared": {"rocket": 0, "shared_4": 4},
        "booster_neurons": {"rocket": 4, "width_6": 6},
        "hint_weight": {"rocket": 0.03, "weight_0.1": 0.1},
    }
    assert set(figure.AXES) == set(tables.AXES)


def test_winners_are_those_of_neurons_in_whatever_block_or_net():
    features = draw_features(PATCHES)
    k, views, d = features.shape
    light, booster = (patch_nets.new_nets(PATCHES, name, 1) for name in ("light", "booster"))
    weight = torch.zeros(1, k, light.weight.shape[2], d)
    weight[0, 0, -1] = features[0, 1]
    weight[0, 1, 0] = 2 * features[1, 0]
    weight[0, 1, -1] = features[1, 1]
    weight[0, 2, 1] = -3 * features[2, 0]  # no neuron that answers to it
    weight[0, 2, 2] = features[2, 1]
    made = light.with_weight(weight)
    assert isinstance(made, PatchNet)
    blocks, other = shared_patch_nets(booster, made, 2)
    for net in (made.single(), other):
        assert patch_nets.neuron_winners(PATCHES, net, features)[:3].tolist() == [1, 0, 1]
    both = patch_nets.Mean([other, blocks])
    assert patch_nets.neuron_winners(PATCHES, both, features)[1] == 0
    assert views == 2


def test_hints_change_light_nets_and_but_for_the_block_no_booster(row):
    booster = row["base"]["booster_margin"]
    for who in ("rocket", "rocket_kd", "late", "no_joint", "kd"):
        assert row[who]["booster_margin"] == pytest.approx(booster, abs=1e-4)
    assert row["no_block"]["booster_margin"] != pytest.approx(booster, abs=1e-4)
    for who in ("kd", "rocket", "late", "no_joint", "many"):
        assert row[who]["margin"] != pytest.approx(row["base"]["margin"], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shared": (0, 2)}, "shared="),
        ({"shared": (4, 0)}, "shared="),
        ({"weight": 0.5}, "weight=0.5"),
        ({"booster_width": 5}, "booster_width=5"),
        ({"booster_widths": (2, 4)}, "booster_widths="),
        ({"members": 1}, "members=1"),
    ],
)
def test_bad_cells_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        replace(PATCHES, **change)


IDEAL = {
    "rocket": {
        **{"coverage": 0.75, "predicted": 0.75, "mixed": 0.25, "neurons_agree": 0.5},
        **{"booster_coverage": 0.5, "booster_neurons": 20},
    },
    "rocket_kd": {"coverage": 0.88, "predicted": 0.87},
    "shared_10": {"coverage": 0.5, "booster_coverage": 0.5, "mixed": 0.2},
    "no_block": {"coverage": 0.6, "booster_coverage": 0.4, "neurons_agree": 0.8},
    "late": {"coverage": 0.75},
    "many": {"coverage": 0.9},
    "width_10": {"coverage": 0.7, "booster_neurons": 10},
    "width_40": {"coverage": 0.72, "booster_neurons": 40},
}


def test_each_claim_on_patches_turns_with_the_measure_it_is_about():
    def names(**changes: float) -> set[str]:
        table = repeated({patches.LAPTOP: changed(IDEAL, changes)})
        return refuted(table, patch_rocket_claims(patches.LAPTOP))

    assert names() == set()
    for name, value, refutes in (
        ("rocket.predicted", 0.9, {"rocket"}),
        ("rocket_kd.coverage", 0.75, {"rocket + KD"}),
        ("shared_10.coverage", 0.74, {"all shared", "sharing hurts"}),
        ("shared_10.mixed", 0.3, {"sharing helps"}),
        ("rocket.neurons_agree", 0.7, {"block, winners"}),
        ("no_block.neurons_agree", 0.5, {"no block, winners"}),
        ("no_block.coverage", 0.74, {"no block, light net"}),
        ("no_block.booster_coverage", 0.5, {"no block, booster"}),
        ("late.coverage", 0.6, {"late hint"}),
        ("width_40.coverage", 0.8, {"wider booster"}),
        ("many.coverage", 0.76, {"4 boosters"}),
    ):
        assert names(**{name: value}) == refutes, name


def test_c_and_single_view_errors_are_counted_in_views(row):
    table = script.derived(table_of((PATCHES, row)))
    views = PATCHES.spec.num_classes * PATCHES.spec.num_views
    pairs = table["method"] != "data"
    for measure in ("coverage", "booster_coverage", "single", "booster_single"):
        assert (table.loc[pairs, f"{measure}_of"] == views).all()
    assert "neurons_agree_of" not in table


def test_the_tables_of_patches_show_what_was_predicted(row):
    text = shown(row, PATCHES)
    for words in (
        "predicted",
        "same winner",
        "neurons shared",
        "hint's weight",
        "each trained alone",
        "error, on D",
    ):
        assert words in text
    assert f"{100 * row['rocket']['predicted']:.1f}" in text


def test_figure_and_table_show_the_same_pairs(row):
    drawn = {entry.method for entry in figure.PATCHES}
    assert drawn <= set(tables.PATCHES) <= set(row)
    predicted = {name for name, line in row.items() if "predicted" in line}
    assert predicted == {"kd", "rocket", "rocket_kd", "many"} <= drawn


def test_panels_begin_with_a(monkeypatch, row):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    figure.draw(script.derived(table_of((PATCHES, row))))
    assert letters == list("abcde")
