"""theorems.py: its cells, its claims on ideal tables, its closed forms and its figure."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidy_tables import table_of, verdicts_of

from figures import theorems as figure
from multiview.runs.experiment import NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import stored_runs
from theory_experiments import theorems

EXPERIMENT = find("theorems")
CELLS = EXPERIMENT.presets["laptop"].of(NoOptions())
VIEWS = 80  # 2 views of 40 classes


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The derived table of the smoke preset, and where it is stored."""
    out = tmp_path_factory.mktemp("smoke")
    assert run_script(EXPERIMENT, ["--preset", "smoke", "--out", str(out)]) == 0
    (run,) = stored_runs(out)
    return EXPERIMENT.derive(run.table()), out


def test_the_smoke_preset_runs_and_is_drawn(smoke):
    assert (smoke[1] / "theorems" / "theorems-smoke.png").stat().st_size


def test_closed_forms_follow_from_what_was_learned(smoke):
    base = smoke[0].loc[smoke[0]["part"] == "base"]
    for _, lines in base.groupby("key"):
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
        assert row["single"]["ensemble_3"] == pytest.approx(row["single"]["ensemble"])


def test_errors_along_the_training_end_where_the_networks_do(smoke):
    row = smoke[0].loc[smoke[0]["part"] == "base"].set_index(["seed", "method"])
    for who in ("member", "distilled", "self"):
        for seed in (0, 1):
            time = row["curve_time"][seed, who]
            assert np.all(np.diff(time) >= 0)
            for kind in ("single", "multi"):
                error = row[f"curve_{kind}"][seed, who]
                assert len(time) == len(error) > 2
                # Of 100 test samples of each kind, where the measure has 500.
                assert abs(error[-1] - row[kind][seed, who]) < 0.15
    assert np.isnan(row["within"][0, "ensemble"])


def ideal(n=4, **changes):
    """The laptop preset's derived table where all theorems hold; ``changes`` by method."""
    base, literal = CELLS
    results = []
    for seed in range(n):
        small = 1e-4 * (seed - (n - 1) / 2)
        time = np.linspace(0, 1, 5)
        row: dict[str, dict[str, Any]] = {
            "member": {"per_mu": 0.495 + small, "single": 0.49 + small, "predicted": 0.49},
            "ensemble": {"per_mu": 0.0, "single": 0.0, "multi": 1e-5 + small / 100},
            "distilled": {"per_mu": 0.0, "single": 0.0, "within": 0.95 + small},
            "self": {"per_mu": 0.24 + small, "single": 0.24 + small, "predicted": 0.24},
        }
        for who in ("member", "distilled", "self"):
            row[who] |= {"train": 0.0, "multi": 0.0, "curve_time": time}
            row[who]["curve_single"] = (1 - time) * 0.9 + row[who]["single"]
        for size in range(1, base.setting.members + 1):
            row[f"ensemble_{size}"] = {
                "single": 0.5**size, "predicted": 0.5**size, "size": size,
                "missed": 0.5**size + small, "missed_predicted": 0.5**size,
            }  # fmt: skip
        row = {name: line | changes.get(name, {}) for name, line in row.items()}
        results.append((replace(base, seed=seed), row))
        single = {"gated": 0.02 + small, "literal": 0.3 + changes.get("literal", 0.0)}
        results.append((replace(literal, seed=seed), {k: {"single": v} for k, v in single.items()}))
    table = table_of(*results)
    counted = table["method"].isin(["ensemble", "distilled", "gated", "literal"])
    return table.assign(single_of=np.where(counted, 2 * table["spec.num_classes"], np.nan))


def verdicts(table):
    return verdicts_of(EXPERIMENT.claims_about("laptop", NoOptions()), table)


def test_claims_hold_where_the_theory_does():
    found = verdicts(ideal(n=10))
    assert len(found) == 14
    assert set(found.values()) == {"supported"}
    assert EXPERIMENT.claims_about("smoke", NoOptions()) == []
    assert EXPERIMENT.claims_about("quick", NoOptions()) == []


@pytest.mark.parametrize(
    ("method", "change", "claim"),
    [
        ("member", {"per_mu": 0.4}, "one"),
        ("ensemble", {"single": 0.05}, "ensemble"),
        ("distilled", {"single": 0.05}, "student"),
        ("distilled", {"single": 0.2}, "student and teacher"),
        ("distilled", {"within": 0.8}, "most of the training"),
        ("self", {"per_mu": 0.3}, "self"),
        ("self", {"train": 1e-3}, "training error"),
        ("member", {"multi": 1e-3}, "multi-view error"),
        ("member", {"predicted": 0.46}, "closed form"),
        ("self", {"predicted": 0.35}, "closed form, self"),
        ("ensemble_2", {"missed": 0.35}, "views missed by 2"),
        ("ensemble_4", {"missed": 0.2}, "views missed by 4"),
        ("ensemble_8", {"missed": 0.1}, "views missed by 8"),
    ],
)
def test_claims_fall_where_the_theory_does(method, change, claim):
    table = ideal(n=10, **{method: change})
    last = table["seed"] == table["seed"].max()  # equal values would have no known spread
    for name, value in change.items():
        table.loc[last & (table["method"] == method), name] = value + 1e-6
    assert verdicts(table)[claim] == "refuted"


def test_the_literal_update_may_be_as_good():
    assert verdicts(ideal(n=10, literal=-0.28))["no gate"] == "refuted"


@pytest.mark.parametrize(("who", "claim"), [("ensemble", "ensemble"), ("distilled", "student")])
def test_some_lost_views_leave_theorems_2_and_3_open(who, claim):
    table = ideal(n=10)
    for seed in (2, 5, 7):
        table.loc[(table["seed"] == seed) & (table["method"] == who), "single"] = 1 / VIEWS
    assert verdicts(table)[claim] == "undecided"


def test_errors_are_shares_of_views_but_for_means_over_networks(smoke):
    counted = smoke[0].set_index("method")["single_of"]
    assert set(counted[["ensemble", "distilled", "gated", "literal"]]) == {8}  # 2 views of 4
    assert counted[["member", "self", "ensemble_1", "ensemble_2"]].isna().all()


def test_bands_of_the_theorems_are_drawn_where_they_are():
    axes = figure.draw(ideal()).axes
    bands = [axes[i].patches[0].get_extents().transformed(axes[i].transData.inverted())
             for i in (0, 2, 3)]  # fmt: skip
    drawn = [(band.y0, band.y1) for band in bands]
    for found, allowed in zip(drawn, [(0.48, 0.51), (0.0, 0.01), (0.20, 0.28)], strict=True):
        assert found == pytest.approx(allowed, abs=1e-6)
    lines = [np.asarray(each.get_ydata()) for each in axes[2].get_lines()[:4]]
    assert all(each[0] == 0.9 and each[-1] == 0 for each in lines)


def test_the_smoke_pictures_has_a_line_a_repetition(smoke):
    axes = figure.draw(pd.concat([smoke[0]])).axes
    assert len([each for each in axes[0].get_lines() if len(np.asarray(each.get_xdata())) > 2]) == 2


def test_presets_hold_one_setting_and_the_literal_update_at_twenty_classes():
    base, literal = CELLS
    assert base.setting.members >= 16
    assert base.setting.spec.num_classes >= 40
    assert base.methods["distilled"].number >= 4
    assert literal.setting.spec.num_classes == 20
    assert literal.setting.training.students.max_steps == 60
    assert theorems.PAPER.setting.spec.num_classes == 80
