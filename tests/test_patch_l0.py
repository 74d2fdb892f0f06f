"""L0 gates on synthetic patches: what is trained, pruned and measured, and the claims."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from theory_experiments._patch_l0_tables import patch_l0_tables
from tidy_tables import Row, alike, rows_as_table, texts, with_measures

from figures import _l0_patches, style
from multiview import stream
from multiview.distill import hinton_kd
from multiview.ensemble import mean_logits
from multiview.models import SideBySide
from multiview.probes import Coverage, coverage_of, coverage_probes
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.sparsity import L0Spec
from theory_experiments import _patch_l0 as script
from theory_experiments import _patch_l0_claims as claims_of
from theory_experiments import _patch_l0_nets as nets_of
from theory_experiments import l0_gates
from theory_experiments._patch_nets import draw_features, draw_train, new_nets

SMOKE = script.PATCHES["smoke"]
# Large weights answer at once, so that networks of other settings differ.
CELL = replace(SMOKE, relu_knee=1.0, sigma_init=0.3, num_test=50)
LAPTOP = script.PATCHES["laptop"]
# Fields of the cell that tables and figure show.
SHOWN = ("part", "width", "members", "num_train", "other_num_train", "kept", "delay", "other_mu")
SHOWN += ("temperature",)
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
def rows() -> list[Row]:
    """Two repetitions."""
    return [script.run_patch_l0(replace(CELL, seed=seed), Context()) for seed in (0, 1)]


def table(*rows: Row, cell: nets_of.PatchL0Cell = CELL) -> pd.DataFrame:
    """The derived table of rows, with the fields of their cell."""
    plain = {name: getattr(cell, name) for name in SHOWN}
    views = {"spec.num_classes": 10**6, "spec.num_views": 2}  # so many that intervals are short
    return l0_gates.derived(rows_as_table(*rows, **plain, **views))


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
    nets = SideBySide([base.with_weight(each).single() for each in (first, 0 * first)])
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
    row = rows[0]
    assert len({(each["dense"]["margin"], each["full"]["margin"]) for each in rows}) == 2
    probes = coverage_probes(CELL.spec, features, stream(0, "probes"), CELL.probes_per_view)

    def margin(logits: torch.Tensor) -> list[float]:
        return coverage_of(logits, probes).margin.mean((-2, -1)).tolist()

    many = len(CELL.strengths)
    with torch.no_grad():
        by_name = {name: each(probes.patches) for name, each in left.items()}
        members = dense(probes.patches)
        (own,) = margin(full(probes.patches))
    for name, strengths in nets_of.strengths_of(CELL).items():
        lines = [row[f"{name}_{strength:g}"] for strength in strengths]
        assert tuple(each["strength"] for each in lines) == strengths
        found = margin(by_name[name])[: len(lines)]
        assert [each["margin"] for each in lines] == pytest.approx(found, rel=1e-4)
        count = left[name].neurons().tolist()[: len(lines)]
        assert [each["neurons"] for each in lines] == pytest.approx(count)
    asked = row["target_0.5"]
    assert asked["target"] == 0.5
    assert [asked["margin"]] == pytest.approx(margin(by_name["target 0.5"]), rel=1e-4)
    assert row["full"]["margin"] == pytest.approx(own, rel=1e-4)
    assert row["dense"]["margin"] == pytest.approx(margin(members)[0], rel=1e-4)

    def by_size(name: str, measure: str) -> list[float]:
        assert [row[f"{name}_{size}"]["size"] for size in (1, 2)] == [1, 2]
        return [row[f"{name}_{size}"][measure] for size in (1, 2)]

    mean, both = sum(margin(members)) / 2, margin(mean_logits(members))
    assert by_size("ensemble", "margin") == pytest.approx([mean, both], rel=1e-4)
    kept = by_name["one"][:, [CELL.strengths.index(CELL.kept), many]]
    pair = [sum(margin(kept)) / 2, margin(mean_logits(kept))]
    assert by_size("pruned_ensemble", "margin") == pytest.approx(pair, rel=1e-4)
    c = row["pruned_ensemble_1"]["coverage"]
    assert by_size("pruned_ensemble", "predicted") == pytest.approx([c, 1 - (1 - c) ** 2])
    assert row["data"]["parity"] < 1e-5
    views = coverage_of(by_name["one"], probes).views_per_class[:many]
    one = [row[f"one_{strength:g}"] for strength in CELL.strengths]
    assert [each["both"] for each in one] == (views == 2).double().mean(-1).tolist()
    assert [each["none"] for each in one] == (views == 0).double().mean(-1).tolist()
    assert [each["fewest"] for each in one] == left["one"].fewest().tolist()[:many]


def test_strengths_are_those_of_the_penalties():
    strengths = nets_of.strengths_of(LAPTOP)
    assert strengths["more_samples"] == tuple(4 * each for each in LAPTOP.other_strengths)
    assert strengths["delayed"] == tuple(2 * each for each in LAPTOP.scratch_strengths)
    for name in ("one", "all", "soft", "cool"):
        assert strengths[name] == LAPTOP.strengths


def critical(strengths, c) -> float:
    return claims_of.critical_strength(pd.DataFrame({"strength": strengths, "coverage": c}))


def test_the_critical_strength_lies_between_two_by_their_logarithms():
    assert critical((1, 100), (1.0, 0.5)) == pytest.approx(10)
    assert critical((1, 2, 4), (0.9, 0.75, 0.9)) == pytest.approx(2)
    assert math.isnan(critical((1, 2, 4), (1.0, 0.9, 0.8)))
    assert math.isnan(critical((1, 2), (0.5, 0.9)))


def test_a_critical_strength_is_read_off_its_group_alone():
    falls = {"all_1": (1.0, 1.0), "all_100": (100.0, 0.5), "soft_1": (1.0, 0.1)}
    row = {who: {"strength": s, "coverage": c, "size": None} for who, (s, c) in falls.items()}
    other = rows_as_table(row, part="mnist_mlp").assign(coverage=0.1, group="all")
    lines = pd.concat([table(row), other])
    assert claims_of.critical("all").of(lines).by_seed.tolist() == pytest.approx([10])


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
    lines = pd.DataFrame({"neurons": [2.0, 1.0, 0.0], "multi": [0.0, 0.5, 1.0]})
    assert math.isnan(claims_of.error_below_floor(lines))


# The laptop's cell, with fewer strengths.
FEW = replace(
    LAPTOP,
    strengths=(0.01, 0.1, 0.2, 0.4, 0.8, 25.6),
    kept=0.2,
    other_strengths=(0.1, 0.2, 1.6, 3.2),
    scratch_strengths=(0.05, 0.2),
    fine=(0.024, 0.027, 0.03),
    targets=(0.5, 0.2),
)
AS_PREDICTED: dict[str, dict[str, list[float]]] = {  # by group: measures by strength
    "one": {
        "coverage": [0.6, 0.6, 0.5, 0.3, 0.0, 0.0],
        "neurons": [10.0, 1.95, 1.2, 0.7, 0.0, 0.0],
        "multi": [0.0, 0.0, 0.1, 0.3, 1.0, 1.0],
        "fewest": [9.0, 1.5, 0.0, 0.0, 0.0, 0.0],
    },
    "all": {
        "coverage": [1.0, 1.0, 0.5, 0.5, 0.0, 0.0],  # critical at 0.141
        "held": [2.0, 2.0, 1.0, 1.0, 0.0, 0.0],
        "neurons": [10.0, 1.95, 1.0, 1.0, 0.0, 0.0],
        "none": [0.0, 0.0, 0.0, 0.0, 1.0, 1.0],
        "single": [0.0, 0.0, 0.5, 0.5, 1.0, 1.0],
        "multi": [0.0, 0.0, 0.0, 0.0, 1.0, 1.0],
    },
    "soft": {"coverage": [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]},  # critical at 4.5
    "cool": {"coverage": [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]},
    "more_mu": {"coverage": [1.0, 1.0, 1.0, 0.5]},  # at 2.26
    "more_samples": {"coverage": [1.0, 0.5, 0.5, 0.5]},  # at 4 x 0.141
    "from_start": {"coverage": [0.6, 0.1], "neurons": [9.0, 1.0]},
    "delayed": {"coverage": [0.6, 0.6], "multi": [0.0, 0.0], "neurons": [10.0, 1.95]},
    "fine": {"neurons": [10.0, 9.0, 3.0]},
    "target": {"neurons": [5.0, 2.0], "expected_share": [0.5, 0.2]},
    "pruned_ensemble": {"coverage": [0.5, 0.7, 0.7, 0.75], "predicted": [0.5, 0.7, 0.7, 0.75]},
    "data": {"parity": [0.0], "head_start": [1.0]},
}
EARLY = {"coverage": [1.0, 0.5, 0.5, 0.5, 0.5, 0.5]}  # critical at 0.03
OPPOSITE = {
    "pruned as gated": ("data", {"parity": [0.1]}),
    "flat": ("one", {"coverage": [0.6, 0.3, 0.3, 0.3, 0.0, 0.0]}),
    "until its floor": ("one", {"fewest": [9.0, 1.5, 1.5, 0.0, 0.0, 0.0]}),
    "collapse": ("one", {"multi": [0.0, 0.0, 0.3, 0.1, 1.0, 1.0]}),
    "cliff": ("fine", {"neurons": [10.0, 9.0, 8.0]}),
    "target, expected": ("target", {"expected_share": [0.5, 0.4]}),
    "target, left": ("target", {"neurons": [9.0, 2.0]}),
    "held views": ("all", {"held": [2.0, 1.0, 1.0, 2.0, 1.0, 0.0]}),
    "neurons of both views": ("all", {"neurons": [10.0, 1.5, 1.4, 1.0, 0.0, 0.0]}),
    "one view first": ("all", {"none": [0.0, 0.0, 0.3, 0.5, 1.0, 1.0]}),
    "hidden": ("all", {"multi": [0.0, 0.0, 0.3, 0.5, 1.0, 1.0]}),
    "critical by mu": ("more_mu", {"coverage": [1.0, 0.5, 0.5, 0.5]}),
    "proportional to mu": ("more_mu", {"coverage": [1.0, 1.0, 0.5, 0.5]}),
    "the same lambda/N": ("more_samples", {"coverage": [1.0, 1.0, 1.0, 0.5]}),
    "soft targets keep": ("soft", {"coverage": [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]}),
    "soft at 4": ("soft", EARLY),
    "soft at 1": ("cool", EARLY),
    "soft, by 1/mu": ("soft", {"coverage": [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]}),
    "delayed": ("from_start", {"coverage": [0.6, 0.6]}),
    "delayed, no class lost": ("delayed", {"multi": [0.0, 0.3]}),
    "slow classes": ("data", {"head_start": [-1.0]}),
    "delayed, as many neurons": ("from_start", {"coverage": [0.6, 0.6]}),
    "4 pruned networks": ("pruned_ensemble", {"predicted": [0.5, 0.7, 0.7, 0.9]}),
}


def as_predicted(group: str = "data", **measures: list[float]) -> pd.DataFrame:
    """Five repetitions as the theory has them, but for these measures of one group."""
    axes = {name: ("strength", each) for name, each in nets_of.strengths_of(FEW).items()}
    axes |= {"target": ("target", FEW.targets), "pruned_ensemble": ("size", (1, 2, 3, 4))}
    row: Row = {}
    for name, lists in with_measures(AS_PREDICTED, group, **measures).items():
        axis, places = axes.get(name, ("", ()))
        for i, place in enumerate(places):
            each = {measure: values[i] for measure, values in lists.items()}
            row = {**row, f"{name}_{place:g}": {axis: place} | each}
    data = with_measures(AS_PREDICTED, group, **measures)["data"]
    row = {**row, "data": {measure: values[0] for measure, values in data.items()}}
    lines = table(*alike(row, 5), cell=FEW)
    other = lines.assign(part="mnist_mlp", coverage=0.9, neurons=0.9, multi=0.9, parity=0.9)
    return pd.concat([lines, other], ignore_index=True)  # the other part is not looked at


def test_each_claim_is_supported_by_what_it_predicts_and_refuted_by_its_opposite():
    claims = list(claims_of.patch_l0_claims(FEW))
    verdicts = {claim.name: judge(claim, as_predicted()).verdict for claim in claims}
    assert set(verdicts.values()) == {"supported"}, verdicts
    assert {name.removeprefix("synthetic: ") for name in verdicts} == set(OPPOSITE)
    never = as_predicted("all", coverage=[1.0] * 6)
    for claim in claims:
        group, worse = OPPOSITE[claim.name.removeprefix("synthetic: ")]
        assert judge(claim, as_predicted(group, **worse)).verdict == "refuted", claim.name
        if "mu" in claim.name:  # a strength outside of those tried is no value
            assert judge(claim, never).missing == 5


def test_what_counts_as_a_difference_of_c_is_one_view_in_twenty():
    ends = {claim.name: claim.predicted for claim in claims_of.patch_l0_claims(LAPTOP)}
    for name in ("flat", "4 pruned networks"):
        assert ends[f"synthetic: {name}"] == (-0.05, 0.05)
    for name in ("soft targets keep", "delayed", "delayed, as many neurons"):
        assert ends[f"synthetic: {name}"] == (0.05, math.inf)


def test_claims_can_be_judged_on_a_run_its_tables_hold_all_and_the_figure_draws_it(rows):
    lines = table(*rows)
    for claim in claims_of.patch_l0_claims(CELL):
        assert "Error" not in judge(claim, lines).note, claim.name
    ends = {"all": [1.0, 0.9, 0.8], "soft": [0.5, 0.9, 0.1]}
    outside = [
        {
            **row,
            **{
                f"{who}_{strength:g}": {**row[f"{who}_{strength:g}"], "coverage": value}
                for who, c in ends.items()
                for strength, value in zip(CELL.strengths, c, strict=True)
            },
        }
        for row in rows
    ]
    changed_lines = table(*outside)
    printed = texts(patch_l0_tables(changed_lines), changed_lines)
    names = {"one network, labels", "at T=1", "delayed", "the cliff", "asked for a share"}
    for says in names | {"> 10 (seeds: 2)", "< 0.1 (seeds: 2)", "fraction of views covered"}:
        assert says in printed
    style.use()
    figure = Figure()
    _l0_patches.draw(lines, figure.add_subfigure(figure.add_gridspec(1, 1)[0]), iter("xyz"))
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
