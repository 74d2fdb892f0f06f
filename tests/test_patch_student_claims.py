"""Claims about students on synthetic patches: what supports them, and what refutes them."""

import pandas as pd
import pytest
import torch

from multiview import stream
from multiview.runs.claims import judge
from theory_experiments import _patch_student_claims as claims_of
from theory_experiments import _patch_students as script
from theory_experiments._estimates import claims_from


def as_predicted(seeds: int = 5) -> pd.DataFrame:
    """Rows of the laptop preset as the theory has them."""
    cell, rows = script.LAPTOP, []
    for seed in range(seeds):
        c = [0.5, 0.75, 0.875, 0.97, 1.0]
        taught = [1 - (1 - each) / 2 for each in c]
        row = {"seed": seed, "status": "ok", "part": cell.part}
        row |= {"predicted": taught, "union": taught, "teacher_coverage": c}
        row |= {f"{lesson}_coverage": taught for lesson in claims_of.LESSONS}
        row |= {
            f"again_{lesson}_coverage": [0.5, 0.75, 0.875, 0.9375] for lesson in claims_of.LESSONS
        }
        row |= {"one_coverage": 0.5, "itself_coverage": 0.5}
        row |= {"labels_coverage": 0.5, "heat_coverage": [0.5, 0.8, 0.95]}
        row |= {"l2_coverage": 0.95, "l2_centred_coverage": 0.95}
        row |= {"scarce_soft_coverage": 0.95, "scarce_hard_coverage": 0.2}
        row |= {"omitted_soft_shifted": 0.02, "omitted_soft_shifted_others": 0.01}
        row |= {"omitted_soft_coverage": 0.95, "omitted_soft_coverage_others": 0.9}
        row |= {"omitted_soft_single": 0.02, "omitted_hard_single": 0.2}
        row |= {"omitted_soft_heard": 0.9, "omitted_soft_heard_others": 0.95}
        rows.append(row | {"omitted_hard_heard": 0.0})
    other = dict.fromkeys(rows[0]) | {"seed": 0, "status": "ok", "part": "mnist"}
    return pd.DataFrame([*rows, other])  # a row of another part is not looked at


def test_the_claims_are_supported_by_what_they_predict_and_by_nothing_else():
    claims, table = claims_from(claims_of.patch_students_claims(script.LAPTOP)), as_predicted()
    assert {judge(claim, table).verdict for claim in claims} == {"supported"}
    assert len({claim.name for claim in claims}) == len(claims)
    same = 0.5  # everybody covers half, whatever was taught
    flat = {
        name: table[name].map(lambda v: [same] * len(v) if isinstance(v, list) else same)
        for name in table
        if name.endswith(("_coverage", "_heard", "_others", "_single"))
    }
    verdicts = {claim.name: judge(claim, table.assign(**flat)).verdict for claim in claims}
    refuted = [name for name, verdict in verdicts.items() if verdict == "refuted"]
    assert {"synthetic: T=16", "synthetic: few, hard", "synthetic: left out, soft"} < {*refuted}
    assert sum("K=" in name for name in refuted) == 2 * len(script.LAPTOP.sizes)
    assert sum("round" in name for name in refuted) == 4
    assert "synthetic: left out, soft minus hard" in refuted


def fair_lotteries(seeds: int) -> pd.DataFrame:
    """Rows in which each network draws one of two views of each class, and nothing else varies."""
    table, drawn = as_predicted(seeds), []
    classes, rounds = script.LAPTOP.spec.num_classes, script.LAPTOP.rounds
    for seed in range(seeds):
        won = torch.randint(2, (40, classes), generator=stream(seed, "lottery"))
        views = torch.nn.functional.one_hot(won, 2)  # (networks, k, L)
        c = [float(views[: n + 1].amax(0).double().mean()) for n in range(40)]
        teachers, student = [views[:size].amax(0) for size in script.LAPTOP.sizes], views[-1]
        taught = [float((each | student).double().mean()) for each in teachers]
        law = [1 - (1 - float(each.double().mean())) / 2 for each in teachers]
        row = {"predicted": law, "union": taught}
        for lesson in claims_of.LESSONS:
            row |= {f"{lesson}_coverage": taught, f"again_{lesson}_coverage": c[: rounds + 1]}
        drawn.append(row)
    others = dict.fromkeys(drawn[0])  # of the row of another part
    return table.drop(columns=list(others)).join(pd.DataFrame([*drawn, others]))


@pytest.mark.parametrize(("seeds", "verdicts"), [(40, {"supported"}), (5, None)])
def test_a_true_theory_is_supported_by_many_lotteries_and_not_refuted_by_few(seeds, verdicts):
    table = fair_lotteries(seeds)
    claims = claims_from(claims_of.patch_students_claims(script.LAPTOP))
    found = {claim.name: judge(claim, table).verdict for claim in claims}
    assert {*found.values()} <= (verdicts or {"supported", "inconclusive"}), found


def test_few_say_how_few_and_sources_which_prediction():
    claims = claims_from(claims_of.patch_students_claims(script.LAPTOP))
    (few, *_) = [claim for claim in claims if claim.name == "synthetic: few, soft"]
    assert "4 of about 40 samples a class (10%; Hinton et al.: 3%)" in few.statement
    assert few.source.startswith("P3 (derived")
    assert {claim.source[:3] for claim in claims} == {"P1 ", "P1'", "P2 ", "P3 ", "P4 ", "our"}
