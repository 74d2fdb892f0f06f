"""rocket_launching on patches: how each pair is trained, what is measured, claims and table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from test_rocket_launching import refuted, shown

from figures import rocket_launching as figure
from figures import style
from multiview import stream
from multiview.models import PatchNet
from multiview.models.shared_patch_nets import shared_patch_nets
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.experiment import Context
from theory_experiments import _patch_rocket as patches
from theory_experiments import _patch_rocket_nets as patch_nets
from theory_experiments import _rocket_tables as tables
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
    noted, plain = {}, patch_nets.rocket_launching

    def note(light, boosters, *data, **settings):
        widths = [sum(block.shape[1] for block in net.blocks) for net in (light, *boosters)]
        shared = {id(p) for p in light.parameters()} & {id(p) for p in boosters[0].parameters()}
        start = torch.cat(list(light.blocks), 1).detach().clone()
        noted[len(noted)] = (widths, len(shared), start, settings)
        return plain(light, boosters, *data, **settings)

    monkeypatch.setattr(patch_nets, "rocket_launching", note)
    cell = replace(PATCHES, optim=replace(PATCHES.optim, epochs=1))
    train = draw_train(cell, draw_features(cell))
    pairs = patch_nets.train_pairs(cell, train, quiet)
    chosen = patch_nets.trainings(cell)
    names = ["alone", "rocket_kd", *chosen]
    assert set(pairs) == {*names, "kd", "teacher"}
    for name, (widths, shared, start, settings) in zip(names, noted.values(), strict=True):
        assert widths == {"by_width 6": [4, 6], "many": [4, 4, 4]}.get(name, [4, 4])
        assert shared == (name in ("by_shared 4", "no_joint_shared"))
        if not shared:
            assert start.equal(noted[0][2])
        weight = {"alone": 0.0, "by_weight 0.1": 0.1}.get(name, cell.weight)
        assert settings["weight"] == weight
        assert settings.get("joint", True) is not name.startswith("no_joint")
        assert settings.get("block", True) is (name != "no_block")
        assert settings.get("delay", 0.0) == (0.5 if name == "late" else 0.0)
        assert ("teacher" in settings) is (name == "rocket_kd")
    assert pairs["teacher"][1] is noted[1][3]["teacher"]
    assert pairs["kd"][1] is pairs["alone"][1]


@pytest.fixture(scope="module")
def row():
    return patches.run_patch_rocket(PATCHES, Context())


def test_columns_on_patches_are_those_of_the_pairs(row):
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
    for name in patches.SINGLE:
        assert row[f"{name}_coverage"] == float(cover[name][0].fraction)
        assert row[f"{name}_booster_coverage"] == float(cover[name][1].fraction)
        assert row[f"{name}_margin"] == pytest.approx(float(cover[name][0].margin.mean()))
    for name in ("rocket", "many", "teacher", "kd"):
        assert row[f"{name}_neurons_agree"] == float((won(name, 0) == won(name, 1)).mean())
        for ending in ("", "_booster"):
            whole = 0.02 * row[f"{name}{ending}_single"] + 0.98 * row[f"{name}{ending}_multi"]
            assert row[f"{name}{ending}_mixed"] == pytest.approx(whole)
    margins = [each.margin for name in ("no_block", "by_shared 4") for each in cover[name]]
    seen = [each.argmax(1) for each in margins]
    assert row["no_block_agrees"] == float((seen[0] == seen[1]).double().mean())
    assert row["by_shared_margin"] == pytest.approx(
        [row["rocket_margin"], float(margins[2].mean())]
    )
    assert row["by_width_margin"][0] == row["by_weight_margin"][0] == row["rocket_margin"]
    assert (
        len({round(each, 6) for each in [*row["by_weight_margin"], *row["by_width_margin"]]}) == 3
    )
    own, told = row["alone_coverage"], row["alone_booster_coverage"]
    assert row["predicted_rocket"] == pytest.approx(1 - (1 - own) * (1 - told))
    taught = 1 - row["teacher_booster_coverage"]
    assert row["predicted_rocket_kd"] == pytest.approx(1 - (1 - own) * (1 - told) * taught)
    many = 1 - row["many_booster_coverage"]
    assert row["predicted_many"] == pytest.approx(1 - (1 - own) * many)
    union = cover["alone"][0].covered | cover["alone"][1].covered
    assert row["union"] == float(union.double().mean())


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
    for net in (patch_nets.Alone(made), other):
        assert patch_nets.neuron_winners(PATCHES, net, features)[:3].tolist() == [1, 0, 1]
    both = patch_nets.Mean([other, blocks])
    assert patch_nets.neuron_winners(PATCHES, both, features)[1] == 0
    assert views == 2


def test_nothing_is_told_without_hints_and_late_ones_are_told_less(row):
    """Of unshared nets the booster never hears of the light net, but without the block."""
    for who in ("rocket", "rocket_kd", "late", "no_joint", "kd"):
        assert row[f"{who}_booster_margin"] == pytest.approx(row["alone_booster_margin"], abs=1e-4)
    assert row["no_block_booster_margin"] != pytest.approx(row["alone_booster_margin"], abs=1e-4)
    for who in ("kd", "rocket", "late", "no_joint", "many"):
        assert row[f"{who}_margin"] != pytest.approx(row["alone_margin"], abs=1e-6)


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


def test_each_claim_on_patches_turns_with_the_column_it_is_about():
    columns = {"rocket_coverage": 0.75, "predicted_rocket": 0.75, "rocket_mixed": 0.25}
    columns |= {
        "rocket_kd_coverage": 0.88,
        "predicted_rocket_kd": 0.87,
        "rocket_neurons_agree": 0.5,
    }
    columns |= {"by_shared_coverage": [[0.75, 0.5]] * 2, "by_shared_mixed": [[0.25, 0.2]] * 2}
    columns |= {"by_shared_booster_coverage": [[0.5, 0.5]] * 2, "no_block_neurons_agree": 0.8}
    columns |= {"no_block_coverage": 0.6, "no_block_booster_coverage": 0.4}
    columns |= {"rocket_booster_coverage": 0.5, "late_coverage": 0.75, "many_coverage": 0.9}
    columns |= {"by_width_coverage": [[0.7, 0.75, 0.72]] * 2}
    base = {"seed": [0, 1], "part": "synthetic", "status": "ok", **columns}

    def names(**changes) -> set[str]:
        return refuted(pd.DataFrame(base | changes), patches.patch_rocket_claims())

    assert names() == set()
    assert names(predicted_rocket=0.9) == {"rocket"}
    assert names(rocket_kd_coverage=0.75) == {"rocket + KD"}
    assert names(by_shared_coverage=[[0.75, 0.74]] * 2) == {"all shared", "sharing hurts"}
    assert names(by_shared_mixed=[[0.25, 0.3]] * 2) == {"sharing helps"}
    assert names(rocket_neurons_agree=0.7) == {"block, winners"}
    assert names(no_block_neurons_agree=0.5) == {"no block, winners"}
    assert names(no_block_coverage=0.74) == {"no block, light net"}
    assert names(no_block_booster_coverage=0.5) == {"no block, booster"}
    assert names(late_coverage=0.6) == {"late hint"}
    assert names(by_width_coverage=[[0.7, 0.75, 0.8]] * 2) == {"wider booster"}
    assert names(many_coverage=0.76) == {"4 boosters"}


def test_the_summary_of_patches_shows_what_was_predicted(row):
    text = shown(row, PATCHES)
    for words in (
        "predicted",
        "same winner",
        "neurons shared",
        "hint's weight",
        "each trained alone",
        "error on D",
    ):
        assert words in text
    assert f"{100 * row['predicted_rocket']:.1f}" in text


def test_figure_and_table_show_the_same_predictions():
    drawn = {name: column for name, (_, column) in figure.PATCHES.items() if column}
    assert drawn == tables.PREDICTED
    assert set(figure.PATCHES) <= set(tables.PATCHES)


def test_panels_begin_with_a(monkeypatch, row):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    figure.draw(pd.DataFrame([vars(PATCHES) | row | {"part": "synthetic"}]))
    assert letters == list("abcde")
