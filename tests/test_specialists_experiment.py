"""specialists: claims, what is printed, presets and costs."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from tidy_tables import changed, repeated

from figures.specialists import draw
from multiview.bench import Cell, run
from multiview.bench.cost import count
from multiview.bench.images import ImageSetting
from multiview.methods import Member
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.script import run_script
from theory_experiments import specialists as script
from theory_experiments.views import patch_specialists as patches
from theory_experiments.views import specialist_listings as listings
from theory_experiments.views.image_specialists import TrainedOn, conditional, superclass_of_each

ON_IMAGES = {
    "generalist": {"error": 0.70, "error_outside": 0.7, "error_inside": 0.7},
    "tuned": {
        **{"error": 0.65, "error_outside": 0.7, "error_inside": 0.64, "specialists": 20},
        **{"conditional": 0.5, "conditional_generalist": 0.55},
    },
    "fresh": {"error": 0.6, "specialists": 20},
    "superclass": {"error": 0.64, "specialists": 20},
    "random": {"error": 0.68, "specialists": 20},
    "continued": {"error": 0.69},
    "member": {"size": 1, "error": 0.7},
    "ensemble": {"size": 2, "error": 0.66},
    "kmeans_correlation": {"agreement": 0.4, "largest_set": 9},
    "kmeans_covariance": {"agreement": 0.01, "largest_set": 70},
    "data": {
        **{"null_low": -0.03, "null_high": 0.04},
        **{"share_outside": 0.2, "share_inside": 0.8},
    },
}
SAME = {"single": 0.5, "multi": 0.5, "coverage": 0.5}
ON_PATCHES = dict.fromkeys(patches.LABELS, SAME) | {
    "fresh_top": SAME | {"coverage": 0.6},
    "fresh_all": SAME | {"coverage": 0.7},
}


def cells(preset: str, part: Any = "all", seeds: int = 1) -> list[Cell]:
    return script.EXPERIMENT.cells(preset, script.Options(part=part), seeds=seeds)


def rows(**changes: float) -> pd.DataFrame:
    """Repetitions of both parts in which all claims hold, but for what is changed."""
    results = []
    for row in (ON_IMAGES, ON_PATCHES):
        own = {
            name: value
            for name, value in changes.items()
            if name.partition(".")[2] in row.get(name.partition(".")[0], {})
        }
        results.append(changed(row, own))
    return repeated(dict(zip(cells("laptop"), results, strict=True)))


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    claims = script.EXPERIMENT.claims_about("laptop", script.Options())
    found = [judge(claim, table) for claim in claims]
    assert all(each.note == "" and each.repetitions == 3 for each in found)
    return {each.claim.name: each.verdict for each in found}


def test_each_claim_turns_with_the_measure_it_is_about():
    assert set(verdicts(rows()).values()) == {"supported"}
    for name, worse, names in (
        ("generalist.error", 0.64, {"specialists"}),
        ("continued.error", 0.64, {"specialists against training on"}),
        ("random.error", 0.6, {"confusable against random sets"}),
        ("fresh.error", 0.66, {"fresh start"}),
        ("tuned.error_outside", 0.6, {"gain by covering"}),
        ("kmeans_correlation.agreement", 0.03, {"superclasses"}),
        ("tuned_top.coverage", 0.6, {"views, tuned, top"}),
        ("tuned_all.coverage", 0.4, {"views, tuned, all"}),
        ("fresh_top.coverage", 0.54, {"views, fresh, top"}),
        ("fresh_all.coverage", 0.54, {"views, fresh, all"}),
    ):
        found = verdicts(rows(**{name: worse}))
        assert {name for name, verdict in found.items() if verdict == "refuted"} == names


def test_specialists_that_change_no_view_at_all_are_said_to_change_none():
    """Equal values have no spread; that views are counted bounds what was not seen."""
    claims = script.EXPERIMENT.claims_about("laptop", script.Options(part="synthetic"))
    (claim,) = [each for each in claims if each.name == "views, tuned, all"]
    for n, verdict in ((3, "undecided"), (6, "supported")):
        equal = script.derived(repeated({patches.LAPTOP: ON_PATCHES}, n)).assign(coverage=0.5)
        assert judge(claim, equal).verdict == verdict


def test_claims_are_of_the_chosen_part():
    about = script.EXPERIMENT.claims_about
    assert about("smoke", script.Options()) == []
    parts = [about("laptop", script.Options(part=part)) for part in ("cifar100", "synthetic")]
    names = [claim.name for claims in parts for claim in claims]
    assert names == [claim.name for claim in about("laptop", script.Options())]
    assert [len(claims) for claims in parts] == [6, 4]


def test_relative_gains_are_of_accuracy():
    lines = [
        {"seed": seed, "part": "cifar100", "method": method, "error": error}
        for method, errors in (("generalist", (0.75, 1.0)), ("tuned", (0.739, 0.5)))
        for seed, error in enumerate(errors)
    ]
    found = listings.relative_gain().of(pd.DataFrame(lines)).by_seed.tolist()
    assert found[0] == pytest.approx(0.044)
    assert math.isnan(found[1])


SHOWN = [label for name, label in patches.LABELS.items() if "alone" not in name]


def test_the_tables_show_both_parts_beside_the_paper():
    table = script.derived(rows())
    text = "\n".join(each.grid(table).markdown() for each in script.EXPERIMENT.tables(table))
    paper = listings.JFT_ACCURACY | listings.JFT_GAIN
    names = (*script.LABELS.values(), *paper, *SHOWN)
    numbers = [f"{each:.1f}" for each in paper.values()]
    words = ("+14.1%", "other data", "2 generalists averaged")
    for name in (*names, *numbers, *words, "-0.030 to 0.040", "16.7 ["):
        assert name in text


def test_specialists_of_the_paper_preset_are_not_compiled():
    setting = of_images("paper")
    assert not setting.recipe.compute.compile
    assert not setting.students.compute.compile


@pytest.mark.parametrize("preset", ["smoke", "laptop", "hours", "paper"])
def test_every_preset_has_both_parts_and_cells_that_differ_in_the_seed_alone(preset):
    found = cells(preset, seeds=2)
    assert [cell.part for cell in found] == ["cifar100", "synthetic"] * 2
    first = 0 if preset == "smoke" else 10
    assert [cell.seed for cell in found] == [first, first, first + 1, first + 1]
    assert [replace(cell, seed=first + 1) for cell in found[:2]] == found[2:]
    for part in ("cifar100", "synthetic"):
        (cell,) = cells(preset, part)
        assert cell.part == part


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    assert run_script(script.EXPERIMENT, ["--out", str(tmp_path)]) == 2
    assert "cifar100 is read from --data-dir" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.json"))


def test_errors_within_a_specialists_classes_are_those_of_both_on_average():
    z, own = torch.randn(2, 60, 4).log_softmax(2)
    labels = torch.arange(60) % 4
    classes = [3, 1]
    answer = own[:, [0, 1, 2]]
    mine = torch.isin(labels, torch.tensor(classes))
    mean = z.softmax(1)[:, classes] + answer.softmax(1)[:, :-1]
    picked = torch.tensor(classes)[mean.argmax(1)]
    found = conditional(z, [(classes, answer)], labels)
    expected = float((picked != labels)[mine].double().mean())
    assert found["conditional"] == pytest.approx(expected)
    before = torch.tensor(classes)[z[:, classes].argmax(1)]
    expected = float((before != labels)[mine].double().mean())
    assert found["conditional_generalist"] == pytest.approx(expected)
    assert math.isnan(conditional(z, [], labels)["conditional"])


def of_images(preset: str) -> ImageSetting:
    setting = cells(preset, "cifar100")[0].setting
    assert isinstance(setting, ImageSetting)
    return setting


@pytest.fixture(scope="module")
def smoke():
    return run(cells("smoke", "cifar100")[0], Context())


def test_errors_by_covering_add_up_and_the_generalist_goes_on_as_long(smoke):
    shares = [smoke["data"][name] for name in ("share_outside", "share_inside")]
    assert sum(shares) == pytest.approx(1)
    for who in ("tuned", "generalist"):
        parts = [smoke[who][name] for name in ("error_outside", "error_inside")]
        whole = sum(s * e for s, e in zip(shares, parts, strict=True) if s)
        assert whole == pytest.approx(smoke[who]["error"])
    assert [smoke[who]["size"] for who in ("member", "ensemble")] == [1, 2]
    assert smoke["data"]["null_low"] <= 0 <= smoke["data"]["null_high"]
    setting = of_images("smoke")
    method = script.entries(num_sets=4, smallest=2)["continued"].method
    assert isinstance(method, TrainedOn)
    sets = method.like.chosen(setting.bench(0, Context()))
    share = sum(min(2 * 20 * len(each), 200) for each in sets) / 200  # 20 images of each class
    assert smoke["continued"]["epochs"] == max(1, round(setting.students.optim.epochs * share))


def test_made_up_superclasses_are_neighbours():
    bench = of_images("smoke").bench(0, Context())
    assert superclass_of_each(bench) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_costs_count_generalists_and_specialists():
    setting = of_images("smoke")
    one, family = (
        count(setting, [method], Context()).flop
        for method in (Member(), script.entries(num_sets=2, smallest=1)["tuned"].method)
    )
    # Of random images a set and as many others are at most all: two sets take at most two epochs.
    assert one < family <= one * (1 + 2 / 2 / setting.members) * 1.01


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--part", "synthetic", "--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 0
    assert (tmp_path / "specialists" / "specialists-smoke-part_synthetic.png").stat().st_size


def test_both_parts_are_drawn():
    draw(script.derived(rows()))
