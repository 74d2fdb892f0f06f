"""coverage_of_methods: claims that hold and fall as they should, names, settings."""

import math

import numpy as np
import pandas as pd
import pytest

from figures import coverage_of_methods as figure
from figures import style
from multiview.runs.claims import judge
from multiview.runs.experiment import NoOptions
from theory_experiments import _coverage_of_methods_claims as claims_of
from theory_experiments import coverage_of_methods as script
from theory_experiments._coverage_of_methods import METHODS, NETWORKS
from theory_experiments._coverage_of_methods_bench import MethodsCell

OF_THE_PAPER = {f"rocket: {how} shared, the paper (P2)" for how in ("half", "all")}


def ideal(changes: dict[str, float] | None = None, n: int = 4) -> pd.DataFrame:
    """A table in which all that is claimed is so, but for what is changed."""
    c = dict.fromkeys(METHODS, 0.55) | {
        **dict.fromkeys(("ensemble", "hinton", "squares", "paper", "self_fresh"), 0.97),
        **dict.fromkeys(
            ("self_continued", "rocket_kd", "rocket_ensemble", "dense_soft", "pruned_soft"), 0.95
        ),
        **dict.fromkeys(
            ("neuron", "neuron_masks", "neuron_distilled", "rocket", "rocket_late"), 0.8
        ),
        **dict.fromkeys(("patch", "patch_masks", "patch_distilled"), 1.0),
        **dict.fromkeys(("kernel_ensemble", "kernel_sum"), 0.9),
        "pruned": 0.5,
    }
    c |= changes or {}
    rows = []
    for seed in range(n):
        each = {f"{name}_coverage": value + 1e-4 * seed for name, value in c.items()}
        for name, value in c.items():
            each |= {f"{name}_law": 1 - value, f"{name}_single": 1 - value, f"{name}_multi": 0.0}
        each |= {"ensemble_predicted": 0.974, "rocket_predicted": 0.8, "rocket_kd_predicted": 0.95}
        each |= {"first_coverage": 0.55 + 1e-4 * seed, "dense_left": 0.99, "dense_soft_left": 0.97}
        each |= {"pruned_left": 0.1, "pruned_soft_left": 0.2}
        rows.append(each | {"seed": seed, "status": "ok"})
    return pd.DataFrame(rows)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    return {each.name: judge(each, table).verdict for each in script.claims("laptop", NoOptions())}


def test_claims_hold_where_the_theory_does_but_for_the_papers_of_sharing():
    found = verdicts(ideal())
    against = {name for name, verdict in found.items() if verdict != "supported"}
    assert against == OF_THE_PAPER
    assert {found[name] for name in against} == {"refuted"}
    helped = verdicts(ideal({"rocket_half": 0.9, "rocket_shared": 0.9}))
    assert {helped[name] for name in OF_THE_PAPER} == {"supported"}
    for name in OF_THE_PAPER:
        assert helped[name.replace("the paper", "the theory")] == "refuted"
    assert script.claims("smoke", NoOptions()) == []


def test_claims_fall_where_the_theory_does():
    for name, value, claim in (
        ("one", 0.75, "one: a lottery"),
        ("ensemble", 0.8, "ensemble: all lotteries"),
        ("summed", 0.9, "summed: one lottery"),
        ("patch", 0.7, "patch: all views"),
        ("rocket", 0.7, "rocket: two lotteries (P1)"),
        ("rocket_kd", 0.8, "rocket: three lotteries (P1)"),
    ):
        assert verdicts(ideal({name: value}))[claim] == "refuted"
    high, low = 0.99, 0.05
    for name, *_, (least, _), who, _ in claims_of.DIFFERENCES:
        value = low if least > -math.inf else high
        assert verdicts(ideal({who: value}))[name] == "refuted", name
    assert verdicts(ideal({"kernel_sum": 1.0}))["kernels: sum"] == "supported"  # or more
    start = ideal().assign(first_coverage=0.9)  # the net of its own start, not another
    assert verdicts(start)["neuron: more than without"] == "refuted"


def test_laws_of_the_errors_and_shares_of_neurons_can_fail():
    table = ideal()
    table["dense_single"] = table["dense_law"] + 0.3
    assert verdicts(table)["law: largest gap"] == "refuted"
    assert verdicts(table)["law: an upper end"] == "refuted"
    table["dense_single"] = table["dense_law"] - 0.3
    found = verdicts(table)
    assert (found["law: largest gap"], found["law: an upper end"]) == ("refuted", "supported")
    table["summed_multi"] = 0.1
    table["dense_left"], table["pruned_soft_left"] = 0.85, 0.55
    found = verdicts(table)
    for name in ("multi-view error", "dense: left", "pruned_soft: left"):
        assert found[name] == "refuted", name
    assert found["pruned: left"] == found["dense_soft: left"] == "supported"


def test_every_method_is_claimed_of_and_says_its_tolerance():
    claimed = {name for line in claims_of.DIFFERENCES for name in line[-2:]} - {"first"}
    elsewhere = {"one", "ensemble", "summed", "patch", "rocket_kd"}
    only_measured = {"patch_masks", "rocket_booster", "rocket_boosters"}
    assert claimed | elsewhere | only_measured == set(METHODS)
    for claim in script.claims("laptop", NoOptions()):
        ends = [abs(end) for end in claim.predicted if math.isfinite(end)]
        tolerance = claims_of.TOLERANCES.get(claim.predicted)
        assert tolerance is None or claim.statement.endswith(tolerance), claim.name
        assert tolerance is None or f"{ends[0]:g}" in tolerance
    ends = {claims_of.MORE[0], claims_of.NO_MORE[1], -claims_of.LESS[1]}
    assert claims_of.MORE[0] > claims_of.NO_MORE[1]  # no value is both
    assert not any(math.isclose(20 * end, round(20 * end)) for end in ends)


def test_a_correlation_of_equal_values_is_none():
    table = ideal(n=2)
    for name in NETWORKS:
        table[f"{name}_coverage"] = 0.5
    assert np.isnan(claims_of.correlation(NETWORKS)(table)).all()


def test_a_correlation_is_that_of_c_and_the_error():
    found = claims_of.correlation(NETWORKS)(ideal(n=2))
    np.testing.assert_allclose(found, -1)  # the ideal error is 1 - c


def test_picture_and_summary_call_every_method_the_same():
    drawn = {who: says for *_, methods in figure.GROUPS.values() for who, says in methods.items()}
    assert drawn == {name: method.says for name, method in METHODS.items()}
    assert list(drawn) == list(METHODS)
    groups = {who: group for group, (*_, methods) in figure.GROUPS.items() for who in methods}
    assert groups == {name: method.group for name, method in METHODS.items()}
    assert {group: title for group, (title, *_) in figure.GROUPS.items()} == script.TITLES
    assert list(script.TITLES) == list(figure.GROUPS)
    colours = [colour for _, colour, _ in figure.GROUPS.values()]
    assert len(set(colours)) == len(colours)
    assert set(colours) <= set(style.COLOURS.values()) - {style.COLOURS["self"]}


def test_a_neuron_is_pushed_alike_on_a_laptop_and_in_the_paper_preset():
    for name in ("light_penalty", "strong_penalty"):
        push = [
            getattr(cell, name) * cell.spec.patch_dim / cell.num_train
            for cell in (script.LAPTOP, script.PAPER)
        ]
        assert push[0] == pytest.approx(push[1])


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="members=1"):
        MethodsCell(members=1)
    with pytest.raises(ValueError, match=r"light_penalty=0\.5"):
        MethodsCell(light_penalty=0.5, strong_penalty=0.2)
