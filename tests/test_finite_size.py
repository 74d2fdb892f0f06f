"""finite_size.py: its axes, regimes and claims."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidy_tables import table_of

from multiview.runs.claims import judge
from multiview.runs.estimates import measured, select
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import finite_size
from theory_experiments.views.regimes import regime
from theory_experiments.views.trends import at_zero, per_doubling

CELLS = list(find("finite_size").presets["laptop"].of(None))


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    where = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(find("finite_size"), where) == 0
    assert (tmp_path / "finite_size" / "finite_size-smoke.png").stat().st_size


def test_every_cell_differs_from_the_base_on_its_axis_alone():
    base, *others = CELLS
    changed = {
        "start": {"sigma_init"},
        "q": {"q"},
        "single_samples": {"spec"},
        "noise": {"spec"},
        "width": {"width"},
        "phase": {"sigma_init", "relu_knee"},
        "views": {"spec", "members"},
    }
    own = vars(base.setting)
    for cell in others:
        differing = {name for name, value in vars(cell.setting).items() if value != own[name]}
        assert differing <= changed.get(cell.part, set(own)), cell.part
    assert {cell.part for cell in others} == {*changed, "classes", "extrapolation"}
    assert max(cell.setting.spec.num_classes for cell in others) >= 100
    assert len({base, *others}) == 1 + len(others)  # none is computed twice


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({"train": 0.1, "none_learned": 0.0, "all_learned": 0.0}, "not trained"),
        ({"train": 0.0, "none_learned": 0.5, "all_learned": 0.0}, "memorised"),
        ({"train": 0.0, "none_learned": 0.0, "all_learned": 0.1}, "one view learned"),
        ({"train": 0.0, "none_learned": 0.1, "all_learned": 0.6}, "more views learned"),
    ],
)
def test_regimes(member, expected):
    assert regime(member) == expected


def lines(axis, column, values, of, seeds=(0, 1)):
    return pd.DataFrame(
        [
            {"seed": seed, "axis": axis, "method": "member", column: value, **of(value, seed)}
            for seed in seeds
            for value in values
        ]
    )


def test_slopes_are_per_doubling_and_by_repetition():
    table = lines(
        "width", "width", (5, 10, 20), lambda m, seed: {"single": 0.1 * seed * np.log2(m)}
    )
    found = per_doubling("single", "width", axis="width").of(table)
    assert found.by_seed.to_dict() == pytest.approx({0: 0.0, 1: 0.1})


def test_the_extrapolation_is_the_intercept_of_the_small_starts():
    table = lines(
        "extrapolation",
        "relative_start",
        (0.04, 0.02, 0.01, 0.005),
        lambda s, seed: {"single": 0.5 + 0.01 * seed - 2 * s if s < 0.03 else 0.0},
    )
    found = at_zero("single", "relative_start", 0.021, axis="extrapolation").of(table)
    assert found.by_seed.to_dict() == pytest.approx({0: 0.5, 1: 0.51})


def as_predicted(seeds: int = 3) -> pd.DataFrame:
    """The derived table of the laptop preset as the limit has it."""
    found = []
    for seed in range(seeds):
        drift = 0.001 * (seed - (seeds - 1) / 2)
        for cell in CELLS:
            own = cell.setting
            c = 1 / own.spec.num_views
            error = 1 - c + drift * np.log2(own.spec.num_classes * own.width) / 4
            error *= 0.04 if own.q == 2 else 0.2 if own.spec.mu == 0.1 else 1
            views = [0.0, 1.0] + [0.0] * (own.spec.num_views - 1)
            row = {"member": {"single": error, "coverage": c, "views": views, "train": 0.0}}
            row["member"]["steps"] = 10.0
            for size in range(1, own.members + 1):
                row[f"ensemble_{size}"] = {"single": error**size, "size": size}
            found.append((replace(cell, seed=seed), row))
    return finite_size.derived(table_of(*found))


def laptop_claims():
    """By name."""
    return {claim.name: claim for claim in finite_size.EXPERIMENT.claims(CELLS)}


def test_axes_through_the_base_hold_its_lines_once():
    table = as_predicted(2)
    for axis, value, others in (("q", 4.0, 3), ("width", 10, 3), ("single_samples", 0.01, 5)):
        column, _ = finite_size.AXES[axis]
        on_axis = select(table, axis=axis, method="member", seed=1)
        assert len(on_axis) == others + 1
        assert len(select(on_axis, **{column: value})) == 1
    assert set(select(table, axis="classes")["spec.num_classes"]) == {5, 10, 30, 100}


def test_closed_forms_follow_from_what_was_learned():
    table: Any = select(as_predicted(1), axis="views", **{"spec.num_views": 3}).set_index("method")
    predicted = table["predicted"]
    assert predicted["ensemble_2"] == pytest.approx(predicted["member"] * 2 / 3)
    assert table["theory"]["member"] == pytest.approx(predicted["member"])  # c is 1 / 3
    assert table["regime"]["member"] == "one view learned"
    assert table["gradients"]["member"] == 10


def test_cells_are_told_apart_by_what_their_settings_amount_to():
    table = as_predicted(1)
    start = select(table, axis="start", method="member")["relative_start"]
    assert sorted(start) == pytest.approx([0.005, 0.01, 0.02, 0.04, 0.08])
    norm = select(table, axis="noise", method="member")["noise_norm"]
    assert sorted(norm) == pytest.approx([0.1, 0.5, 1.0, 1.5, 2.0])


def test_only_averages_of_all_members_are_counted_in_views():
    views = select(as_predicted(1), axis="views", **{"spec.num_views": 3}).set_index("method")
    assert views["single_of"].to_dict()["ensemble_4"] == 30
    assert len(views["single_of"].dropna()) == 1


def test_claims_hold_where_the_limit_does():
    table = as_predicted()
    for name, claim in laptop_claims().items():
        values = claim.estimate.of(table).by_seed
        assert len(values) == 3, name
        assert np.isfinite(values).all(), name
        assert judge(claim, table).verdict != "refuted", name
    supported = judge(laptop_claims()["vanishing start"], table)
    assert supported.verdict == "supported"


def test_the_cost_is_of_the_smallest_start_over_the_largest():
    table = as_predicted(2)
    table["gradients"] = 1 / table["relative_start"]
    claim = laptop_claims()["cost of a small start"]
    assert claim.kind == "check"
    assert claim.estimate.of(table).by_seed.tolist() == pytest.approx([16.0, 16.0])
    assert judge(claim, table).verdict == "refuted"


def test_few_and_many_single_view_samples_are_compared():
    table = as_predicted(2)
    many = laptop_claims()["many single-view samples"].estimate.of(table).by_seed
    assert many.tolist() == pytest.approx([0.2, 0.2])
    q2 = laptop_claims()["no lottery at q = 2"].estimate.of(table).by_seed
    assert q2.to_dict() == measured("single", "member", q=2.0, axis="q").of(table).by_seed.to_dict()
