"""classes_needed.py: its cells, closed forms, claims on made-up tables, table and figure."""

from dataclasses import replace

import numpy as np
import pytest
from tidy_tables import table_of, verdicts_of

from figures import classes_needed as figure
from multiview.runs.experiment import NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import stored_runs
from multiview.theory import student_coverage
from theory_experiments import classes_needed

EXPERIMENT = find("classes_needed")
CELLS = EXPERIMENT.presets["laptop"].of(NoOptions())


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The derived table of the smoke preset, and where it is stored."""
    out = tmp_path_factory.mktemp("smoke")
    assert run_script(EXPERIMENT, ["--preset", "smoke", "--out", str(out)]) == 0
    (run,) = stored_runs(out)
    return EXPERIMENT.derive(run.table()), out


def test_the_smoke_preset_runs_and_is_drawn(smoke):
    assert (smoke[1] / "classes_needed" / "classes_needed-smoke.png").stat().st_size
    assert set(smoke[0]["x"].round(3)) == {0.32, 0.384}


def test_the_sweep_is_over_classes_powers_and_strengths():
    sweep = [each.setting for each in CELLS if each.part == "sweep"]
    places = {(s.spec.num_classes, s.q, s.spec.other_strength) for s in sweep}
    assert len(sweep) == len(places) == 3 * 2 * 3
    for one, other in classes_needed.PAIRS:
        assert {(k, q, z) for k, q, z in (one, other)} <= places
    assert {s.num_train / s.spec.num_classes for s in sweep} == {40}
    assert {each.part for each in CELLS} == {
        *("sweep", "for long", "longer", "old, weak", "old, strong")
    }


def test_the_threshold_is_that_of_the_two_rates():
    assert classes_needed.threshold(31.25, 3, 0.4, 1.0) == pytest.approx(1)
    assert classes_needed.threshold(10, 4, 0.35, 1.1) == pytest.approx(0.0512, abs=1e-3)


def share_of(x, strays):
    """What the prediction says of the share of the predicted gain."""
    return 1.0 if x >= 0.9 or not strays else 0.1 if x < 0.1 else 0.5


def made_up(law=share_of, n=10):
    """The laptop preset's derived table where students gain the share that a law says."""
    results = []
    for seed in range(n):
        small = 1e-3 * (seed - (n - 1) / 2)
        for i, cell in enumerate(CELLS):
            own = cell.setting
            z_o, z_y = (
                classes_needed.middle(v) for v in (own.spec.other_strength, own.spec.label_strength)
            )
            x = classes_needed.threshold(own.spec.num_classes, own.q, z_o, z_y)
            c = {"member": 0.5, "ensemble": 0.98}
            for who, teacher in classes_needed.STUDENTS.items():
                if who in cell.methods:
                    most = student_coverage(c[teacher], c["member"])
                    strays = who in ("distilled", "self")
                    found = law(x, strays)
                    c[who] = 0.5 + (found + (1 + i % 7 + strays) * small) * (most - 0.5)
            results.append((replace(cell, seed=seed), {m: {"coverage": v} for m, v in c.items()}))
    return EXPERIMENT.derived(table_of(*results))


def verdicts(table):
    return verdicts_of(EXPERIMENT.claims_about("laptop", NoOptions()), table)


def test_claims_hold_where_x_decides():
    found = verdicts(made_up())
    assert set(found.values()) == {"supported"}
    assert len(found) == 12


@pytest.mark.parametrize(
    ("law", "refuted"),
    [
        (lambda x, strays: 1.0, {"below the threshold", "strays cost"}),
        (lambda x, strays: 0.1, {"above the threshold", "without strays", "strays cost"}),
        (
            lambda x, strays: share_of(x, True),
            {"without strays", "strays cost", "strays, not time"},
        ),
        (lambda x, strays: float(x > 0.29), {"one curve, 3"}),
    ],
)
def test_claims_fall_where_it_does_not(law, refuted):
    table = made_up(law)
    last = table["seed"] == table["seed"].max()  # equal values would have no known spread
    table.loc[last, "share"] += 1e-6 * table["x"]
    found = verdicts(table)
    assert {name for name in refuted if found[name] == "refuted"} == refuted


def test_the_table_says_where_classes_are_too_few():
    table = made_up(n=2)
    (listing,) = EXPERIMENT.tables(table)
    said = {line.label[1:4]: line.label[4] for line in listing.lines}
    assert said["10", "3", "0.4"] == "0.32, below 1"
    assert said["40", "3", "0.4"] == "1.3"
    assert sum("below 1" not in each for each in said.values()) == 1


def test_shares_are_drawn_at_x_with_and_without_strays():
    table = made_up(n=2)
    left, _ = figure.draw(table).axes
    points = [np.asarray(line.get_xydata()) for line in left.get_lines()]
    drawn = {
        (round(float(each[0, 0]), 4), round(float(each[0, 1]), 2))
        for each in points
        if len(each) == 1
    }
    assert {(0.32, 0.5), (0.32, 1.0), (1.28, 1.0)} <= drawn
