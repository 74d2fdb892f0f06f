"""coverage_of_methods: claims that hold and fall as they should, names, settings."""

import math
from typing import Any

import pandas as pd
import pytest
from tidy_tables import Row, changed, repeated

from multiview.runs.claims import judge
from multiview.runs.experiment import NoOptions
from theory_experiments import coverage_of_methods as script

OF_THE_PAPER = {f"rocket: {how} shared, the paper (P2)" for how in ("half", "all")}
CLAIMS = script.EXPERIMENT.claims_about("laptop", NoOptions())


def ideal() -> Row:
    """A result in which all that is claimed is so."""
    c = dict.fromkeys(script.ENTRIES, 0.55) | {
        **dict.fromkeys(("ensemble", "hinton", "squares", "paper", "self_fresh"), 0.97),
        **dict.fromkeys(
            ("self_continued", "rocket_kd", "rocket_ensemble", "dense_soft", "pruned_soft"), 0.95
        ),
        **dict.fromkeys(
            ("neuron", "neuron_masks", "neuron_distilled", "rocket", "rocket_late"), 0.8
        ),
        **dict.fromkeys(("patch", "patch_masks", "patch_distilled"), 0.999),
        **dict.fromkeys(("kernel_ensemble", "kernel_summed"), 0.9),
        "pruned": 0.45,
    }
    row = {
        name: {"coverage": value, "law": 1 - value, "single": 1 - value, "multi": 0.0}
        for name, value in c.items()
    } | {"first": {"coverage": 0.55}}
    for name, share in (("dense", 0.99), ("dense_soft", 0.97), ("pruned", 0.1)):
        row[name]["share_open"] = share
    row["pruned_soft"]["share_open"] = 0.2
    return row


def table(changes: dict[str, float] | None = None, n: int = 30) -> pd.DataFrame:
    """Repetitions that differ a little; enough of them to decide every claim."""
    return script.derived(repeated({script.LAPTOP: changed(ideal(), changes or {})}, n))


def verdicts(changes: dict[str, float] | None = None) -> dict[str, str]:
    rows = table(changes)
    return {each.name: judge(each, rows).verdict for each in CLAIMS}


def test_claims_hold_where_the_theory_does_but_for_the_papers_of_sharing():
    found = verdicts()
    against = {name for name, verdict in found.items() if verdict != "supported"}
    assert against == OF_THE_PAPER
    assert {found[name] for name in against} == {"refuted"}
    helped = verdicts({"rocket_half.coverage": 0.9, "rocket_shared.coverage": 0.9})
    assert {helped[name] for name in OF_THE_PAPER} == {"supported"}
    for name in OF_THE_PAPER:
        assert helped[name.replace("the paper", "the theory")] == "refuted"
    assert script.EXPERIMENT.claims_about("smoke", NoOptions()) == []


@pytest.mark.parametrize(
    ("name", "value", "claim"),
    [
        ("member", 0.75, "one: a lottery"),
        ("ensemble", 0.8, "ensemble: all lotteries"),
        ("summed", 0.9, "summed: one lottery"),
        ("patch", 0.7, "patch: all views"),
        ("rocket", 0.7, "rocket: two lotteries (P1)"),
        ("rocket_kd", 0.8, "rocket: three lotteries (P1)"),
        ("first", 0.9, "neuron: more than without"),  # the net of its own start, not another
    ],
)
def test_claims_fall_where_the_theory_does(name, value, claim):
    assert verdicts({f"{name}.coverage": value})[claim] == "refuted"


def test_every_difference_can_be_refuted():
    high, low = 0.99, 0.05
    for name, _, who, (least, _), _ in script.COMPARED:
        value = low if least > -math.inf else high
        assert verdicts({f"{who}.coverage": value})[name] == "refuted", name
    assert verdicts({"kernel_summed.coverage": 0.999})["kernels: sum"] == "supported"  # or more


def test_laws_of_the_errors_and_shares_of_neurons_can_fail():
    law = ideal()["dense"]["law"]
    above = verdicts({"dense.single": law + 0.3})
    assert above["law: largest gap"] == above["law: an upper end"] == "refuted"
    below = verdicts({"dense.single": law - 0.3})
    assert (below["law: largest gap"], below["law: an upper end"]) == ("refuted", "supported")
    found = verdicts(
        {"summed.multi": 0.1, "dense.share_open": 0.85, "pruned_soft.share_open": 0.55}
    )
    for name in ("multi-view error", "dense: left", "pruned_soft: left"):
        assert found[name] == "refuted", name
    assert found["pruned: left"] == found["dense_soft: left"] == "supported"


def test_every_method_is_claimed_of_and_statements_are_sentences():
    claimed = {name for _, _, who, _, other in script.COMPARED for name in (who, other)}
    elsewhere = {"member", "ensemble", "summed", "patch", "rocket_kd"}
    only_measured = {"standardised", "patch_masks", "rocket_booster", "rocket_boosters"}
    assert (claimed - {"first"}) | elsewhere | only_measured == set(script.ENTRIES)
    assert claimed == set(script.PHRASES)
    for claim in CLAIMS:
        margin = script.WORDS.get(claim.predicted)
        assert margin is None or claim.statement.endswith(margin), claim.name
    assert {claim.name for claim in CLAIMS if claim.primary} == script.PRIMARY
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)


def test_a_correlation_of_equal_values_is_none():
    equal = table(n=2)
    equal["single"] = 0.5
    assert script.correlation(script.NETWORKS).of(equal).by_seed.isna().all()


def test_a_correlation_is_that_of_c_and_the_error():
    found = script.correlation(script.NETWORKS).of(table(n=2)).by_seed
    assert found.tolist() == pytest.approx([-1, -1], abs=1e-5)  # the ideal error is 1 - c


def test_a_neuron_is_penalised_alike_on_a_laptop_and_in_the_paper_preset():
    for name in ("dense", "pruned"):
        cells_and_methods: Any = [
            (cell, cell.methods[name]) for cell in (script.LAPTOP, script.PAPER)
        ]
        per_neuron = [
            method.penalty.strength * cell.setting.spec.patch_dim / cell.setting.num_train
            for cell, method in cells_and_methods
        ]
        assert per_neuron[0] == pytest.approx(per_neuron[1])
