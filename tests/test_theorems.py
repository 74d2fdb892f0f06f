"""theorems.py: what its rows and estimates mean."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import PolyCollection

from figures import theorems as figure
from multiview.runs.claims import judge
from multiview.runs.experiment import Context, NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import theorems
from theory_experiments._patch_nets import sliding_means
from theory_experiments._theorems import TheoremCell, run

EXPERIMENT = find("theorems")
SMOKE = EXPERIMENT.cells("smoke", NoOptions(), seeds=1)[0]


@pytest.fixture(scope="module")
def row():
    return run(SMOKE, Context())


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    assert run_script(find("theorems"), ["--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "theorems" / "theorems-smoke.png").stat().st_size


def test_a_row_holds_together(row):
    mu, member = SMOKE.spec.mu, row["member"]
    assert member["single"] == pytest.approx(np.mean(member["single_each"]))
    assert row["ensemble_1"]["single"] == pytest.approx(member["single"])
    assert row["ensemble_3"]["single"] == row["ensemble"]["single"]
    for who in ("member", "ensemble", "distilled", "self"):
        on_mixed = mu * row[who]["single"] + (1 - mu) * row[who]["multi"]
        assert row[who]["per_mu"] * mu == pytest.approx(on_mixed)
    assert member["coverage"] >= member["both"]
    assert member["coverage"] == pytest.approx(member["covered"].double().mean().item())


def test_predictions_follow_from_what_was_learned(row):
    c, lost = row["member"]["coverage"], row["data"]["lost"]
    assert row["member"]["predicted"] == pytest.approx((1 - c) * lost)
    assert row["distilled"]["predicted"] == pytest.approx(
        (1 - c) * (1 - row["ensemble"]["coverage"]) * lost
    )
    assert row["self"]["predicted"] == pytest.approx((1 - c) ** 2 * lost)
    for size in (1, 2, 3):
        sized = row[f"ensemble_{size}"]
        assert sized["theory"] == pytest.approx(2**-size)
        assert sized["missed_predicted"] == pytest.approx((1 - c) ** size)
        assert sized["predicted"] == pytest.approx((1 - c) ** size * lost)
    known = row["member"]["covered"].any(0).double().mean().item()
    assert row["ensemble_1"]["missed"] == pytest.approx(1 - c)
    assert row["ensemble_3"]["missed"] == pytest.approx(1 - known)


def test_cells_keep_the_number_of_single_view_samples_as_mu_changes():
    cells = EXPERIMENT.presets["laptop"].of(NoOptions())
    for setting in ("weak", "strong"):
        own = [each for each in cells if each.setting == setting]
        base = own[0]
        assert base.axis == "base"
        assert base.members == 16
        singles = [each.spec.mu * each.num_train for each in own if each.axis == "mu"]
        assert singles == pytest.approx([base.spec.mu * base.num_train] * 2)
        assert {each.members for each in own[1:]} == {4}
        for each in own:
            if each.axis == "num_classes":
                per_class = each.num_train / each.spec.num_classes
                assert per_class == base.num_train / base.spec.num_classes


def ideal(n=4, **changes):
    """The laptop preset's table where all theorems hold; ``changes`` by method, in all cells."""
    c, lost = 0.5, 0.98
    lines = []
    for seed in range(n):
        for i, cell in enumerate(EXPERIMENT.presets["laptop"].of(NoOptions())):
            small = 1e-4 * (i + 1) * (seed - (n - 1) / 2)  # repetitions differ, and cells
            row = {
                "member": {"per_mu": 0.5, "single": 0.49, "predicted": 0.49, "coverage": c},
                "ensemble": {"per_mu": 0.0, "single": 0.0, "coverage": 1.0},
                "distilled": {"per_mu": 0.0, "single": 0.0, "coverage": 1.0},
                "self": {"per_mu": 0.25, "single": 0.25, "coverage": 0.75},
            }
            for who in ("member", "distilled", "self"):
                row[who]["train"] = 0.0
            for who in ("member", "self"):
                row[who]["per_mu"] += small
            for size in range(1, cell.members + 1):
                law = c**size
                row[f"ensemble_{size}"] = {
                    "size": size, "single": lost * law + small, "predicted": lost * law,
                    "missed": law + small, "missed_predicted": law,
                }  # fmt: skip
            row["member"]["single"] += small
            where = {"seed": seed, "status": "ok", "setting": cell.setting, "axis": cell.axis}
            where |= {"spec.mu": cell.spec.mu, "spec.num_classes": cell.spec.num_classes}
            where |= {"spec.num_views": 2}
            lines += [
                where | {"method": name} | each | changes.get(name, {})
                for name, each in row.items()
            ]
    return theorems.derived(pd.DataFrame(lines))


def verdicts(table):
    claims = EXPERIMENT.claims_about("laptop", NoOptions())
    return {claim.name: judge(claim, table).verdict for claim in claims}


def test_claims_hold_where_the_theory_does():
    found = verdicts(ideal())
    assert len(found) == 2 * 11
    assert set(found.values()) == {"supported"}
    assert EXPERIMENT.claims_about("smoke", NoOptions()) == []


@pytest.mark.parametrize(
    ("method", "change", "claim"),
    [
        ("member", {"per_mu": 0.4}, "one"),
        ("ensemble", {"per_mu": 0.0011}, "ensemble"),
        ("distilled", {"per_mu": 0.01}, "distilled"),
        ("self", {"per_mu": 0.3}, "self"),
        ("self", {"train": 1e-3}, "training error"),
        ("member", {"predicted": 0.46}, "closed form"),
        ("ensemble_2", {"single": 0.35}, "law of two"),
        ("ensemble_2", {"missed": 0.35}, "views missed by 2"),
        ("ensemble_4", {"missed": 0.2}, "views missed by 4"),
        ("ensemble_8", {"missed": 0.1}, "views missed by 8"),
    ],
)
def test_claims_fall_where_the_theory_does(method, change, claim):
    jitter = {name: value + 1e-6 for name, value in change.items()}
    table = ideal(**{method: change})
    last = table["seed"] == table["seed"].max()  # equal values would have no known spread
    for name, value in jitter.items():
        table.loc[last & (table["method"] == method), name] = value
    found = verdicts(table)
    assert {found[f"{claim}, {setting}"] for setting in ("weak", "strong")} == {"refuted"}


@pytest.mark.parametrize("who", ["ensemble", "distilled"])
def test_one_lost_view_refutes_theorems_2_and_3(who):
    table = ideal()
    one = (table["seed"] == 2) & (table["method"] == who) & (table["setting"] == "weak")
    table.loc[one, "per_mu"] = 0.05
    found = verdicts(table)
    assert found[f"{who}, weak"] == "refuted"
    assert found[f"{who}, strong"] == "supported"


def test_error_over_mu_may_depend_on_mu_in_one_setting_alone():
    table = ideal()
    chosen = (table["setting"] == "weak") & (table["spec.mu"] == table["spec.mu"].min())
    table.loc[chosen, "per_mu"] += 0.1
    found = verdicts(table)
    assert found["any mu, weak"] == "refuted"
    assert found["any mu, strong"] == "supported"


def test_bands_of_the_theorems_are_drawn_where_they_are(row):
    lines = [
        {"seed": seed, "setting": cell.setting, "axis": cell.axis, "members": cell.members,
         "spec.mu": cell.spec.mu, "spec.num_classes": cell.spec.num_classes, "method": name, **each}
        for seed in (0, 1)
        for cell in EXPERIMENT.presets["smoke"].of(NoOptions())
        for name, each in row.items()
    ]  # fmt: skip
    whole, bottom, *_ = figure.draw(pd.DataFrame(lines)).axes
    for axes in (whole, bottom):
        bands = [each for each in axes.collections if isinstance(each, PolyCollection)]
        ends = [np.asarray(band.get_paths()[0].vertices)[:, 1] for band in bands]
        drawn = [(float(each.min()), float(each.max())) for each in ends]
        assert drawn == [(0.49, 0.51), (0.0, 0.001), (0.0, 0.001), (0.0, 0.26)]
    low, high = bottom.get_ylim()
    assert 0.1 < 0.001 / (high - low) < 0.5  # there, what is at most 0.001 can be seen


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
