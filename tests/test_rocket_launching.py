"""rocket_launching: its nets on images, their claims and tables, its presets and figure."""

import math
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
import torch
from recorded_cost import record_cost
from test_image_contrast import images
from theory_experiments._rocket_claims import NAMES, ORDERED, PAPER, WHO, image_claims
from tidy_tables import changed, repeated, table_of

from figures import rocket_launching as figure
from figures import style
from multiview import stream
from multiview.data.splits import split
from multiview.distill import (
    Hinton,
    hint_loss,
    official_kd_weight,
    rocket_launching,
    sequential_rocket_launching,
)
from multiview.distill.rocket_loss import Hint
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.train.compute import ComputeSpec
from multiview.train.optim import OptimSpec
from theory_experiments import _rocket_images as parts
from theory_experiments import _rocket_tables as tables
from theory_experiments import rocket_launching as script

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


def weights(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in net.parameters()])


@pytest.fixture(scope="module")
def calls():
    """Every launching of a run on images: nets as they began, settings; and the row."""
    noted = {}

    def note(procedure, light, booster, *data, **settings):
        shared = {id(p) for p in light.parameters()} & {id(p) for p in booster.parameters()}
        start = (weights(light), weights(booster), len(shared))
        result = procedure(light, booster, *data, **settings)
        settings["joint"] = procedure is rocket_launching
        noted[len(noted)] = (start, settings, result)
        return result

    with pytest.MonkeyPatch.context() as patch:
        for procedure in (rocket_launching, sequential_rocket_launching):
            patch.setattr(parts, procedure.__name__, partial(note, procedure))
        row = parts.run_images(CELL, images(), Context())
    return list(noted.values()), row


def test_launchings_differ_in_what_they_are_named_by(calls):
    noted, _ = calls
    names = ["no_joint", *parts.trainings(CELL)]
    assert names[1] == "rocket"
    usual = {"joint": True, "weight": CELL.weight, "teacher_weight": 0.0, "kd_loss": Hinton(4.0)}
    kd = official_kd_weight(images().num_classes)
    expected = {
        "no_joint": {"joint": False},
        "rocket_kd": {"teacher_weight": kd},
        "no_block": {"block": False},
        "squared": {"weight": 0.5},
        "tempered": {"weight": 0.7},
    }
    hints: dict[str, Hint] = {"squared": "probabilities", "tempered": "tempered"}
    pair = torch.randn(2, 5, 3, generator=stream(0, "hint"))
    looked_at = {*usual, "block"}
    for name, (start, settings, _) in zip(names, noted, strict=True):
        own = {key: value for key, value in settings.items() if key in looked_at}
        assert own == usual | expected.get(name, {}), name
        hint = hint_loss(hints.get(name, "logits"), CELL.temperature)
        assert settings["hint"](*pair).equal(hint(*pair)), name
        assert start[2] == {"no_sharing": 0, "depth_3": 3}.get(name, 9)  # 7 and two shortcuts
        assert start[1].equal(noted[0][0][1])  # one start for all boosters
        assert settings["spec"] == CELL.optim
    teacher = noted[names.index("rocket_kd")][1]["teacher"]
    assert teacher is noted[0][2].boosters[0]  # the booster that was trained alone
    orders = [settings["generator"] for _, settings, _ in noted]
    assert len({id(each) for each in orders}) == len(orders)


def test_every_number_is_there_and_holds_together(calls):
    noted, row = calls
    assert set(row) == {*WHO, "depth_3", "data"}
    for who in (*WHO, "depth_3"):
        assert 0 <= row[who]["error"] <= 1
        assert 0 <= row[who]["validation"] <= 1
    numbers = {who: line.get("shared_convolutions") for who, line in row.items()}
    shared = {who: number for who, number in numbers.items() if number is not None}
    assert shared == {"no_sharing": 0, "depth_3": 3, "rocket": 7}
    timed = {who for who, line in row.items() if "training_seconds" in line}
    assert timed == {"rocket", "no_joint"}
    assert min(row[who]["training_seconds"] for who in timed) > 0
    assert row["data"] == {"train_images": 30, "pixels": 4}
    splits = parts.splits_of(CELL, images(), "cpu")
    labels = splits.test_labels
    with torch.no_grad():
        found = noted[0][2].light(splits.test).argmax(1)
    assert row["no_joint"]["error"] == pytest.approx(float((found != labels).float().mean()))


def test_images_are_averaged_over_squares():
    whole = parts.splits_of(replace(CELL, shrink=1), images(), "cpu").train
    small = parts.splits_of(CELL, images(), "cpu").train
    assert small.shape[2:] == (whole.shape[2] // 2, whole.shape[3] // 2)
    torch.testing.assert_close(small[0, 0, 1, 2], whole[0, 0, 2:4, 4:6].mean())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"depths": (7,)}, r"depths=\(7,\)"),
        ({"shrink": 0}, "shrink=0"),
    ],
)
def test_bad_cells_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        replace(CELL, **change)


@pytest.mark.parametrize("part", ["all", "cifar10", "cifar100", "synthetic"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, part):
    cells = find("rocket_launching").cells(preset, script.Options(part=part), seeds=2)
    half = len(cells) // 2
    first = 0 if preset == "smoke" else 10
    assert {cell.seed for cell in cells[:half]} == {first}
    assert [replace(cell, seed=first + 1) for cell in cells[:half]] == cells[half:]
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
    cells = [cell for cell in script.paper() if isinstance(cell, parts.RocketImageCell)]
    shapes = {
        cell.part: (cell.light_depth, cell.booster_depth, cell.widen, cell.variant)
        for cell in cells
    }
    assert shapes == {
        "cifar10": (16, 40, 1, "interval"),
        "cifar10_wide": (16, 40, 2, "interval"),
        "cifar10_bottom": (16, 40, 1, "bottom"),
        "cifar100": (16, 40, 1, "interval"),
    }
    for cell in cells:
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
    said = record_cost(monkeypatch, images())
    cell = replace(CELL, data="cifar10", ablations=False, depths=())
    assert script.cost([cell], Context()) is not None
    light, booster, _ = script.forward_costs(cell, split(images(), 3, 3, 3, stream(0)))
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


CIFAR10 = replace(CELL, data="cifar10")
IDEAL = {
    "base": {"error": 0.3},
    "kd": {"error": 0.27},
    "rocket": {"error": 0.25, "shared_convolutions": 7, "training_seconds": 8.0},
    "rocket_kd": {"error": 0.24},
    "no_block": {"error": 0.28},
    "no_sharing": {"error": 0.5, "shared_convolutions": 0},
    "no_joint": {"error": 0.28, "training_seconds": 10.0},
    "squared": {"error": 0.28},
    "tempered": {"error": 0.28},
    "depth_3": {"error": 0.26, "shared_convolutions": 3},
}


def refuted(table: pd.DataFrame, claims) -> set[str]:
    found = [judge(claim, table) for claim in claims]
    assert all(each.note == "" for each in found)
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    return {each.claim.name.partition(": ")[2] for each in found if each.verdict == "refuted"}


def test_each_claim_on_images_turns_with_the_measure_it_is_about():
    def names(**changes: float) -> set[str]:
        table = repeated({CIFAR10: changed(IDEAL, changes)})
        return refuted(table, image_claims(CIFAR10))

    assert names() == set()
    for rival in ("no_block", "no_sharing", "no_joint", "squared", "tempered"):
        assert names(**{f"{rival}.error": 0.2}) == {f"rocket against {rival}"}
    for name, value, refutes in (
        ("rocket_kd.error", 0.26, {"rocket_kd against rocket"}),
        ("kd.error", 0.255, {"every depth against kd"}),
        ("base.error", 0.2, {"rocket against base", "every depth against base"}),
        ("depth_3.error", 0.29, {"every depth against kd"}),
        ("rocket.training_seconds", 11.0, {"time"}),
    ):
        assert names(**{name: value}) == refutes, name


def test_no_claim_is_made_of_smoke_cells():
    claims = find("rocket_launching").claims_about
    assert claims("smoke", script.Options()) == []
    assert len(claims("laptop", script.Options())) > len(
        claims("laptop", script.Options(part="synthetic"))
    )


@pytest.mark.parametrize("part", list(PAPER))
def test_orders_are_claimed_where_the_paper_has_both_errors_and_both_were_run(part):
    def orders(cell) -> set[tuple[str, ...]]:
        claims = image_claims(replace(cell, part=part))
        names = [claim.name.partition(": ")[2].split(" ") for claim in claims]
        return {(name[2], name[0]) for name in names if name[0] in WHO}

    have = set(PAPER[part])
    assert orders(CELL) == {pair[:2] for pair in ORDERED if set(pair[:2]) <= have}
    few = orders(replace(CELL, ablations=False, depths=()))
    assert few == {pair for pair in orders(CELL) if pair[0] in ("base", "kd", "rocket", "no_joint")}


def test_a_resumed_cell_has_no_times_and_the_table_shows_none(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "trainings", lambda cell: {"rocket": {}})
    cell = replace(CELL, ablations=False, depths=())
    context = Context(scratch=tmp_path)
    first = parts.run_images(cell, images(), context)
    assert first["rocket"]["training_seconds"] > 0
    again = parts.run_images(cell, images(), context)
    assert all(math.isnan(again[who]["training_seconds"]) for who in ("rocket", "no_joint"))
    text = shown(again, cell)
    assert "Wall time" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| joint")]
    assert [text.strip() for text in line.strip("|").split("|")] == ["joint", "", ""]


def test_other_size_is_said_of_what_is_of_another_size():
    cells = [cell for cell in script.paper() if isinstance(cell, parts.RocketImageCell)]
    for cell in cells:
        part, first = cell.part, vars(cell) | {"pixels": 32, "train_images": 45_000}
        assert not tables.other_size(first), part
        for change in ({"pixels": 16}, {"train_images": 1500}, {"light_depth": 10}, {"widen": 3}):
            if part != "cifar10_bottom" or "light_depth" not in change:
                assert tables.other_size(first | change), (part, change)
    assert tables.other_size(vars(CELL) | {"pixels": 32, "train_images": 45_000})


def test_figure_and_table_call_data_alike():
    assert figure.NAMES == NAMES
    assert {entry.method for entry in figure.METHODS} == set(WHO)


def shown(row, cell) -> str:
    """All tables of two repetitions."""
    table = table_of(*((replace(cell, seed=seed), row) for seed in (0, 1)))
    table = script.derived(table)
    return "\n".join(each.grid(table).markdown() for each in script.EXPERIMENT.tables(table))


def test_the_tables_show_numbers_of_the_paper_beside_ours(calls):
    _, row = calls
    text = shown(row, CIFAR10)
    for value in PAPER["cifar10"].values():
        assert f"{value:.2f}" in text
    for words in ("other size", "0.90", "convolutions shared", "booster, then light net", "0.846"):
        assert words in text
    made_up = shown(row, CELL)
    assert "8.77" not in made_up
    assert "other size" not in made_up
    assert "0.846" not in made_up


def test_the_smoke_preset_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(find("rocket_launching"), args) == 0
    folder = tmp_path / "rocket_launching"
    assert (folder / "rocket_launching-smoke.png").stat().st_size


@pytest.mark.parametrize("part", ["cifar10", "cifar100"])
def test_panels_of_one_part_begin_with_a(part, monkeypatch, calls):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    row, cell = calls[1], replace(CELL, part=part)
    if part == "cifar100":
        row = {who: line for who, line in row.items() if who != "depth_3"}
    figure.draw(script.derived(table_of((cell, row))))
    assert letters == list({"cifar10": "ab", "cifar100": "a"}[part])
