"""theorems.py: what its rows and estimates mean."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import theorems
from theory_experiments._patch_nets import sliding_means
from theory_experiments._theorems_claims import at_base, change_with_mu
from theory_experiments.theorems import TheoremCell, run

SMOKE = find("theorems").cells("smoke", None, seeds=1)[0]


@pytest.fixture(scope="module")
def row():
    return run(SMOKE, Context())


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    assert run_script(find("theorems"), ["--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "theorems" / "theorems-smoke.png").stat().st_size


def test_a_row_holds_together(row):
    mu = SMOKE.spec.mu
    assert row["one_single"] == pytest.approx(np.mean(row["one_each_single"]))
    assert row["by_size_single"][0] == pytest.approx(row["one_single"])
    assert row["by_size_single"][-1] == row["ensemble_single"]
    for who in ("one", "ensemble", "distilled", "self"):
        on_mixed = mu * row[f"{who}_single"] + (1 - mu) * row[f"{who}_multi"]
        assert row[f"{who}_per_mu"] * mu == pytest.approx(on_mixed)
    assert row["one_coverage"] >= row["all_learned"]


def test_predictions_follow_from_what_was_learned(row):
    assert row["predicted_one"] == pytest.approx((1 - row["one_coverage"]) * row["lost"])
    assert row["predicted_distilled"] == pytest.approx(
        (1 - row["one_coverage"]) * (1 - row["ensemble_coverage"]) * row["lost"]
    )
    assert row["theory_by_size"] == pytest.approx([0.5, 0.25, 0.125])


def test_cells_keep_the_number_of_single_view_samples_as_mu_changes():
    cells = find("theorems").cells("laptop", None, seeds=1)
    for setting in ("quiet", "audible"):
        own = [each for each in cells if each.setting == setting]
        base = own[0]
        assert base.axis == "base"
        singles = [each.spec.mu * each.num_train for each in own if each.axis == "mu"]
        assert singles == pytest.approx([base.spec.mu * base.num_train] * 2)
        for each in own:
            if each.axis == "num_classes":
                per_class = each.num_train / each.spec.num_classes
                assert per_class == base.num_train / base.spec.num_classes


def test_estimates_choose_their_cells():
    table = pd.DataFrame(
        {
            "seed": [0, 0, 0, 1, 1, 1],
            "setting": "quiet",
            "axis": ["base", "mu", "mu"] * 2,
            "spec.mu": [0.01, 0.005, 0.02] * 2,
            "one_per_mu": [0.5, 0.4, 0.3, 0.6, 0.2, 0.25],
        }
    )
    assert at_base("quiet", lambda rows: rows["one_per_mu"])(table).tolist() == [0.5, 0.6]
    change = change_with_mu("quiet", "one_per_mu")(table)
    assert change.tolist() == pytest.approx([0.1, -0.05])  # at half of mu minus at twice mu
    assert not len(at_base("audible", lambda rows: rows["one_per_mu"])(table))


def test_every_claim_is_an_estimate_of_a_laptop_table(row):
    cells = find("theorems").cells("laptop", None, seeds=2)
    table = pd.DataFrame(
        [
            {"seed": c.seed, "setting": c.setting, "axis": c.axis, "spec.mu": c.spec.mu, **row}
            for c in cells
        ]
    )
    for claim in theorems.claims("laptop", None):
        assert len(claim.estimate(table)) == 2, claim.name


def test_one_member_is_no_ensemble():
    with pytest.raises(ValueError, match="members=1"):
        TheoremCell(members=1)
    assert replace(SMOKE, members=2).members == 2


def test_sliding_means_average_each_member_and_its_followers():
    logits = torch.randn(3, 4, 2, dtype=torch.float64)
    means = sliding_means(logits)  # (n, first member, size, k)
    assert means.shape == (3, 4, 4, 2)
    torch.testing.assert_close(means[:, :, 0], logits)
    torch.testing.assert_close(means[:, 3, 2], logits[:, [3, 0, 1]].mean(1))
    for first in range(4):
        torch.testing.assert_close(means[:, first, 3], logits.mean(1))
