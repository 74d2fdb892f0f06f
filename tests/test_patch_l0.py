"""L0 gates on synthetic patches: what is trained, pruned and measured, and the claims."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from rich.console import Console

from figures import _l0_patches, style
from multiview import stream
from multiview.distill import hinton_kd
from multiview.ensemble import mean_logits
from multiview.models.groups import SideBySide
from multiview.probes import Coverage, coverage_of, coverage_probes
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.sparsity import L0Spec
from theory_experiments import _patch_l0 as script
from theory_experiments import _patch_l0_claims as claims_of
from theory_experiments import _patch_l0_nets as nets_of
from theory_experiments._estimates import claims_from
from theory_experiments._patch_nets import draw_features, draw_train, new_nets
from theory_experiments._patch_sgd import Alone

SMOKE = script.CELLS["smoke"]
# Large weights answer at once, so that networks of other settings differ.
CELL = replace(SMOKE, relu_knee=1.0, sigma_init=0.3, num_test=50)
LAPTOP = script.CELLS["laptop"]
SWEEPS = ("one", "all", "soft", "cool")
quiet = Context().progress


@pytest.fixture(scope="module")
def trained():
    """The cell's samples, its networks, what is left of them, and the progress reported."""
    features = draw_features(CELL)
    train = draw_train(CELL, features)
    done: list[float] = []
    nets = nets_of.train_nets(CELL, train, features, lambda _, fraction: done.append(fraction))
    return features, train, *nets, done


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    cells = (CELL, replace(CELL, seed=1))
    found = (vars(cell) | script.run_patch_l0(cell, Context()) for cell in cells)
    return pd.DataFrame(found).assign(status="ok")


def test_without_a_penalty_all_neurons_stay_and_under_a_huge_one_none(trained):
    features, train, dense, *_, done = trained
    assert done == sorted(done)
    assert done[0] < 0.05
    assert done[-1] == pytest.approx(1)
    start, spec = dense.member(0), L0Spec(strength=(0.0, 1000.0))
    left = nets_of.sparse_nets(CELL, train, [start, start], spec, quiet)
    assert left.neurons().tolist() == [CELL.width, 0]
    assert left.held(features, 0.1)[0] > left.held(features, 0.1)[1] == 0
    assert left.expected[0] > 0.8
    assert left.expected[1] < 0.06
    assert 0 <= left.gap < 1e-5
    logits = left(train.patches)
    assert logits.shape == (CELL.num_train, 2, CELL.spec.num_classes)
    assert logits[:, 0].abs().max() > 0.1
    assert (logits[:, 1] == 0).all()
    assert not torch.allclose(left.weights()[0], start.weight[0], atol=1e-2)  # it was trained


def test_neurons_and_views_are_counted_in_the_pruned_networks():
    features = torch.eye(4).view(2, 2, 4)
    first = torch.zeros(1, 2, 3, 4)
    first[0, 0, 0, 0], first[0, 0, 1, 1], first[0, 0, 2, 1] = 2.0, 0.4, 0.4  # one view, two weak
    first[0, 1, 0, 2] = first[0, 1, 0, 3] = 1.5  # one neuron for both views
    first[0, 1, 1, 0] = 9.0  # a view of the other class
    base = new_nets(CELL, "members", 1)
    nets = SideBySide([Alone(base.with_weight(first)), Alone(base.with_weight(0 * first))])
    left = nets_of.Left(net=nets, expected=torch.zeros(2), gap=0.0)
    assert left.neurons().tolist() == [2.5, 0]
    assert left.fewest().tolist() == [2, 0]
    assert left.held(features, 0.5).tolist() == [1.5, 0]
    assert left.held(features, 0.3).tolist() == [2, 0]


def test_every_training_has_the_start_strengths_and_lesson_of_its_name(monkeypatch, trained):
    features, train, dense, full, left, _ = trained
    briefs: list = []

    def record(cell, samples, starts, penalty, progress, **given):
        briefs.append((cell, samples, starts, penalty, given))
        return briefs[-1]

    monkeypatch.setattr(nets_of, "sparse_nets", record)
    found: Any = nets_of.train_nets(CELL, train, features, quiet)
    named = found[2]
    targets = [f"target {target:g}" for target in CELL.targets]
    names = [*SWEEPS, "more_mu", "more_samples", "from_start", "delayed", "fine", *targets]
    assert list(named) == list(left) == names
    weights = {name: [each.weight for each in brief[2]] for name, brief in named.items()}
    members = [dense.weight[[e]] for e in range(CELL.members)]
    firsts = [members[0]] * len(CELL.strengths)
    torch.testing.assert_close(weights["one"], firsts + members[1:])
    for name in (*SWEEPS[1:], "fine", *targets):
        assert all(torch.equal(start, full.weight) for start in weights[name])
    young = new_nets(CELL, "members", 1).weight
    for name in ("from_start", "delayed"):
        assert all(torch.equal(start, young) for start in weights[name])
        assert named[name][4]["optim"] == CELL.scratch
        penalty = named[name][3]  # lambda times the steps it acts for is as without a delay
        acts = [each * (1 - penalty.delay) for each in penalty.strength]
        assert acts == pytest.approx(CELL.scratch_strengths)
    assert (named["from_start"][3].delay, named["delayed"][3].delay) == (0, CELL.delay)
    assert named["one"][3].strength == (*CELL.strengths, CELL.kept)
    assert {named[name][3].strength for name in SWEEPS[1:]} == {CELL.strengths}
    assert named["fine"][3].strength == CELL.fine
    assert tuple(named[name][3].target for name in targets) == CELL.targets
    shape = (5, 3, CELL.spec.num_classes)
    logits, some = torch.randn(shape, generator=stream(0, "logits")), torch.arange(5)
    taught = full(train.patches[:5]).expand_as(logits)
    for name, temperature in (("soft", CELL.temperature), ("cool", 1.0)):
        loss = named[name][4]["loss"](logits, train.patches[:5], some)
        torch.testing.assert_close(loss, 3 * hinton_kd(logits, taught, temperature))
    assert "loss" not in named["all"][4]


def test_other_samples_are_more_at_as_many_steps_and_strengths_in_proportion():
    others = nets_of.variants(LAPTOP)
    mu, more = others["more_mu"], others["more_samples"]
    assert (mu.spec.mu, mu.num_train) == (0.32, 400)
    assert mu.other_strengths == LAPTOP.other_strengths
    assert (more.spec.mu, more.num_train) == (0.02, 1600)
    for name in ("optim", "prune"):
        spec = getattr(more, name)
        assert 1600 * spec.epochs == 400 * getattr(LAPTOP, name).epochs
    pressure = [each / 1600 for each in more.other_strengths]
    assert pressure == pytest.approx([each / 400 for each in LAPTOP.other_strengths])


def test_a_row_measures_the_networks_it_names(trained, rows):
    features, _, dense, full, left, _ = trained
    row = rows.iloc[0]
    assert rows["dense_margin"].nunique() == rows["full_margin"].nunique() == 2
    probes = coverage_probes(CELL.spec, features, stream(0, "probes"), CELL.probes_per_view)

    def margin(logits: torch.Tensor) -> list[float]:
        return coverage_of(logits, probes).margin.mean((-2, -1)).tolist()

    many = len(CELL.strengths)
    with torch.no_grad():
        by_name = {name: each(probes.patches) for name, each in left.items()}
        members = dense(probes.patches)
        (own,) = margin(full(probes.patches))
    for name, logits in by_name.items():
        if not name.startswith("target"):
            assert row[f"{name}_margin"] == pytest.approx(margin(logits)[:many], rel=1e-4)
            count = left[name].neurons().tolist()[:many]
            assert row[f"{name}_neurons"] == pytest.approx(count)
    assert row["target_margin"] == pytest.approx(margin(by_name["target 0.5"]), rel=1e-4)
    assert row["full_margin"] == pytest.approx(own, rel=1e-4)
    assert row["dense_margin"] == pytest.approx(margin(members)[0], rel=1e-4)
    mean, both = sum(margin(members)) / 2, margin(mean_logits(members))
    assert row["dense_ensemble_margin"] == pytest.approx([mean, both], rel=1e-4)
    kept = by_name["one"][:, [CELL.strengths.index(CELL.kept), many]]
    pair = [sum(margin(kept)) / 2, margin(mean_logits(kept))]
    assert row["pruned_ensemble_margin"] == pytest.approx(pair, rel=1e-4)
    c = row["pruned_ensemble_coverage"][0]
    assert row["predicted_ensemble"] == pytest.approx([c, 1 - (1 - c) ** 2])
    assert row["gap"] < 1e-5
    views = coverage_of(by_name["one"], probes).views_per_class[:many]
    assert row["one_both"] == (views == 2).double().mean(-1).tolist()
    assert row["one_none"] == (views == 0).double().mean(-1).tolist()
    more = tuple(2 * each for each in CELL.other_strengths)
    expected = script.critical(more, row["more_samples_coverage"], claims_of.LEVEL)
    assert row["more_samples_critical"] == pytest.approx(expected, nan_ok=True)
    assert row["one_fewest"] == left["one"].fewest().tolist()[:many]


def test_the_critical_strength_lies_between_two_by_their_logarithms():
    assert script.critical((1, 100), (1.0, 0.5), 0.75) == pytest.approx(10)
    assert script.critical((1, 2, 4), (0.9, 0.75, 0.9), 0.75) == pytest.approx(2)
    assert math.isnan(script.critical((1, 2, 4), (1.0, 0.9, 0.8), 0.75))
    assert math.isnan(script.critical((1, 2), (0.5, 0.9), 0.75))


def test_slow_classes_compare_starts_of_kept_and_lost_ones_in_mixed_networks():
    features = torch.eye(4).view(2, 2, 4)
    weight = torch.zeros(1, 2, 2, 4)
    weight[0, 0, 0, 1], weight[0, 1, 1, 2] = 3 * CELL.sigma_init, CELL.sigma_init
    start = new_nets(CELL, "members", 1).with_weight(weight)
    accuracy = torch.zeros(3, 2, 2)
    accuracy[0] = 1  # all kept: says nothing
    accuracy[1, 0, 1] = 1  # the first class kept, the second lost
    covered = Coverage(accuracy=accuracy, margin=accuracy)
    assert script.slow_classes(start, features, covered) == pytest.approx(2)
    same = Coverage(accuracy=accuracy[:1], margin=accuracy[:1])
    assert math.isnan(script.slow_classes(start, features, same))


def test_where_a_sequence_passes_a_level_others_are_read_off():
    assert claims_of.where_it_passes([0, 0.5, 0.1], 0.25, [2, 4, 9]) == pytest.approx(3)
    assert math.isnan(claims_of.where_it_passes([0.3, 0.5], 0.25, [2, 4]))
    assert math.isnan(claims_of.where_it_passes([0, 0.2], 0.25, [2, 4]))
    row = {"one_neurons": [2.0, 1.0, 0.0], "one_multi": [0.0, 0.5, 1.0]}
    assert math.isnan(claims_of.error_below_floor(row))


AS_PREDICTED = {
    **{"gap": 0.0, "width": 10, "dense_coverage": 0.6, "slow": 1.0},
    **{"one_coverage": [0.6, 0.6, 0.5, 0.3, 0.0], "one_neurons": [10, 2, 1.2, 0.7, 0]},
    **{"one_multi": [0, 0, 0.1, 0.3, 1.0], "one_fewest": [9, 1, 0, 0, 0], "targets": (0.5, 0.2)},
    **{"fine_neurons": [10, 9, 3], "target_neurons": [5, 1], "target_expected": [0.5, 0.2]},
    **{"all_coverage": [1, 1, 0.7, 0.5, 0.0], "all_held": [2, 2, 1.4, 1, 0]},
    **{"all_neurons": [10, 2, 1.4, 1, 0], "all_none": [0, 0, 0, 0, 1.0]},
    **{"all_single": [0, 0, 0.3, 0.5, 1], "all_multi": [0, 0, 0, 0, 1.0]},
    **{"soft_coverage": [1, 1, 1, 1, 1, 0.5], "all_critical": 0.1, "cool_critical": 5.0},
    **{"soft_critical": 5.0, "more_mu_critical": 1.6, "more_samples_critical": 0.4},
    **{"delayed_coverage": [0.6, 0.6], "delayed_multi": [0, 0], "delayed_neurons": [10, 2]},
    **{"from_start_coverage": [0.6, 0.1], "from_start_neurons": [9, 1]},
    **{"pruned_ensemble_coverage": [0.5, 0.75], "predicted_ensemble": [0.5, 0.75]},
}
OPPOSITE = {
    "pruned as gated": {"gap": 0.1},
    "flat": {"one_coverage": [0.6, 0.3, 0.3, 0.3, 0.0]},
    "until its floor": {"one_fewest": [9, 1, 1, 0, 0]},
    "collapse": {"one_multi": [0, 0, 0.3, 0.1, 1.0]},
    "cliff": {"fine_neurons": [10, 9, 8]},
    "target, expected": {"target_expected": [0.5, 0.4]},
    "target, left": {"target_neurons": [9, 2]},
    "held views": {"all_held": [2, 1, 1, 2, 1]},
    "neurons of both views": {"all_neurons": [10, 1.5, 1.4, 1, 0]},
    "one view first": {"all_none": [0, 0, 0.3, 0.5, 1]},
    "hidden": {"all_multi": [0, 0, 0.3, 0.5, 1]},
    "critical by mu": {"more_mu_critical": 0.1},
    "proportional to mu": {"more_mu_critical": 0.2},
    "the same lambda/N": {"more_samples_critical": 0.1},
    "soft targets keep": {"soft_coverage": [1, 1, 0.7, 0.5, 0]},
    "soft at 4": {"soft_critical": 0.1},
    "soft at 1": {"cool_critical": 0.1},
    "soft, by 1/mu": {"soft_critical": 0.4},
    "delayed": {"from_start_coverage": [0.6, 0.6]},
    "delayed, no class lost": {"delayed_multi": [0, 0.3]},
    "slow classes": {"slow": -1.0},
    "delayed, as many neurons": {"from_start_coverage": [0.6, 0.6]},
    "4 pruned networks": {"predicted_ensemble": [0.5, 0.9]},
}


def as_predicted(**changed) -> pd.DataFrame:
    """Rows as the theory has them, and one of another part, which is not looked at."""
    row = {"status": "ok", "part": "synthetic"} | AS_PREDICTED | changed
    other = dict.fromkeys(row) | {"seed": 0, "status": "ok", "part": "mnist"}
    return pd.DataFrame([*(row | {"seed": seed} for seed in range(5)), other])


def test_each_claim_is_supported_by_what_it_predicts_and_refuted_by_its_opposite():
    cell = replace(LAPTOP, strengths=(0.01, 0.1, 0.2, 0.4, 0.8))  # as many as in the lists above
    claims = claims_from(script.patch_l0_claims(cell))
    verdicts = {claim.name: judge(claim, as_predicted()).verdict for claim in claims}
    assert set(verdicts.values()) == {"supported"}, verdicts
    assert {name.removeprefix("synthetic: ") for name in verdicts} == set(OPPOSITE)
    for claim in claims:
        table = as_predicted(**OPPOSITE[claim.name.removeprefix("synthetic: ")])
        assert judge(claim, table).verdict == "refuted", claim.name
        if "mu" in claim.name:  # a strength outside of those tried is no value
            assert judge(claim, as_predicted(all_critical=math.nan)).missing == 5


def test_claims_can_be_judged_on_a_run_its_summary_holds_all_and_the_figure_draws_it(rows):
    for claim in claims_from(script.patch_l0_claims(CELL)):
        assert not judge(claim, rows).note, claim.name
    console, lost = Console(width=250), {"all_critical": math.nan, "soft_critical": math.nan}
    ends = {"all_coverage": [[1.0, 0.9, 0.8]] * 2, "soft_coverage": [[0.5, 0.9, 0.1]] * 2}
    with console.capture() as capture:
        console.print(script.patch_l0_summary(rows.assign(**ends, **lost)))
    printed = capture.get()
    names = {"one network, labels", "at T=1", "delayed", "the cliff", "50% of the weights"}
    for says in names | {"> 10 (seeds: 2)", "< 0.1 (seeds: 2)", "fraction of views covered"}:
        assert says in printed
    style.use()
    figure = Figure()
    _l0_patches.draw(figure.add_subfigure(figure.add_gridspec(1, 1)[0]), rows, "xyz")
    panels = figure.subfigs[0].axes
    assert [each.get_title("left")[0] for each in panels if len(each.get_lines()) > 3] == [*"xyz"]


@pytest.mark.parametrize(
    ("field", "value"),
    [(name, ()) for name in ("strengths", "other_strengths", "scratch_strengths", "fine")]
    + [("fine", (0.2, 0.1)), ("scratch_strengths", (0.0, 0.1)), ("kept", 0.3)]
    + [("targets", ()), ("targets", (0.2, 0.5)), ("targets", (1.0, 0.5))]
    + [("delay", 0.0), ("delay", 1.0), ("other_mu", 0.01), ("other_mu", 1.5)]
    + [("other_num_train", 500), ("other_num_train", 200), ("other_num_train", 400 * 61)],
)
def test_bad_cells_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        replace(LAPTOP, **{field: value})
