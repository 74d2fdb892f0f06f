"""specialists: claims, what is printed, presets and costs."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from tidy_tables import changed, repeated

from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.script import run_script
from theory_experiments import specialists as script

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
    "ensemble_2": {"size": 2, "error": 0.66},
    "kmeans_correlation": {"agreement": 0.4, "largest_set": 9},
    "kmeans_covariance": {"agreement": 0.01, "largest_set": 70},
    "data": {
        **{"null_low": -0.03, "null_high": 0.04},
        **{"share_outside": 0.2, "share_inside": 0.8},
    },
}
SAME = {"single": 0.5, "multi": 0.5, "coverage": 0.5}
ON_PATCHES = dict.fromkeys(tables.ON_PATCHES, SAME) | {
    "fresh_top": SAME | {"coverage": 0.6},
    "fresh_all": SAME | {"coverage": 0.7},
}


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
    return repeated(dict(zip(script.LAPTOP, results, strict=True)))


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
        equal = script.derived(repeated({script.LAPTOP[1]: ON_PATCHES}, n)).assign(coverage=0.5)
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
    found = tables.relative_gain().of(pd.DataFrame(lines)).by_seed.tolist()
    assert found[0] == pytest.approx(0.044)
    assert math.isnan(found[1])


def test_the_tables_show_both_parts_beside_the_paper():
    table = script.derived(rows())
    text = "\n".join(each.grid(table).markdown() for each in script.EXPERIMENT.tables(table))
    paper = tables.JFT_ACCURACY | tables.JFT_GAIN
    names = (*tables.ON_IMAGES.values(), *tables.ON_PATCHES.values(), *paper)
    numbers = [f"{each:.1f}" for each in paper.values()]
    words = ("+14.1%", "other data", "2 generalists averaged")
    for name in (*names, *numbers, *words, "-0.030 to 0.040", "16.7 ["):
        assert name in text


def test_specialists_of_the_paper_preset_are_not_compiled():
    cell, _ = script.PAPER
    assert not cell.recipe.compute.compile
    assert not cell.tuned.compute.compile


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_has_both_parts_and_cells_that_differ_in_the_seed_alone(preset):
    experiment = find("specialists")
    cells = experiment.cells(preset, script.Options(), seeds=2)
    assert [cell.part for cell in cells] == ["cifar100", "synthetic"] * 2
    first = 0 if preset == "smoke" else 10
    assert [cell.seed for cell in cells] == [first, first, first + 1, first + 1]
    assert [replace(cell, seed=first + 1) for cell in cells[:2]] == cells[2:]
    for part in ("cifar100", "synthetic"):
        (cell,) = experiment.cells(preset, script.Options(part=part), seeds=1)
        assert cell.part == part


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    args = ["--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 2
    assert "--part synthetic" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.json"))


def test_cost_counts_the_passes_of_all_nets(monkeypatch):
    said = record_cost(monkeypatch, larger())
    cell, patches = replace(IMAGES, data="cifar100"), script.LAPTOP[1]
    assert script.cost([patches, cell, cell], Context()) is not None
    splits = split(larger(), 3, 3, 3, stream(0))
    forward = script.cost_of(cell.net.build(splits, stream(0)), splits.train[0]).forward
    # Two generalists of 2 epochs, one trained on for 2; each family twice its epochs' images.
    epochs = 2 * 2 + 2 + 2 * (1 + 2 + 1 + 1)
    assert said["flop"] == 2 * 3 * epochs * 60 * forward
    assert script.cost([patches], Context()) is None


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 0
    assert (tmp_path / "specialists" / "specialists-smoke.png").stat().st_size
