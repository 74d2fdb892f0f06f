"""specialists: claims, what is printed, presets and costs."""

import io
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from test_image_specialists import IMAGES, larger

from multiview import stream
from multiview.data.splits import split
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import _specialist_tables as tables
from theory_experiments import specialists as script


def rows(**changes) -> pd.DataFrame:
    """Two repetitions of both parts in which all claims hold."""
    on_images = {
        **dict.fromkeys(tables.ON_IMAGES, 0.6),
        "generalist": 0.70,
        "tuned": 0.65,
        "continued": 0.69,
        "random": 0.68,
        "superclass": 0.64,
        "ensemble_by_size": [[0.7, 0.66]] * 2,
        "generalist_0": 0.7,
        "generalist_1": 0.7,
        "tuned_0": 0.7,
        "tuned_1": 0.64,
        "share_0": 0.2,
        "share_1": 0.8,
        "agreement": 0.4,
        "agreement_correlation": 0.4,
        "agreement_covariance": 0.01,
        "largest_correlation": 9,
        "largest_covariance": 70,
        "null_low": -0.03,
        "null_high": 0.04,
        "tuned_conditional": 0.5,
        "tuned_conditional_generalist": 0.55,
        **{f"{who}_specialists": 20 for who in ("tuned", "fresh", "superclass", "random")},
    }
    on_patches = {
        f"{who}{end}": 0.5 for who in tables.ON_PATCHES for end in ("", "_multi", "_coverage")
    }
    on_patches |= {"fresh_top_coverage": 0.6, "fresh_all_coverage": 0.7}
    parts = []
    for part, columns in (("cifar100", on_images), ("synthetic", on_patches)):
        sizes = {"data": "cifar100", "num_train": 2500}
        columns = columns | {name: value for name, value in changes.items() if name in columns}
        parts.append(
            pd.DataFrame({"seed": [0, 1], "status": "ok", "part": part, **sizes, **columns})
        )
    return pd.concat(parts, ignore_index=True)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    found = [judge(claim, table) for claim in script.claims("laptop", script.Options())]
    assert all(each.note == "" and each.repetitions == 2 for each in found)
    return {each.claim.name: each.verdict for each in found}


def test_each_claim_turns_with_the_column_it_is_about():
    assert set(verdicts(rows()).values()) == {"supported"}
    for column, worse, names in (
        ("generalist", 0.64, {"specialists"}),
        ("continued", 0.64, {"specialists against training on"}),
        ("random", 0.6, {"confusable against random sets"}),
        ("fresh", 0.66, {"fresh start"}),
        ("tuned_0", 0.6, {"gain by covering"}),
        ("agreement", 0.03, {"superclasses"}),
        ("tuned_top_coverage", 0.6, {"views, tuned, top"}),
        ("tuned_all_coverage", 0.4, {"views, tuned, all"}),
        ("fresh_top_coverage", 0.54, {"views, fresh, top"}),
        ("fresh_all_coverage", 0.54, {"views, fresh, all"}),
    ):
        found = verdicts(rows(**{column: worse}))
        assert {name for name, verdict in found.items() if verdict == "refuted"} == names


def test_claims_are_of_the_chosen_part():
    assert script.claims("smoke", script.Options()) == []
    parts = [
        script.claims("laptop", script.Options(part=part)) for part in ("cifar100", "synthetic")
    ]
    names = [claim.name for claims in parts for claim in claims]
    assert names == [claim.name for claim in script.claims("laptop", script.Options())]
    assert [len(claims) for claims in parts] == [6, 4]


def test_relative_gains_are_of_accuracy():
    table = pd.DataFrame({"a": [0.75, 1.0], "b": [0.739, 0.5]})
    found = tables.relative("b", "a")(table)
    assert found[0] == pytest.approx(0.044)
    assert pd.isna(found[1])


def test_the_summary_shows_both_parts_beside_the_paper():
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(script.summary(rows()))
    text = console.export_text()
    names = (*tables.ON_IMAGES.values(), *tables.ON_PATCHES.values(), *tables.JFT)
    numbers = [f"{each:.1f}" for each in tables.JFT.values()]
    words = ("agrees", "open", "+14.1%", "other data", "2 generalists averaged")
    for name in (*names, *numbers, *words, "-0.030 to 0.040", "16.7 ["):
        assert name in text


@pytest.mark.parametrize(
    ("gains", "paper", "verdict"),
    [
        ([0.1, 0.11], 4.4, "agrees"),
        ([-0.1, -0.11], 4.4, "opposite"),
        ([0.1, -0.11], 4.4, "open"),
        ([0.1], 4.4, "open"),
        ([math.nan, math.nan], 4.4, "open"),
        ([0.0, 0.0], 0.0, "open"),
        ([-0.1, -0.11], 0.0, "opposite"),
    ],
)
def test_the_verdict_is_on_the_sign(gains, paper, verdict):
    assert tables.sign_verdict(pd.Series(gains), paper) == verdict


def test_specialists_of_the_paper_preset_are_not_compiled():
    cell, _ = script.PAPER
    assert not cell.recipe.compute.compile
    assert not cell.tuned.compute.compile


@pytest.mark.parametrize("preset", list(script.PRESETS))
def test_every_preset_has_both_parts_and_cells_that_differ_in_the_seed_alone(preset):
    experiment = find("specialists")
    cells = experiment.cells(preset, script.Options(), seeds=2)
    assert [cell.part for cell in cells] == ["cifar100", "synthetic"] * 2
    assert [replace(cell, seed=1) for cell in cells[:2]] == cells[2:]
    for part in ("cifar100", "synthetic"):
        (cell,) = experiment.cells(preset, script.Options(part=part), seeds=1)
        assert cell.part == part


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    args = ["--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 2
    assert "--part synthetic" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.json"))


def test_cost_counts_the_passes_of_all_nets(monkeypatch):
    said = {}
    monkeypatch.setattr(
        script, "time_and_memory", lambda flop, *rest: said.update(flop=flop) or str(rest)
    )
    monkeypatch.setattr(script, "images_of", lambda cell, context: larger())
    monkeypatch.setattr(
        script,
        "refuse_missing_images",
        lambda cells, context: [c for c in cells if c == cell],
    )
    cell, patches = replace(IMAGES, data="cifar100"), script.LAPTOP[1]
    assert script.cost([patches, cell, cell], Context(data_dir=Path())) is not None
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
