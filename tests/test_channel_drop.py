"""run_drop on tiny made-up images: what nets see, what stands in a row, estimates and claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tidy_tables import table_of

from figures import channel_drop as figure
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


def test_every_number_is_there_and_holds_together(part):
    name, row = part
    cell = PARTS[name]
    for kept, fraction in zip(cell.kept, cell.fractions, strict=True):
        member, ensemble, distilled = (row[f"{who}_{kept}"] for who in script.CLASSIFIERS)
        assert fraction == kept / cell.groups
        for who, each in zip(script.CLASSIFIERS, (member, ensemble, distilled), strict=True):
            assert (each["classifier"], each["fraction"]) == (who, fraction)
        assert member["error"] == pytest.approx(np.mean(member["error_each"]))
        assert len(member["error_each"]) == cell.members
        assert ensemble["gain"] == pytest.approx(member["error"] - ensemble["error"])
        assert 0 <= distilled["error"] <= 1
    alone = row["alone"]["error_each"]
    assert len(alone) == cell.groups
    counts = [row[f"disjoint_right_{count}"] for count in range(cell.groups + 1)]
    assert [each["count"] for each in counts] == list(range(cell.groups + 1))
    assert {each["nets"] for each in counts} == {"disjoint"}
    samples = np.array([each["samples"] for each in counts])
    assert samples.sum() == 60
    right = np.arange(cell.groups + 1) @ samples / 60
    assert right == pytest.approx(sum(1 - each for each in alone))
    errors, gains = (
        np.nan_to_num([each[measure] for each in counts]) for measure in ("member_error", "gain")
    )
    assert errors @ samples / 60 == pytest.approx(row[f"member_{cell.groups}"]["error"])
    assert gains @ samples / 60 == pytest.approx(row[f"ensemble_{cell.groups}"]["gain"])
    assert sum(row[f"same_right_{count}"]["samples"] for count in range(cell.groups + 1)) == 60
    assert ("base" in row) == (name == "layer")


def test_tables_and_the_figure_hold_every_kind_of_inputs(part):
    name, row = part
    cell = PARTS[name]
    table = script.derived(table_of((cell, row), (replace(cell, seed=1), row)))
    shown = [listing.grid(table) for listing in script.tables(table)]
    lines = [
        (grid.title.partition(":")[0], row[0], row[1][0]) for grid in shown for row in grid.rows
    ]
    kept = [("Images", said.PARTS[name], f"{fraction:.2g}") for fraction in cell.fractions]
    assert lines[: len(kept)] == kept
    assert len(lines) == len(kept) + cell.groups + 1
    axes = figure.draw(table).axes
    assert sum(bool(each.get_lines()) for each in axes[:4]) == 1


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
    first = 0 if preset == "smoke" else 10  # results of the seeds before are known
    assert [cell.part for cell in cells] == 2 * list(script.PARTS)
    assert [cell.seed for cell in cells] == [first] * 4 + [first + 1] * 4


def counted(nets: str, samples: list[int], gains: list[float]) -> dict[str, dict]:
    """What stands in a row of the images that so many nets get right."""
    return {
        f"{nets}_right_{count}": {"nets": nets, "count": count, "samples": n, "gain": gain}
        for count, (n, gain) in enumerate(zip(samples, gains, strict=True))
    }


def errors(cell, one: list[float], gains: list[float], **more) -> dict[str, dict]:
    """What stands in a row of a member and of the ensemble."""
    lines = {}
    kept = zip(cell.kept, cell.fractions, one, gains, strict=True)
    for i, (number, fraction, error, gain) in enumerate(kept):
        member = {"classifier": "member", "error": error}
        ensemble = {"classifier": "ensemble", "error": error - gain, "gain": gain}
        ensemble |= {name: values[i] for name, values in more.items()}
        lines[f"member_{number}"] = {"fraction": fraction, **member}
        lines[f"ensemble_{number}"] = {"fraction": fraction, **ensemble}
    return lines


def values(estimate, table) -> list[float]:
    return estimate.of(table).by_seed.tolist()


def test_estimates_have_the_sign_of_their_names():
    nan = float("nan")
    layer = errors(CELL, [0.2, 0.25, 0.3], [0.05, 0.04, 0.03])
    layer |= counted("disjoint", [10, 20, 30, 0, 40], [0.5, 0.1, 0.2, nan, 0.01])
    other = replace(CELL, part="tiles"), errors(CELL, [0.9] * 3, [0.0] * 3)
    table = table_of((CELL, layer), other)
    assert values(said.at(CELL, -1, "error", "member"), table) == [0.3]
    assert values(said.at(CELL, 0, "gain", "ensemble"), table) == [0.05]
    gap = said.few_minus_many("layer", "disjoint")
    assert values(gap, table) == pytest.approx([(20 * 0.1 + 30 * 0.2) / 50 - 0.01])
    assert values(gap, table_of(other).assign(nets=None)) == []
    none_few = layer | counted("disjoint", [50, 0, 0, 10, 40], [0.5, 0.1, 0.2, nan, 0.01])
    assert np.isnan(values(gap, table_of((CELL, none_few)))).all()


def test_claims_are_judged_on_complete_rows_and_turn_with_them():
    falls, rises, samples = [0.3, 0.2, 0.01], [0.3, 0.4, 0.5], [1, 5, 5, 5, 5]
    experiment = find("channel_drop")
    claims = experiment.claims_about("laptop", script.Options())

    def verdicts(gains: list[float]) -> dict:
        computed = []
        for seed in range(3):
            moved = [gain + 1e-3 * seed * (i + 1) for i, gain in enumerate(gains)]
            for cell in script.LAPTOP.cells(script.Options()):
                theory = {"predicted_gain": falls, "gain_multi": [1e-3 + 1e-4 * seed, 0.0, 0.0]}
                row = errors(cell, rises, moved, **theory)
                shift = 1e-3 * seed
                row |= counted("disjoint", samples, [0.0, 0.2 + shift, 0.2, 0.1, 0.1])
                row |= counted("same", samples, [0.0, 0.1, 0.1, 0.1 + shift, 0.1])
                computed.append((replace(cell, seed=seed), row))
        table = table_of(*computed)
        judged = {claim.name: judge(claim, table) for claim in claims}
        for name, each in judged.items():
            assert each.repetitions == 3, name
        return {name: each.verdict for name, each in judged.items()}

    found = verdicts(falls)
    assert len(found) == len(claims) == 3 * 6 + 2 + 5
    # A member's errors are the same in each repetition here, so that their spread is unknown.
    unknown = {f"{part}: dropping hurts" for part in ("layer", "colours", "tiles")}
    assert {name for name, verdict in found.items() if verdict != "supported"} == unknown
    turned = verdicts([-gain for gain in falls[::-1]])
    for name in ("layer: ensemble", "tiles: ensemble of few", "synthetic: gain with all views"):
        assert turned[name] == "refuted"
    assert experiment.claims_about("smoke", script.Options()) == []


def test_images_without_a_directory_are_refused_before_any_work():
    cells = script.LAPTOP.cells(script.Options())
    with pytest.raises(ValueError, match="--data-dir"):
        script.check(list(cells), Context())
    script.check(list(script.SMOKE.cells(script.Options())), Context())


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_class_has_equal_shares(preset, data):
    classes = int(data.removeprefix("cifar"))
    for cell in find("channel_drop").cells(preset, script.Options(data=data), seeds=1):
        if isinstance(cell, DropCell):
            more = cell.num_pretrain if cell.part == "layer" else 0
            sizes = (cell.num_train + more + cell.num_validation, cell.num_validation)
            assert not any(size % classes for size in (*sizes, cell.num_test))
