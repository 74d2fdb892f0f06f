"""run_drop on tiny made-up images: what nets see, what stands in a row, estimates and claims."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from multiview import stream
from multiview.data.stand_ins import multi_view_images, view_textures
from multiview.models import FastTop
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.train.optim import OptimSpec
from theory_experiments import _channel_drop as drop
from theory_experiments import _channel_drop_claims as said
from theory_experiments import _channel_inputs as below_it
from theory_experiments import channel_drop as script
from theory_experiments._channel_drop import run_drop
from theory_experiments._channel_inputs import DropCell, Mask
from theory_experiments._image_nets import Recipe

RECIPE = Recipe(optim=OptimSpec(epochs=2, batch_size=20, learning_rate=0.2), padding=1, together=2)
CELL = DropCell(
    data="multi_view",
    num_pretrain=40,
    num_train=40,
    num_validation=20,
    num_test=60,
    base_widths=(8, 8, 8),
    widths=(4, 4, 4),
    pretrain=RECIPE,
    recipe=RECIPE,
    members=2,
    tiles=(2, 2),
)
PARTS = {"layer": CELL, "tiles": replace(CELL, part="tiles")}
PARTS["colours"] = replace(CELL, part="colours", groups=3, kept=(3, 1))


def images(mu: float = 0.0):
    """Four classes of two bright textures."""
    textures = view_textures(4, stream(0, "textures"), side=4)
    sizes = {"image_size": (16, 16), "mu": mu, "contrast": 90.0, "noise": 10.0}
    return multi_view_images(textures, 100, 60, stream(0, "images"), **sizes)


@pytest.fixture(scope="module", params=list(PARTS))
def part(request):
    return request.param, run_drop(PARTS[request.param], images(), Context())


def test_every_list_has_its_length_and_holds_together(part):
    name, row = part
    cell = PARTS[name]
    fractions = [kept / cell.groups for kept in cell.kept]
    assert row["fractions"] == fractions
    for i in range(len(fractions)):
        assert row["one"][i] == pytest.approx(np.mean(row["one_each"][i]))
        assert row["gain"][i] == pytest.approx(row["one"][i] - row["ensemble"][i])
        assert 0 <= row["distilled"][i] <= 1
    assert len(row["alone"]) == cell.groups
    samples = np.array(row["count_samples"])
    assert len(samples) == cell.groups + 1
    assert samples.sum() == 60
    right = np.arange(cell.groups + 1) @ samples / 60
    assert right == pytest.approx(sum(1 - each for each in row["alone"]))
    one, gain = (np.nan_to_num(row[f"count_{who}"]) for who in ("one", "gain"))
    assert one @ samples / 60 == pytest.approx(row["one"][0])
    assert gain @ samples / 60 == pytest.approx(row["gain"][0])
    assert np.isnan(row["base"]) == (name != "layer")


def test_the_groups_are_shown_and_nothing_else(monkeypatch):
    seen = []
    plain = drop.train_group

    def note(name, nets, recipe, splits, *rest, **settings):
        seen.append((name, nets, splits))
        shown_start[name] = nets[0][1].head[2].weight.detach().clone()
        return plain(name, nets, recipe, splits, *rest, **settings)

    monkeypatch.setattr(drop, "train_group", note)
    shown, shown_start = {}, {}
    run_drop(CELL, images(), Context())
    for name, nets, splits in seen:
        assert splits.train.shape == (80, 8, 7, 7)  # mirror images are samples of their own
        assert splits.train_labels[:40].equal(splits.train_labels[40:])
        for net in nets:
            assert isinstance(net[0], Mask)
            assert isinstance(net[1], FastTop)
            shown.setdefault(name, []).append(net[0].get_buffer("shown").flatten())
    kept = {k: shown[f"kept {k} members"][0] for k in (4, 2, 1)}
    assert [int(kept[k].sum()) for k in (4, 2, 1)] == [8, 4, 2]
    assert (kept[2] | kept[1]).equal(kept[2])  # the fewer are among the more
    for k in (4, 2, 1):
        for who in ("members", "students"):
            assert all(each.equal(kept[k]) for each in shown[f"kept {k} {who}"])
    alone = torch.stack(shown["alone"])
    assert (alone.sum(0) == 1).all()
    assert alone[0].equal(kept[1])
    starts = [shown_start[f"kept {k} members"] for k in (4, 2, 1)]
    assert starts[0].equal(starts[1])
    assert starts[0].equal(starts[2])
    assert not starts[0].equal(shown_start["kept 4 students"])
    same = torch.stack(shown["same"])
    assert all(each.equal(alone[0]) for each in same)


def test_a_mask_lets_its_part_through_and_the_rest_is_nought():
    x = torch.randn(3, 2, 4, 4, generator=stream(0))
    mask = torch.tensor([True, False])[:, None, None]
    y = Mask(mask)(x)
    assert y[:, 0].equal(x[:, 0])
    assert (y[:, 1] == 0).all()


def test_new_nets_see_no_image_the_net_below_was_trained_on(monkeypatch):
    trained = {}
    plain = below_it.train_group

    def note(name, nets, recipe, splits, *rest, **settings):
        trained.setdefault(name, splits)
        return plain(name, nets, recipe, splits, *rest, **settings)

    found = []
    lower = below_it.outputs_of

    def note_lower(module, inputs, **settings):
        found.append(inputs)
        return lower(module, inputs, **settings)

    monkeypatch.setattr(below_it, "train_group", note)
    monkeypatch.setattr(below_it, "outputs_of", note_lower)
    run_drop(replace(CELL, kept=(4,)), images(), Context())
    below = {tuple(row) for row in trained["base"].train.flatten(1).tolist()}
    above = {tuple(row) for row in found[0][:40].flatten(1).tolist()}
    assert len(below) == len(above) == 40
    assert not below & above
    assert found[0][40:].equal(found[0][:40].flip(3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 1}, "members=1"),
        ({"kept": (2, 1)}, "must begin with all"),
        ({"kept": (4, 5)}, "use 1 to groups=4"),
        ({"kept": ()}, "kept="),
    ],
)
def test_bad_cells_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CELL, **changes)


def test_as_many_groups_of_colours_as_colours():
    with pytest.raises(ValueError, match="groups=4, but the images have 3 colours"):
        run_drop(replace(CELL, part="colours"), images(), Context())


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_has_all_kinds_of_inputs(preset):
    cells = find("channel_drop").cells(preset, script.Options(), seeds=2)
    assert [cell.part for cell in cells] == 2 * list(script.PARTS)
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4


def test_estimates_have_the_sign_of_their_names():
    table = pd.DataFrame(
        {
            "part": ["layer", "tiles"],
            "one": [[0.2, 0.3], [0.9, 0.9]],
            "gain": [[0.05, 0.03], [0.0, 0.0]],
            "count_samples": [[10, 20, 30, 0, 40], [1, 1, 1, 1, 1]],
            "count_gain": [[0.5, 0.1, 0.2, float("nan"), 0.01], [0.0] * 5],
        }
    )
    assert said.at("layer", "one", -1)(table).tolist() == [0.3]
    fall = said.minus(said.at("layer", "gain", 0), said.at("layer", "gain", -1))
    assert fall(table).tolist() == pytest.approx([0.02])
    assert said.relative_gain("layer", 0)(table).tolist() == pytest.approx([0.25])
    gap = said.few_minus_many("layer", "count")(table)
    assert gap.tolist() == pytest.approx([(20 * 0.1 + 30 * 0.2) / 50 - 0.01])
    assert said.few_minus_many("layer", "count")(table.iloc[1:]).tolist() == []
    alone = table.assign(count_samples=[[50, 0, 0, 10, 40], [1] * 5])
    assert np.isnan(said.few_minus_many("layer", "count")(alone).tolist()).all()


def test_claims_are_judged_on_complete_rows_and_turn_with_them():
    falls, rises = [0.3, 0.2, 0.01], [0.3, 0.4, 0.5]
    by_count = {"samples": [1, 5, 5, 5, 5], "gain": [0.0, 0.2, 0.2, 0.1, 0.1]}
    lines = []
    for part in script.PARTS:
        for seed in (0, 1):
            lines.append(
                {
                    "part": part,
                    "seed": seed,
                    "status": "ok",
                    "one": rises,
                    "gain": falls,
                    "ensemble": [0.0, 0.2, 0.4],
                    "theory_gain": falls,
                    "gain_multi": [0.001, 0.0, 0.0],
                    **{f"count_{name}": value for name, value in by_count.items()},
                    "same_samples": by_count["samples"],
                    "same_gain": [0.0, 0.1, 0.1, 0.1, 0.1],
                }
            )
    table, claims = pd.DataFrame(lines), script.claims("laptop", script.Options())
    judged = {claim.name: judge(claim, table) for claim in claims}
    assert len(judged) == len(claims) == 3 * 6 + 2 + 5
    assert all(each.note == "" and each.repetitions == 2 for each in judged.values())
    assert {each.verdict for each in judged.values()} == {"supported"}
    turned = table.assign(gain=table["gain"].map(lambda each: [-gain for gain in each[::-1]]))
    names = ("layer: ensemble", "tiles: ensemble of few", "synthetic: gain with all views")
    for claim in claims:
        if claim.name in names:
            assert judge(claim, turned).verdict == "refuted"
    assert script.claims("smoke", script.Options()) == []


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_class_has_equal_shares(preset, data):
    classes = int(data.removeprefix("cifar"))
    for cell in find("channel_drop").cells(preset, script.Options(data=data), seeds=1):
        if isinstance(cell, DropCell):
            more = cell.num_pretrain if cell.part == "layer" else 0
            sizes = (cell.num_train + more + cell.num_validation, cell.num_validation)
            assert not any(size % classes for size in (*sizes, cell.num_test))
