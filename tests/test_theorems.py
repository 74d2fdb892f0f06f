"""theorems.py: its cells, its claims on ideal tables, its closed forms and its figure."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from tidy_tables import table_of

from figures import theorems as figure
from multiview.runs.claims import judge
from multiview.runs.experiment import NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import stored_runs
from theory_experiments import theorems

EXPERIMENT = find("theorems")
CELLS = EXPERIMENT.presets["laptop"].of(NoOptions())


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The derived table of one repetition of the smoke preset, and where it is stored."""
    out = tmp_path_factory.mktemp("smoke")
    assert run_script(EXPERIMENT, ["--preset", "smoke", "--seeds", "1", "--out", str(out)]) == 0
    (run,) = stored_runs(out)
    return EXPERIMENT.derive(run.table()), out


def test_the_smoke_preset_runs_and_is_drawn(smoke):
    assert (smoke[1] / "theorems" / "theorems-smoke.png").stat().st_size


def test_closed_forms_follow_from_what_was_learned(smoke):
    for _, lines in smoke[0].groupby("key"):
        row = lines.set_index("method")
        c, mu = row["coverage"], row["spec.mu"].iloc[0]
        lost = row["predicted"]["ensemble_1"] / (1 - c["member"])
        assert 0 < lost < 1
        of_student = (1 - c["member"]) * (1 - c["ensemble"]) * lost
        assert row["predicted"]["distilled"] == pytest.approx(of_student)
        assert row["predicted"]["self"] == pytest.approx((1 - c["member"]) ** 2 * lost)
        for size in (1, 2, 3):
            sized = row.loc[f"ensemble_{size}"]
            assert sized["theory"] == pytest.approx(2**-size)
            assert sized["missed_predicted"] == pytest.approx((1 - c["member"]) ** size)
            assert sized["predicted"] == pytest.approx((1 - c["member"]) ** size * lost)
        for _, line in lines.iterrows():
            on_mixed = mu * line["single"] + (1 - mu) * line["multi"]
            assert line["per_mu"] * mu == pytest.approx(on_mixed)
        assert row["predicted"]["member"] == pytest.approx(row["law"]["member"])
        assert row["single"]["ensemble_3"] == pytest.approx(row["single"]["ensemble"])


def test_cells_keep_the_number_of_single_view_samples_as_mu_changes():
    for strength in ("weak", "strong"):
        base, *others = [each for each in CELLS if each.part.startswith(strength)]
        own = base.setting
        assert base.part == f"{strength}, base"
        assert own.members == 16
        assert {each.setting.members for each in others} == {4}
        for each in (cell.setting for cell in others if cell.part.endswith("mu")):
            assert each.spec.mu * each.num_train == pytest.approx(own.spec.mu * own.num_train)
            assert each.spec.mu != own.spec.mu
        for each in (cell.setting for cell in others if cell.part.endswith("num_classes")):
            assert each.num_train / each.spec.num_classes == own.num_train / own.spec.num_classes


def ideal(n=4, **changes):
    """The laptop preset's derived table where all theorems hold; ``changes`` by method."""
    results = []
    for seed in range(n):
        for i, cell in enumerate(CELLS):
            small = 1e-4 * (i + 1) * (seed - (n - 1) / 2)  # repetitions differ, and cells
            row = {
                "member": {"per_mu": 0.5 + small, "single": 0.49 + small, "predicted": 0.49},
                "ensemble": {"per_mu": 0.0, "single": 0.0},
                "distilled": {"per_mu": 0.0, "single": 0.0},
                "self": {"per_mu": 0.25 + small, "single": 0.25},
            }
            for who in ("member", "distilled", "self"):
                row[who]["train"] = 0.0
            for size in range(1, cell.setting.members + 1):
                law = 0.5**size
                row[f"ensemble_{size}"] = {
                    "single": 0.98 * law + small, "predicted": 0.98 * law,
                    "missed": law + small, "missed_predicted": law,
                }  # fmt: skip
            row = {name: line | changes.get(name, {}) for name, line in row.items()}
            results.append((replace(cell, seed=seed), row))
    table = table_of(*results)
    return table.assign(
        setting=table["part"].str.split(", ").str[0], axis=table["part"].str.split(", ").str[1]
    )


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
    table = ideal(**{method: change})
    last = table["seed"] == table["seed"].max()  # equal values would have no known spread
    for name, value in change.items():
        table.loc[last & (table["method"] == method), name] = value + 1e-6
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


def test_errors_are_shares_of_views_but_for_means_over_networks(smoke):
    counted = smoke[0].set_index("method")["single_of"]
    assert set(counted[["ensemble", "distilled", "self"]]) == {8, 6}  # 2 views of 4 and 3 classes
    assert counted[["member", "ensemble_1", "ensemble_2"]].isna().all()


def test_bands_of_the_theorems_are_drawn_where_they_are(smoke):
    table = pd.concat([smoke[0], smoke[0].assign(seed=1)])
    whole, bottom, *_ = figure.draw(table).axes
    for axes in (whole, bottom):
        bands = [each for each in axes.collections if isinstance(each, PolyCollection)]
        ends = [np.asarray(band.get_paths()[0].vertices)[:, 1] for band in bands]
        drawn = [(float(each.min()), float(each.max())) for each in ends]
        assert drawn == [(0.49, 0.51), (0.0, 0.001), (0.0, 0.001), (0.0, 0.26)]
    low, high = bottom.get_ylim()
    assert 0.1 < 0.001 / (high - low) < 0.5  # there, what is at most 0.001 can be seen


def test_the_paper_preset_is_larger():
    base = theorems.paper_size(theorems.WEAK)
    errors: Any = theorems.WEAK.measures[0]
    assert base.measures[0] == replace(errors, num_test=100_000)
    assert base.setting.training.students.max_steps == 1000
    assert base.setting.relu_knee == theorems.WEAK.setting.relu_knee
