"""Claims about students on synthetic patches: what supports them, and what refutes them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tidy_tables import table_of

from multiview import stream
from multiview.runs.claims import Claim, judge
from theory_experiments.views import patch_students as view
from theory_experiments.views.patch_students import KD_LOSSES, SIZES, TEMPERATURES, method
from theory_experiments.views.patch_students_claims import claims
from theory_experiments.views.units import MARGIN

CELL = view.LAPTOP
CLASSES, ROUNDS = 20, 3
# c where the theory holds.
TEACHERS = dict(zip(SIZES, (0.5, 0.75, 0.875, 0.97, 1.0), strict=True))
BY_TEMPERATURE = dict(zip(TEMPERATURES, (0.5, 0.85, 0.95), strict=True))
OTHERS: dict[str, dict[str, Any]] = {
    "omitted_hinton": {"shifted": 0.02, "coverage": 0.95, "single": 0.02, "answered": 0.9},
    "others_hinton": {"shifted": 0.01, "coverage": 0.94, "answered": 0.93},
    "omitted_labels": {"single": 0.2, "answered": 0.0},
}
CLAIMS = list(claims(CELL))
AXES = view.axes(SIZES, TEMPERATURES, ROUNDS, 4)


def as_predicted() -> dict[str, dict[str, Any]]:
    """Each method's measures as the theory has them."""
    row: dict[str, dict[str, Any]] = {name: {"coverage": 0.5} for name in CELL.methods}
    row |= {who: dict(measures) for who, measures in OTHERS.items()}
    for size, c in TEACHERS.items():
        row[f"ensemble_{size}"] = {"coverage": c}
        for loss in KD_LOSSES:
            row[method(loss, size)] = {"coverage": 1 - (1 - c) / 2}
    for T, c in BY_TEMPERATURE.items():
        if T != view.T:
            row[method("hinton", SIZES[-1], T)]["coverage"] = c
    for loss in KD_LOSSES:
        for r in range(ROUNDS + 1):
            row[f"{loss}_round_{r}"] = {"coverage": 1 - 0.5 ** (r + 1)}
    row[f"squares_of_{SIZES[-1]}"]["coverage"] = 0.99
    row[f"squares_centred_of_{SIZES[-1]}"]["coverage"] = 0.99
    row["few_hinton"]["coverage"], row["few_labels"]["coverage"] = 0.99, 0.2
    # One teacher and the students' start share a quarter of the views.
    own = np.tile([True, False], (CLASSES, 1))
    first = np.where(np.arange(CLASSES)[:, None] < CLASSES // 2, own, ~own)
    row["own_start"]["covered"] = own
    for size in SIZES:
        row[f"ensemble_{size}"]["covered"] = first if size == 1 else np.ones_like(own)
    for name in ("member", "labels", method("hinton", 1), method("paper", 1)):
        row[name]["dominant_view"] = np.zeros((2, CLASSES) if name == "member" else CLASSES)
    return row


def tabled(rows: list[dict[str, dict[str, Any]]]) -> pd.DataFrame:
    """Lines of these repetitions, with small differences between them."""
    computed = []
    for seed, row in enumerate(rows):
        draws = np.random.default_rng(seed)
        found = {}
        for name, measures in row.items():
            shares = {
                measure: min(max(value + 1e-3 * draws.uniform(-1, 1), 0.0), 1.0)
                for measure, value in measures.items()
                if isinstance(value, float)
            }
            found[name] = measures | shares | dict(AXES.get(name, {}))
        computed.append((replace(CELL, seed=seed), found))
    return view.derived(table_of(*computed))


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
    assert sum("K=" in name for name in refuted) == 2 * len(SIZES)
    assert sum("round" in name for name in refuted) == 4
    assert "synthetic: left out, soft minus hard" in refuted


def fair_lotteries(seeds: int) -> pd.DataFrame:
    """Rows in which each network draws one of two views of each class, and nothing else varies."""
    rows = []
    for seed in range(seeds):
        row = as_predicted()
        won = torch.randint(2, (40, CLASSES), generator=stream(seed, "lottery"))
        views = torch.nn.functional.one_hot(won, 2).bool()  # (networks, k, L)
        row["own_start"]["covered"] = views[-1].numpy()
        for size in SIZES:
            teacher = views[:size].any(0)
            row[f"ensemble_{size}"] = {
                "coverage": float(teacher.double().mean()),
                "covered": teacher.numpy(),
            }
            for loss in KD_LOSSES:
                row[method(loss, size)]["coverage"] = float((teacher | views[-1]).double().mean())
        row["few_hinton"]["coverage"] = row[f"ensemble_{SIZES[-1]}"]["coverage"]
        for r in range(ROUNDS + 1):
            c = float(views[: r + 1].any(0).double().mean())
            for loss in KD_LOSSES:
                row[f"{loss}_round_{r}"]["coverage"] = c
        row["self_same_start"]["coverage"] = row["hinton_round_0"]["coverage"]
        row["member"]["dominant_view"] = won[:10].numpy()
        for name in ("labels", "hinton_of_1_T16", "paper_of_1"):
            row[name]["dominant_view"] = won[-1].numpy()
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
    assert counted["few_hinton"] == counted["ensemble_10"] == counted["paper_of_3"] == 2 * CLASSES
    for name in ("member", "omitted_hinton", "others_hinton"):
        assert math.isnan(counted[name])


def test_whose_views_are_whose_is_read_off_the_views_themselves():
    table: Any = fair_lotteries(1).set_index("method")
    views = [np.asarray(table["covered"][name]) for name in ("ensemble_3", "own_start")]
    assert table["union"]["hinton_of_3_T16"] == (views[0] | views[1]).mean()
    assert table["same_view_as_labels"]["paper_of_1"] == 1
    won = np.asarray(table["dominant_view"]["member"])
    taught = np.asarray(table["dominant_view"]["hinton_of_1_T16"])
    assert table["same_view_as_teacher"]["hinton_of_1_T16"] == (won[0] == taught).mean()
    pairs = [(won[i] == won[j]).mean() for i in range(10) for j in range(i)]
    assert table["same_view"]["member"] == pytest.approx(np.mean(pairs))
    assert math.isnan(table["same_view"]["labels"])
