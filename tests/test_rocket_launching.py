"""rocket_launching: its nets on images, their claims and tables, its presets and figure."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from tidy_tables import changed, repeated, table_of, texts

from figures import rocket_launching as figure
from figures import style
from multiview.bench import check, run
from multiview.bench.nets import WidePair
from multiview.distill import official_kd_weight
from multiview.methods import Rocket, Timed
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import rocket_launching as script
from theory_experiments.views import rocket_images as images
from theory_experiments.views.rocket_published import ORDERED, PUBLISHED

(CELL,) = images.SMOKE["cifar10"]
(LAPTOP,) = images.LAPTOP["cifar10"]
OF_PAPER = [*images.PAPER["cifar10"], *images.PAPER["cifar100"]]


@pytest.fixture(scope="module")
def row():
    return run(CELL, Context())


def test_launchings_differ_in_what_they_are_named_by():
    rocket = Rocket(shared=7)
    expected = {
        "rocket": {},
        "no_joint": {"joint": False},
        "no_block": {"block": False},
        "no_sharing": {"shared": 0},
        "squared": {"hint": "probabilities", "weight": 0.3},
        "tempered": {"hint": "tempered"},
        "depth_4": {"shared": 4},
    }
    for name, changes in expected.items():
        method = LAPTOP.methods[name]
        method = method.of if isinstance(method, Timed) else method
        assert method == replace(rocket, **changes), name
    methods: Any = LAPTOP.methods
    kd, both, booster = (methods[name] for name in ("kd", "rocket_kd", "booster"))
    assert booster.of == replace(rocket, joint=False)  # trained alone
    assert kd.teacher == both.teacher == booster
    assert kd.weight == both.teacher_weight == official_kd_weight(10)
    assert kd.label_weight == pytest.approx(0.1)
    many: Any = images.LAPTOP["cifar100"][0].methods["kd"]
    assert many.weight == official_kd_weight(100)


def test_every_number_is_there(row):
    assert set(row) == {*images.LABELS, "depth_3", "data"}
    for who in (*images.LABELS, "depth_3"):
        assert 0 <= row[who]["error"] <= 1
        assert 0 <= row[who]["validation"] <= 1
    numbers = {who: line.get("shared_convolutions") for who, line in row.items()}
    shared = {who: number for who, number in numbers.items() if number is not None}
    assert shared == {"no_sharing": 0, "depth_3": 3, "rocket": 7}
    timed = {who for who, line in row.items() if "training_seconds" in line}
    assert timed == {"rocket", "no_joint"}
    assert min(row[who]["training_seconds"] for who in timed) > 0
    assert row["data"] == {"train_images": 30, "pixels": 8}


@pytest.mark.parametrize("part", ["all", "cifar10", "cifar100", "synthetic"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "hours", "paper"])
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
    made_up = [
        cell for cell in cells if getattr(cell.setting, "data", "multi_view") == "multi_view"
    ]
    check(made_up, Context())


def test_the_paper_preset_has_the_papers_pairs():
    assert {cell.part: cell.setting.net for cell in OF_PAPER} == {
        "cifar10": WidePair(depth=16, booster_depth=40),
        "cifar10_wide": WidePair(depth=16, booster_depth=40, widen=2),
        "cifar10_bottom": WidePair(depth=16, booster_depth=40, variant="bottom"),
        "cifar100": WidePair(depth=16, booster_depth=40),
    }
    for cell in OF_PAPER:
        optim = cell.setting.recipe.optim
        steps = [round(optim.rate(epoch * 10, 2000), 6) for epoch in (0, 59, 60, 119, 120, 160)]
        assert steps == [0.1, 0.1, 0.02, 0.02, 0.004, 0.0008]
        assert (optim.batch_size, optim.momentum, optim.weight_decay) == (128, 0.9, 5e-4)
        assert (cell.setting.num_test, cell.setting.shrink) == (None, 1)
        assert (cell.setting.recipe.padding, cell.setting.students) == (4, cell.setting.recipe)


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    assert run_script(find("rocket_launching"), ["--out", str(tmp_path)]) == 2
    assert "--data-dir" in capfd.readouterr().err


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
    "depth_4": {"error": 0.26, "shared_convolutions": 4},
}


def refuted(table: pd.DataFrame, claims) -> set[str]:
    found = [judge(claim, table) for claim in claims]
    assert all(each.note == "" for each in found)
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    return {each.claim.name.partition(": ")[2] for each in found if each.verdict == "refuted"}


@pytest.mark.parametrize(
    ("name", "value", "refutes"),
    [
        ("base.error", 0.3, set()),
        *(
            (f"{rival}.error", 0.2, {f"rocket against {rival}"})
            for rival in ("no_block", "no_sharing", "no_joint", "squared", "tempered")
        ),
        ("rocket_kd.error", 0.26, {"rocket_kd against rocket"}),
        ("kd.error", 0.255, {"every depth against kd"}),
        ("base.error", 0.2, {"rocket against base", "every depth against base"}),
        ("depth_4.error", 0.29, {"every depth against kd"}),
        ("rocket.training_seconds", 11.0, {"time"}),
    ],
)
def test_each_claim_on_images_turns_with_the_measure_it_is_about(name, value, refutes):
    table = repeated({LAPTOP: changed(IDEAL, {name: value})})
    assert refuted(table, images.claims(LAPTOP)) == refutes


def test_no_claim_is_made_of_smoke_cells():
    claims = find("rocket_launching").claims_about
    assert claims("smoke", script.Options()) == []
    patches = claims("laptop", script.Options(part="synthetic"))
    assert len(claims("laptop", script.Options())) > len(patches) == 6


@pytest.mark.parametrize("part", list(PUBLISHED))
def test_orders_are_claimed_where_the_paper_has_both_errors_and_both_were_run(part):
    def orders(cell) -> set[tuple[str, ...]]:
        names = [claim.name.partition(": ")[2].split(" ") for claim in images.claims(cell)]
        return {(name[2], name[0]) for name in names if name[0] in images.LABELS}

    have = set(PUBLISHED[part])
    every = orders(images.cell(LAPTOP.setting, part))
    assert every == {pair[:2] for pair in ORDERED if set(pair[:2]) <= have}
    few = orders(images.cell(LAPTOP.setting, part, ablations=False))
    assert few == {pair for pair in every if pair[0] in ("base", "kd", "rocket", "no_joint")}


def test_other_size_is_said_of_what_is_of_another_size():
    def first(cell) -> dict:
        own = table_of((cell, {"data": {"pixels": 32, "train_images": 45_000}}))
        return own.iloc[0].to_dict()

    for cell in OF_PAPER:
        known = first(cell)
        assert not images.other_size(known), cell.part
        for name, value in (
            *(("pixels", 16), ("train_images", 1500), ("net.widen", 3)),
            *([] if cell.part == "cifar10_bottom" else [("net.depth", 10)]),
        ):
            assert images.other_size(known | {name: value}), (cell.part, name)
    assert images.other_size(first(LAPTOP))


def shown(row, cell) -> str:
    table = script.EXPERIMENT.derived(table_of(*((replace(cell, seed=i), row) for i in (0, 1))))
    return texts(images.tables(table), table)


def test_the_tables_show_numbers_of_the_paper_beside_ours(row):
    text = shown(row, replace(CELL, setting=replace(CELL.setting, data="cifar10")))
    for value in PUBLISHED["cifar10"].values():
        assert f"{value:.2f}" in text
    for words in ("other size", "0.90", "convolutions shared", "booster, then light net", "0.846"):
        assert words in text
    made_up = shown(row, CELL)
    for words in ("8.77", "other size", "0.846"):
        assert words not in made_up


def test_times_that_are_not_known_are_not_shown(row):
    known = {"rocket": {"training_seconds": float("nan")}, "no_joint": {}}
    text = shown({name: {**line, **known.get(name, {})} for name, line in row.items()}, CELL)
    (line,) = [line for line in text.splitlines() if line.startswith("| joint")]
    assert [text.strip() for text in line.strip("|").split("|")] == ["joint", "", ""]


def test_the_smoke_preset_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(find("rocket_launching"), args) == 0
    folder = tmp_path / "rocket_launching"
    assert (folder / "rocket_launching-smoke.png").stat().st_size


@pytest.mark.parametrize(("depth", "letters"), [("depth_3", "a"), ("", "ab")])
def test_panels_begin_with_a(depth, letters, monkeypatch, row):
    drawn = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: drawn.append(letter))
    lines = {who: line for who, line in row.items() if who != depth}
    figure.draw(script.EXPERIMENT.derived(table_of((CELL, lines))))
    assert drawn == list(letters)
    assert {entry.method for entry in figure.METHODS} == set(images.LABELS)
