"""finite_size.py: its axes, regimes and estimates."""

import numpy as np
import pandas as pd
import pytest

from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.theory import lost_error
from theory_experiments import finite_size
from theory_experiments._finite_size import measure, regime
from theory_experiments._finite_size_claims import at, at_no_start, cost_of_a_small_start, slope


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    assert run_script(find("finite_size"), ["--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "finite_size" / "finite_size-smoke.png").stat().st_size


def test_every_cell_differs_from_the_base_on_its_axis_alone():
    cells = find("finite_size").cells("laptop", None, seeds=1)
    base = cells[0]
    changed = {
        "start": {"sigma_init"},
        "q": {"q"},
        "single_samples": {"spec"},
        "noise": {"spec"},
        "width": {"width"},
        "phase": {"sigma_init", "relu_knee"},
        "views": {"spec", "members"},
    }
    for cell in cells[1:]:
        differing = {
            name for name in vars(cell) if name != "axis" and vars(cell)[name] != vars(base)[name]
        }
        assert differing <= changed.get(cell.axis, set(vars(cell))), cell.axis
    assert {cell.axis for cell in cells} == {*changed, "base", "classes", "extrapolation"}
    assert max(cell.spec.num_classes for cell in cells) >= 100
    assert len(set(cells)) == len(cells)  # frozen, so hashable: none is computed twice


def test_a_row_holds_together():
    cell = find("finite_size").cells("smoke", None, seeds=1)[0]
    row = measure(cell, Context())
    assert row["by_size_single"][0] == pytest.approx(row["one_single"])
    assert row["predicted_by_size"][0] == pytest.approx(row["predicted_one"])
    assert row["relative_start"] == pytest.approx(cell.sigma_init / cell.relu_knee)
    assert row["noise_norm"] == pytest.approx(1.0)
    assert row["predicted_one"] == pytest.approx(
        (1 - row["coverage"]) * lost_error(cell.spec, 2 * row["coverage"])
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"train_error": 0.1, "none_learned": 0.0, "all_learned": 0.0}, "not trained"),
        ({"train_error": 0.0, "none_learned": 0.5, "all_learned": 0.0}, "by heart"),
        ({"train_error": 0.0, "none_learned": 0.0, "all_learned": 0.1}, "one view learned"),
        ({"train_error": 0.0, "none_learned": 0.1, "all_learned": 0.6}, "more views learned"),
    ],
)
def test_regimes(row, expected):
    assert regime(row) == expected


def rows(axis, column, values, of, seeds=(0, 1)):
    return pd.DataFrame(
        [
            {"seed": seed, "axis": axis, column: value, "one_single": of(value, seed)}
            for seed in seeds
            for value in values
        ]
    )


def test_slopes_are_per_doubling_and_by_repetition():
    table = rows("width", "width", (5, 10, 20), lambda m, seed: 0.1 * seed * np.log2(m))
    assert slope("width", "width")(table) == pytest.approx([0.0, 0.1])


def test_the_extrapolation_is_the_intercept_of_the_small_starts():
    table = rows(
        "extrapolation",
        "relative_start",
        (0.04, 0.02, 0.01, 0.005),
        lambda s, seed: 0.5 + 0.01 * seed - 2 * s if s < 0.03 else 0.0,
    )
    assert at_no_start(table) == pytest.approx([0.5, 0.51])
    table["gradients"] = 1 / table["relative_start"]
    assert cost_of_a_small_start(table).tolist() == pytest.approx([8.0, 8.0])


def test_axes_through_the_base_take_its_cell_along():
    table = pd.concat(
        [
            rows("q", "q", (2.0, 3.0), lambda q, seed: q / 10),
            rows("base", "q", (4.0,), lambda q, seed: 0.9),
        ]
    )
    assert at("q", "q", 4.0, lambda r: r["one_single"])(table).tolist() == [0.9, 0.9]
    assert at("q", "q", 2.0, lambda r: r["one_single"])(table).tolist() == [0.2, 0.2]


def test_every_claim_is_an_estimate_of_a_laptop_table():
    cells = find("finite_size").cells("laptop", None, seeds=2)
    table = pd.DataFrame(
        [
            {
                "seed": c.seed,
                "axis": c.axis,
                "q": c.q,
                "width": c.width,
                "spec.mu": c.spec.mu,
                "spec.num_classes": c.spec.num_classes,
                "spec.num_views": c.spec.num_views,
                "relative_start": c.sigma_init / c.relu_knee,
                "one_single": 0.4,
                "theory_one": 0.5,
                "predicted_one": 0.4,
                "by_size_single": [0.4, 0.3, 0.2, 0.1],
                "predicted_by_size": [0.4, 0.3, 0.2, 0.1],
                "gradients": 10.0,
            }
            for c in cells
        ]
    )
    for claim in finite_size.claims("laptop", None):
        values = np.asarray(claim.estimate(table))
        assert len(values) == 2, claim.name
        assert np.isfinite(values).all(), claim.name
