"""Claims about students on synthetic patches: what supports them, and what refutes them."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from multiview import stream
from multiview.runs.claims import Claim, judge
from theory_experiments import _patch_students as script
from theory_experiments._patch_student_claims import patch_students_claims
from theory_experiments._patch_student_nets import LESSONS, students_of
from theory_experiments._patch_student_rows import axes_of
from theory_experiments.distillation import derived
from theory_experiments.views.units import MARGIN

CELL = script.LAPTOP
SPECS = [student for group in students_of(CELL).values() for student in group]
AXES = axes_of(CELL, SPECS)
# c where the theory holds, and what is predicted of it.
TEACHERS = dict(zip(CELL.sizes, (0.5, 0.75, 0.875, 0.97, 1.0), strict=True))
HEAT = dict(zip(CELL.temperatures, (0.5, 0.85, 0.95), strict=True))
OTHERS: dict[str, dict[str, float]] = {
    "omitted_hinton": {"shifted": 0.02, "coverage": 0.95, "single": 0.02, "answered": 0.9},
    "others_hinton": {"shifted": 0.01, "coverage": 0.94, "answered": 0.93},
    "omitted_labels": {"single": 0.2, "answered": 0.0},
}
CLAIMS = list(patch_students_claims(CELL))


def as_predicted() -> dict[str, dict[str, float]]:
    """Each method's measures as the theory has them."""
    row = {method: {"coverage": 0.5} for method in AXES}
    row |= {who: dict(measures) for who, measures in OTHERS.items()}
    for size, c in TEACHERS.items():
        taught = 1 - (1 - c) / 2
        row[f"ensemble_{size}"] = {"coverage": c}
        for method in (f"hinton_of_{size}_T{CELL.temperature:g}", f"paper_of_{size}"):
            row[method] = {"coverage": taught, "predicted": taught, "union": taught}
    for T, c in HEAT.items():
        if CELL.temperature != T:
            row[f"hinton_of_{CELL.members}_T{T:g}"]["coverage"] = c
    for lesson in LESSONS:
        for r in range(CELL.rounds + 1):
            c = 1 - 0.5 ** (r + 1)
            row[f"{lesson}_round_{r}"] = {"coverage": c, "predicted": c}
    row[f"squares_of_{CELL.members}"]["coverage"] = 0.95
    row[f"squares_centred_of_{CELL.members}"]["coverage"] = 0.95
    row["few_hinton"]["coverage"], row["few_labels"]["coverage"] = 0.99, 0.2
    return row


def tabled(rows: list[dict[str, dict[str, float]]]) -> pd.DataFrame:
    """Lines of these repetitions, with small differences between them, and one of another part."""
    cell = {"part": CELL.part, "spec.num_classes": 10, "spec.num_views": 2, "status": "ok"}
    lines = [{"part": "mnist", "method": "labels", "seed": 0, "status": "ok"}]
    for seed, row in enumerate(rows):
        draws = np.random.default_rng(seed)
        for method, measures in row.items():
            shares = {name: c + 1e-3 * draws.uniform(-1, 1) for name, c in measures.items()}
            shares = {name: min(max(value, 0.0), 1.0) for name, value in shares.items()}
            own = {"method": method, "seed": seed, **AXES.get(method, {}), **shares}
            lines.append(cell | own)
    return derived(pd.DataFrame(lines))


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    return {claim.name: judge(claim, table).verdict for claim in CLAIMS}


def test_the_claims_are_supported_by_what_they_predict_and_by_nothing_else():
    found = verdicts(tabled([as_predicted() for _ in range(40)]))
    assert {*found.values()} == {"supported"}, found
    assert len(found) == len(CLAIMS)
    flat = as_predicted()  # everybody covers half, whatever was taught
    for measures in flat.values():
        measures |= {
            name: 0.5 for name in measures if name in ("coverage", "single", "answered", "shifted")
        }
    found = verdicts(tabled([flat] * 40))
    refuted = [name for name, verdict in found.items() if verdict == "refuted"]
    assert {"synthetic: T=16", "synthetic: few, hard", "synthetic: left out, soft"} < {*refuted}
    assert sum("K=" in name for name in refuted) == 2 * len(CELL.sizes)
    assert sum("round" in name for name in refuted) == 4
    assert "synthetic: left out, soft minus hard" in refuted


def fair_lotteries(seeds: int) -> pd.DataFrame:
    """Rows in which each network draws one of two views of each class, and nothing else varies."""
    rows, classes = [], CELL.spec.num_classes
    for seed in range(seeds):
        row = as_predicted()
        won = torch.randint(2, (40, classes), generator=stream(seed, "lottery"))
        views = torch.nn.functional.one_hot(won, 2)  # (networks, k, L)
        student = views[-1]
        for size in CELL.sizes:
            teacher = views[:size].amax(0)
            taught = float((teacher | student).double().mean())
            law = 1 - (1 - float(teacher.double().mean())) / 2
            drawn = {"coverage": taught, "predicted": law, "union": taught}
            for method in (f"hinton_of_{size}_T{CELL.temperature:g}", f"paper_of_{size}"):
                row[method] |= drawn
        for r in range(CELL.rounds + 1):
            c = float(views[: r + 1].amax(0).double().mean())
            for lesson in LESSONS:
                row[f"{lesson}_round_{r}"]["coverage"] = c
        rows.append(row)
    return tabled(rows)


@pytest.mark.parametrize(("seeds", "verdict"), [(40, {"supported"}), (5, None)])
def test_a_true_theory_is_supported_by_many_lotteries_and_not_refuted_by_few(seeds, verdict):
    found = verdicts(fair_lotteries(seeds))
    assert {*found.values()} <= (verdict or {"supported", "undecided"}), found


def test_few_say_how_few_and_sources_which_prediction():
    (few, *_) = [claim for claim in CLAIMS if claim.name == "synthetic: few, soft"]
    assert "4 of about 40 samples a class (10%; Hinton et al.: 3%)" in few.statement
    assert few.source.startswith("P3 (derived")
    assert {claim.source[:3] for claim in CLAIMS} == {"P1 ", "P1'", "P2 ", "P3 ", "P4 ", "our"}


def test_one_margin_says_what_counts():
    def says_its_margin(claim: Claim) -> bool:
        ends = {abs(end) for end in claim.predicted if math.isfinite(end)}
        return ends == {MARGIN} and str(MARGIN) in claim.statement

    assert all(map(says_its_margin, CLAIMS))


def test_views_are_counted_of_single_networks_alone():
    table = tabled([as_predicted()])
    counted = dict(zip(table["method"], table["coverage_of"], strict=True))
    assert counted["few_hinton"] == counted["ensemble_10"] == counted["paper_of_3"] == 20
    for method in ("member", "omitted_hinton", "others_hinton"):
        assert math.isnan(counted[method])
