"""rocket_launching: how each net is trained, what is measured, the claims, table and figure."""

import io
from dataclasses import replace

import pandas as pd
import pytest
import torch
from rich.console import Console
from test_image_contrast import images

from figures import rocket_launching as figure
from figures import style
from multiview import stream
from multiview.claims import judge
from multiview.distill import official_kd_weight
from multiview.experiment import Context
from multiview.find import find
from multiview.probes import coverage_of, coverage_probes
from multiview.script import run_script
from multiview.train.compute import ComputeSpec
from multiview.train.optim import OptimSpec
from theory_experiments import _patch_rocket as patches
from theory_experiments import _patch_rocket_nets as patch_nets
from theory_experiments import _rocket_images as parts
from theory_experiments import rocket_launching as script
from theory_experiments._estimates import claims_from
from theory_experiments._patch_nets import draw_features, draw_train
from theory_experiments._rocket_claims import PAPER

CELL = parts.RocketImageCell(
    data="multi_view",
    num_train=30,
    num_validation=3,
    num_test=60,
    shrink=2,
    padding=1,
    booster_depth=16,
    depths=(3,),
    optim=OptimSpec(epochs=1, batch_size=15, learning_rate=0.05),
    squared_weight=0.5,
    tempered_weight=0.7,
    compute=ComputeSpec(),
)
PATCHES = replace(
    patches.SMOKE,
    relu_knee=1.0,
    sigma_init=0.3,
    optim=replace(patches.SMOKE.optim, epochs=6),
    num_test=50,
)


def weights(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in net.parameters()])


@pytest.fixture(scope="module")
def calls():
    """Every launching of a run on images: nets as they began, settings; and the row."""
    noted, plain = {}, parts.rocket_launching

    def note(light, booster, *data, **settings):
        shared = {id(p) for p in light.parameters()} & {id(p) for p in booster.parameters()}
        start = (weights(light), weights(booster), len(shared))
        result = plain(light, booster, *data, **settings)
        noted[len(noted)] = (start, settings, result)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "rocket_launching", note)
        row = parts.run_images(CELL, images(), Context())
    return list(noted.values()), row


def test_launchings_differ_in_what_they_are_named_by(calls):
    noted, _ = calls
    names = ["no_joint", *parts.trainings(CELL)]
    assert names[1] == "rocket"
    usual = {"hint": "logits", "weight": CELL.weight, "teacher_weight": 0.0, "temperature": 4.0}
    kd = official_kd_weight(images().num_classes)
    expected = {
        "no_joint": {"joint": False},
        "rocket_kd": {"teacher_weight": kd},
        "no_block": {"block": False},
        "squared": {"hint": "probabilities", "weight": 0.5},
        "tempered": {"hint": "tempered", "weight": 0.7},
    }
    looked_at = {*usual, "joint", "block"}
    for name, (start, settings, _) in zip(names, noted, strict=True):
        own = {key: value for key, value in settings.items() if key in looked_at}
        assert own == usual | expected.get(name, {}), name
        assert start[2] == {"no_sharing": 0, "depth 3": 3}.get(name, 9)  # 7 and two shortcuts
        assert start[1].equal(noted[0][0][1])  # one start for all boosters
        assert settings["spec"] == CELL.optim
    teacher = noted[names.index("rocket_kd")][1]["teacher"]
    assert teacher is noted[0][2].boosters[0]  # the booster that was trained alone
    orders = [settings["generator"] for _, settings, _ in noted]
    assert len({id(each) for each in orders}) == len(orders)


def test_every_number_is_there_and_holds_together(calls):
    noted, row = calls
    for who in ("base", "kd", "rocket", "rocket_kd", "no_block", "no_sharing", "no_joint"):
        assert 0 <= row[who] <= 1
        assert 0 <= row[f"{who}_validation"] <= 1
    for who in ("squared", "tempered", "booster", "rocket_booster"):
        assert 0 <= row[who] <= 1
    assert row["shared_convolutions"] == [0, 3, 7]
    assert row["by_depth"][0] == row["no_sharing"]
    assert row["by_depth"][-1] == row["rocket"]
    assert not any(key.startswith("depth ") for key in row)
    assert row["joint_seconds"] > 0
    assert row["separate_seconds"] > 0
    splits = parts.splits_of(CELL, images(), "cpu")
    labels = splits.test_labels
    with torch.no_grad():
        found = noted[0][2].light(splits.test).argmax(1)
    assert row["no_joint"] == pytest.approx(float((found != labels).float().mean()))


def test_images_are_averaged_over_squares():
    whole = parts.splits_of(replace(CELL, shrink=1), images(), "cpu").train
    small = parts.splits_of(CELL, images(), "cpu").train
    assert small.shape[2:] == (whole.shape[2] // 2, whole.shape[3] // 2)
    torch.testing.assert_close(small[0, 0, 1, 2], whole[0, 0, 2:4, 4:6].mean())


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
    for name, pair in pairs.items():
        with torch.no_grad():
            cover[name] = [coverage_of(net(probes.patches), probes) for net in pair]
    for name in patches.SINGLE:
        assert row[f"{name}_coverage"] == float(cover[name][0].fraction)
        assert row[f"{name}_booster_coverage"] == float(cover[name][1].fraction)
        assert row[f"{name}_margin"] == pytest.approx(float(cover[name][0].margin.mean()))
    margins = [each.margin for name in ("no_block", "by_shared 4") for each in cover[name]]
    won = [each.argmax(1) for each in margins]
    assert row["no_block_agrees"] == float((won[0] == won[1]).double().mean())
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


def test_nothing_is_told_without_hints_and_late_ones_are_told_less(row):
    """Of unshared nets the booster never hears of the light net, but without the block."""
    for who in ("rocket", "rocket_kd", "late", "no_joint", "kd"):
        assert row[f"{who}_booster_margin"] == pytest.approx(row["alone_booster_margin"], abs=1e-4)
    assert row["no_block_booster_margin"] != pytest.approx(row["alone_booster_margin"], abs=1e-4)
    for who in ("kd", "rocket", "late", "no_joint", "many"):
        assert row[f"{who}_margin"] != pytest.approx(row["alone_margin"], abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        (CELL, {"depths": (7,)}, r"depths=\(7,\)"),
        (CELL, {"shrink": 0}, "shrink=0"),
        (PATCHES, {"shared": (0, 2)}, "shared="),
        (PATCHES, {"shared": (4, 0)}, "shared="),
        (PATCHES, {"weight": 0.5}, "weight=0.5"),
        (PATCHES, {"booster_width": 5}, "booster_width=5"),
        (PATCHES, {"booster_widths": (2, 4)}, "booster_widths="),
        (PATCHES, {"members": 1}, "members=1"),
    ],
)
def test_bad_cells_are_refused(kind, change, says):
    with pytest.raises(ValueError, match=says):
        replace(kind, **change)


@pytest.mark.parametrize("part", ["all", "cifar10", "cifar100", "synthetic"])
@pytest.mark.parametrize("preset", list(script.PRESETS))
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, part):
    cells = find("rocket_launching").cells(preset, script.Options(part=part), seeds=2)
    half = len(cells) // 2
    assert [replace(cell, seed=1) for cell in cells[:half]] == cells[half:]
    names = [cell.part for cell in cells[:half]]
    of_paper = ["cifar10", "cifar10_wide", "cifar10_bottom"]
    expected = {
        "all": ["cifar10", *(["cifar100"] if preset == "smoke" else []), "synthetic"],
        "cifar10": of_paper if preset == "paper" else ["cifar10"],
    }
    if preset == "paper":
        expected["all"] = [*of_paper, "cifar100", "synthetic"]
    assert names == expected.get(part, [part])


def test_the_paper_preset_has_the_papers_pairs():
    cells = script.paper()
    shapes = {
        name: (cell.light_depth, cell.booster_depth, cell.widen, cell.variant)
        for name, cell in cells.items()
    }
    assert shapes == {
        "cifar10": (16, 40, 1, "interval"),
        "cifar10_wide": (16, 40, 2, "interval"),
        "cifar10_bottom": (16, 40, 1, "bottom"),
        "cifar100": (16, 40, 1, "interval"),
    }
    for cell in cells.values():
        optim = cell.optim
        steps = [round(optim.rate(epoch * 10, 2000), 6) for epoch in (0, 59, 60, 119, 120, 160)]
        assert steps == [0.1, 0.1, 0.02, 0.02, 0.004, 0.0008]
        assert (optim.batch_size, optim.momentum, optim.weight_decay) == (128, 0.9, 5e-4)
        assert (cell.weight, cell.alpha, cell.temperature) == (0.03, 0.9, 4.0)
        assert (cell.num_test, cell.shrink, cell.padding) == (None, 1, 4)


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    assert run_script(find("rocket_launching"), ["--out", str(tmp_path)]) == 2
    error = capfd.readouterr().err
    assert "--data-dir" in error
    assert "--part synthetic" in error


def test_cost_counts_every_training(monkeypatch):
    said = {}
    monkeypatch.setattr(script, "images_of", lambda cell, context: images())
    monkeypatch.setattr(script, "refuse_missing_images", lambda cells, context: cells)
    monkeypatch.setattr(
        script, "time_and_memory", lambda flop, *rest: said.update(flop=flop) or str(rest)
    )
    cell = replace(CELL, data="cifar10", ablations=False, depths=())
    assert script.cost([cell], Context()) is not None
    light, booster, _ = script.forward_costs(cell, images())
    # Each step three passes: base; no joint, whose second half the booster watches; KD; two joint,
    # of which one has a teacher.
    each = 3 * light + (3 * booster + 3 * light + booster) + (3 * light + booster)
    each += 2 * 3 * (light + booster) + booster
    assert said["flop"] == pytest.approx(30 * each)
    assert booster > 1.5 * light
    assert script.cost([replace(CELL, data="cifar10")], Context()) is not None
    assert script.cost([CELL], Context()) is None  # made-up images
    more = said["flop"]
    # Five more joint trainings: four ablations and hints, and one depth.
    assert more == pytest.approx(30 * (each + 5 * 3 * (light + booster)))


def holding(**changes) -> pd.DataFrame:
    """Two repetitions on CIFAR-10 in which all claims hold."""
    worse = dict.fromkeys(("no_block", "no_sharing", "no_joint", "squared", "tempered"), 0.28)
    columns = {"base": 0.3, "kd": 0.27, "rocket": 0.25, "rocket_kd": 0.24, **worse}
    columns |= {"by_depth": [[0.26, 0.25]] * 2, "joint_seconds": 8.0, "separate_seconds": 10.0}
    return pd.DataFrame({"seed": [0, 1], "part": "cifar10", "status": "ok"} | columns | changes)


def refuted(table: pd.DataFrame, lines) -> set[str]:
    found = [judge(claim, table) for claim in claims_from(lines)]
    assert all(each.note == "" for each in found)
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    return {each.claim.name.partition(": ")[2] for each in found if each.verdict == "refuted"}


def test_each_claim_on_images_turns_with_the_column_it_is_about():
    def names(**changes) -> set[str]:
        return refuted(holding(**changes), script.image_claims("cifar10", CELL))

    assert names() == set()
    assert script.claims("smoke", script.Options()) == []
    for rival in ("no_block", "no_sharing", "no_joint", "squared", "tempered"):
        assert names(**{rival: 0.2}) == {f"rocket against {rival}"}
    assert names(rocket_kd=0.26) == {"rocket_kd against rocket"}
    assert names(kd=0.255) == {"every depth against kd"}
    assert names(base=0.2) == {"rocket against base", "every depth against base"}
    assert names(by_depth=[[0.29, 0.25]] * 2) == {"every depth against kd"}
    assert names(joint_seconds=11.0) == {"time"}


def test_each_claim_on_patches_turns_with_the_column_it_is_about():
    columns = {"rocket_coverage": 0.75, "predicted_rocket": 0.75, "rocket_single": 0.25}
    columns |= {"rocket_kd_coverage": 0.88, "predicted_rocket_kd": 0.87, "rocket_agrees": 0.5}
    columns |= {"by_shared_coverage": [[0.75, 0.5]] * 2, "by_shared_single": [[0.25, 0.2]] * 2}
    columns |= {"by_shared_booster_coverage": [[0.5, 0.5]] * 2, "no_block_agrees": 0.8}
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
    assert names(by_shared_single=[[0.25, 0.3]] * 2) == {"sharing helps"}
    assert names(rocket_agrees=0.7) == {"block, winners"}
    assert names(no_block_agrees=0.5) == {"no block, winners"}
    assert names(no_block_coverage=0.74) == {"no block, light net"}
    assert names(no_block_booster_coverage=0.5) == {"no block, booster"}
    assert names(late_coverage=0.6) == {"late hint"}
    assert names(by_width_coverage=[[0.7, 0.75, 0.8]] * 2) == {"wider booster"}
    assert names(many_coverage=0.76) == {"4 boosters"}


def shown(row, cell, **changes) -> str:
    table = pd.DataFrame([vars(cell) | row | changes | {"seed": seed} for seed in (0, 1)])
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(script.summary(table))
    return console.export_text()


def test_the_summary_shows_numbers_of_the_paper_beside_ours(calls):
    _, row = calls
    text = shown(row, CELL, data="cifar10")
    for value in PAPER["cifar10"].values():
        assert f"{value:.2f}" in text
    for words in ("other size", "0.90", "convolutions shared", "joint training took", "0.846"):
        assert words in text
    made_up = shown(row, CELL)
    assert "8.77" not in made_up
    assert "other size" not in made_up


def test_the_summary_of_patches_shows_what_was_predicted(row):
    text = shown(row, PATCHES)
    for words in ("predicted", "same winner", "neurons shared", "hint's weight", "each alone"):
        assert words in text
    assert f"{100 * row['predicted_rocket']:.1f}" in text


def test_the_smoke_preset_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(find("rocket_launching"), args) == 0
    folder = tmp_path / "rocket_launching"
    assert (folder / "rocket_launching-smoke.png").stat().st_size


@pytest.mark.parametrize("part", ["cifar10", "cifar100", "synthetic"])
def test_panels_of_one_part_begin_with_a(part, monkeypatch, calls, row):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    found = vars(PATCHES) | row if part == "synthetic" else vars(CELL) | calls[1]
    if part == "cifar100":
        found = {key: value for key, value in found.items() if not key.startswith("by_depth")}
    figure.draw(pd.DataFrame([found | {"part": part}]))
    assert letters == list({"cifar10": "ab", "cifar100": "a", "synthetic": "abcde"}[part])
