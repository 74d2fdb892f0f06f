"""l0_gates: its cells, its claims on ideal tables, what is printed and drawn."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from drawn_numbers import curves, points
from tidy_tables import Row, repeated, table_of, texts, with_measures

from figures import l0_gates as figure
from figures import style
from multiview.bench import Cell, run
from multiview.bench.images import ImageSetting
from multiview.methods import Gates
from multiview.models import PatchNet
from multiview.probes import Coverage
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import l0_gates as script
from theory_experiments.settings import many_classes_by_sgd
from theory_experiments.views import l0_cells, pruned_curves, pruned_patches
from theory_experiments.views.gates import lambdas, shares
from theory_experiments.views.l0_images import cliff_ratio
from theory_experiments.views.l0_published import multiply_adds
from theory_experiments.views.pruned_patches import PATCHES, Strengths

LAPTOP = script.EXPERIMENT.preset("laptop")
EVERY = LAPTOP.of(script.Options())


def cells_of(part: script.Part, preset: str = "laptop") -> list[Cell]:
    return script.EXPERIMENT.preset(preset).of(script.Options(part=part))


# Cells.


@pytest.mark.parametrize("part", ["all", "mnist_mlp", "lenet", "cifar10", "synthetic"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_has_the_cells_of_each_part(preset, part):
    cells = find("l0_gates").cells(preset, script.Options(part=part), seeds=1)
    number = {"mnist_mlp": 3, "lenet": 1, "cifar10": 1, "synthetic": 4}
    assert len(cells) == number.get(part, 10 if preset == "paper" else 9)
    assert {cell.seed for cell in cells} == {0 if preset == "smoke" else 10}
    script.check([cell for cell in cells if cell.part == "synthetic"], Context())


def test_cifar100_is_of_the_paper_alone():
    with pytest.raises(ValueError, match="another --preset"):
        cells_of("cifar100")
    (cell,) = cells_of("cifar100", "paper")
    assert isinstance(cell.setting, ImageSetting)
    assert cell.setting.data == "cifar100"


def test_the_papers_settings():
    mlp, *_ = cells_of("mnist_mlp", "paper")
    (lenet,), (wide,) = (cells_of(part, "paper") for part in ("lenet", "cifar10"))
    assert isinstance(mlp.setting, ImageSetting)
    optim = mlp.setting.students.optim
    assert {optim.rate(step, 10) for step in range(10)} == {1e-3}
    assert (optim.epochs, optim.batch_size, optim.weight_decay) == (200, 100, 0)
    separate = lenet.methods["separate"]
    assert isinstance(separate, Gates)
    assert separate.penalty.strength == (10, 0.5, 0.1, 10)
    assert isinstance(wide.setting, ImageSetting)
    rates = [wide.setting.recipe.optim.rate(epoch, 200) for epoch in (0, 60, 120, 160)]
    assert rates == pytest.approx([0.1, 0.02, 0.004, 0.0008])
    assert lambdas([wide], "equal", "lambda") == {"equal": 0.001, "lambda_0.002": 0.002}


def test_in_few_epochs_gates_have_a_larger_rate_than_networks_without():
    mlp, swept, asked = cells_of("mnist_mlp")
    for cell, rate, epochs in ((mlp, 1e-2, 16), (swept, 0.05, 5), (asked, 0.01, 20)):
        assert isinstance(cell.setting, ImageSetting)
        optim = cell.setting.students.optim
        assert (optim.learning_rate, optim.epochs) == (rate, epochs)
    assert isinstance(mlp.setting, ImageSetting)
    assert mlp.setting.recipe.optim.learning_rate == 1e-3
    assert list(lambdas([swept]).values()) == sorted(l0_cells.CLIFF)
    assert shares([asked]) == {"target_0.3": 0.3}


def test_other_patches_are_more_at_as_many_steps_and_strengths_in_proportion():
    cells: list[Any] = PATCHES["laptop"]
    main, mu, more, untrained = cells
    assert (mu.setting.spec.mu, mu.setting.num_train) == (0.32, 800)
    assert (more.setting.spec.mu, more.setting.num_train) == (0.02, 3200)
    for name in ("labels", "students"):
        steps = [
            getattr(x.setting.training, name).epochs * x.setting.num_train for x in (main, more)
        ]
        assert steps[0] == steps[1]
    pressure = [
        [x / cell.setting.num_train for x in lambdas([cell]).values()] for cell in (mu, more)
    ]
    assert pressure[0] == pytest.approx(pressure[1])
    assert untrained.setting.training.students.epochs == 300
    early, late = (lambdas([untrained], name) for name in ("from_start", "delayed"))
    # Lambda times the steps it acts for is as without a delay.
    delays = [untrained.methods[name].penalty.delay for name in late]
    acts = [x * (1 - delay) for x, delay in zip(late.values(), delays, strict=True)]
    assert acts == pytest.approx(list(early.values()))
    assert all(untrained.methods[name].penalty.delay == 0 for name in early)


def test_networks_are_pruned_from_the_start_and_by_the_teacher_of_their_name():
    main: dict[str, Any] = dict(PATCHES["laptop"][0].methods)
    for strength in (f"{x:g}" for x in Strengths().pruned):
        assert main[f"one_{strength}"].teacher is main[f"all_{strength}"].teacher is None
        for name, temperature in (("soft", 4.0), ("cool", 1.0)):
            taught = main[f"{name}_{strength}"]
            assert taught.kd_loss.temperature == temperature
            assert taught.teacher == taught.start == main["full"] == main[f"all_{strength}"].start
            assert taught.label_weight == 0
    assert main["one_0.4"] in main["pruned_ensemble_4"].of.of  # trained once


# Claims about images.

GOOD: Row = {  # all claims of 784-300-100 hold
    "equal": {"error": 0.014, "share_open": 0.33, "expected_share": 0.35, "flops": 1.4e5},
    "separate": {"error": 0.018, "flops": 5e4},
    "dense": {"error": 0.013},
    "magnitude": {"error": 0.02},
    "small": {"error": 0.016},
    "lambda_0.03": {"flops": 5e5},
    "lambda_0.5": {"flops": 5e4},
    "target_0.3": {"expected_share": 0.3, "share_open": 0.29},
}
FALLS = (*[1.0] * 5, 0.5, 0.116, 0.116, 0.116)  # shares left by rising lambda


def image_table(changes: dict[str, dict[str, float]] | None = None, falls: Iterable[float] = FALLS):
    """Repetitions of the part, a little apart, with other measures of some methods."""
    row = with_measures(GOOD, "equal", parity=3e-7)
    for method, measures in (changes or {}).items():
        row = with_measures(row, method, **measures)
    main, swept, asked = cells_of("mnist_mlp")
    cliff = {
        name: {"strength": strength, "share_open": share}
        for (name, strength), share in zip(lambdas([swept]).items(), falls, strict=True)
    }
    own = {name: row[name] for name in main.methods}
    parity = own["equal"].pop("parity")  # moved by less than a repetition moves
    results = {main: own, swept: cliff, asked: {"target_0.3": row["target_0.3"]}}
    table = repeated(results, 2)
    table.loc[table["method"] == "equal", "parity"] = parity
    return table


def refuted(table: pd.DataFrame, part: script.Part = "mnist_mlp") -> set[str]:
    found = [judge(each, script.derived(table)) for each in script.claims(cells_of(part))]
    assert not any("Error" in each.note for each in found), [each.note for each in found]
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    names = [each.claim.name for each in found if each.verdict == "refuted"]
    return {name.removeprefix("784-300-100: ") for name in names}


@pytest.mark.parametrize(
    ("method", "worse", "names"),
    [
        ("equal", {"error": 0.02}, {"error, equal", "against dense"}),
        (
            "equal",
            {"error": 0.027},
            {"error, equal"} | {f"against {w}" for w in ("dense", "magnitude", "small")},
        ),
        ("separate", {"error": 0.024}, set()),  # its lambdas are ours
        ("equal", {"share_open": 0.7}, {"weights left"}),
        ("equal", {"expected_share": 0.335}, {"expected share"}),
        ("separate", {"flops": 1.3e5}, {"separate lambdas"}),
        ("lambda_0.5", {"flops": 4.9e5}, {"sweep"}),
        ("equal", {"parity": 1e-4}, {"parity"}),
        ("target_0.3", {"expected_share": 0.34}, {"target, expected share"}),
        ("target_0.3", {"share_open": 0.25}, {"target, share at test time"}),
    ],
)
def test_each_claim_turns_with_the_measure_it_is_about(method, worse, names):
    assert refuted(image_table({method: worse})) == names


def test_a_good_run_refutes_nothing_and_a_slow_fall_the_cliff():
    assert refuted(image_table()) == set()
    slow = (*[1.0] * 3, 0.8, 0.5, 0.4, 0.3, 0.2, 0.12)
    assert refuted(image_table(falls=slow)) == {"cliff"}
    other = image_table({"equal": {"error": 0.5}}).assign(part="lenet")
    assert refuted(pd.concat([image_table(), other], ignore_index=True)) == set()


def test_a_cliff_outside_of_the_sweep_is_no_value():
    def ratio(*left: float) -> float:
        return cliff_ratio(pd.DataFrame({"strength": [1.0, 2, 3, 4], "share_open": left}))

    assert ratio(1.0, 0.95, 0.5, 0.1) == 2.0
    assert math.isnan(ratio(1.0, 1.0, 0.9, 0.5))


def test_claims_say_where_numbers_are_from_and_what_was_decided_after():
    claims = {each.name: each for each in find("l0_gates").claims_about("laptop", script.Options())}
    assert len(claims) == 49 - 1
    assert "LeNet-5: error, separate" in claims
    assert "784-300-100: error, separate" not in claims  # its lambdas are ours
    assert claims["784-300-100: separate lambdas"].source == "ours"
    assert "784-300-100: sweep" in claims
    assert "LeNet-5: sweep" not in claims
    assert "from memory" in claims["784-300-100: error, equal"].source
    assert "from memory" not in claims["LeNet-5: error, equal"].source
    assert claims["784-300-100: error, equal"].predicted == pytest.approx((0.009, 0.019))
    after = {name for name, each in claims.items() if each.decided == "after"}
    rivals = ("dense", "magnitude", "small")
    assert after == {f"{net}: against {x}" for net in ("784-300-100", "LeNet-5") for x in rivals}
    assert find("l0_gates").claims_about("smoke", script.Options()) == []


def test_published_flops_are_multiply_adds():
    """What other papers print of LeNet-5, to the 5% that biases and the like may be; but one."""
    assert multiply_adds("lenet", (20, 50, 800, 500)) == 2_293_000
    for units, printed in (
        ((9, 18, 65, 25), 403e3),
        ((7, 13, 208, 16), 254e3),
        ((8, 13, 88, 13), 290e3),
        ((5, 10, 76, 16), 158e3),
        ((3, 18, 284, 283), 217e3),
    ):
        assert multiply_adds("lenet", units) == pytest.approx(printed, rel=0.05)
    one_lambda = multiply_adds("lenet", (20, 25, 45, 462))
    assert one_lambda == 1_113_410
    assert one_lambda / 1.3e6 == pytest.approx(0.86, abs=0.005)  # why, is not known


# Claims about patches.

# The laptop's cells, with fewer strengths.
FEW = Strengths(
    pruned=(0.01, 0.1, 0.2, 0.4, 0.8, 25.6),
    other=(0.1, 0.2, 1.6, 3.2),
    untrained=(0.05, 0.2),
    fine=(0.024, 0.027, 0.03),
    shares=(0.5, 0.2),
)
FEW_CELLS = pruned_patches.cells(
    pruned_patches.LAPTOP,
    FEW,
    untrained=pruned_patches.from_scratch(many_classes_by_sgd(20)),
    num_test=1,
    probes=1,
)
AS_PREDICTED: dict[str, dict[str, list[float]]] = {  # by group: measures by strength
    "one": {
        "coverage": [0.6, 0.6, 0.5, 0.3, 0.0, 0.0],
        "neurons": [10.0, 1.95, 1.2, 0.7, 0.0, 0.0],
        "multi": [0.0, 0.0, 0.1, 0.3, 1.0, 1.0],
        "min_neurons": [9.0, 1.5, 0.0, 0.0, 0.0, 0.0],
    },
    "all": {
        "coverage": [1.0, 1.0, 0.5, 0.5, 0.0, 0.0],  # critical at 0.141
        "views_encoded": [2.0, 2.0, 1.0, 1.0, 0.0, 0.0],
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
    "pruned_ensemble": {"coverage": [0.3, 0.51, 0.66, 0.76]},  # 1 - 0.7^K
    "data": {"head_start": [1.0]},
}
EARLY = {"coverage": [1.0, 0.5, 0.5, 0.5, 0.5, 0.5]}  # critical at 0.03
OPPOSITE = {
    "pruned as gated": ("one", {"parity": [0.1] * 6}),
    "flat": ("one", {"coverage": [0.6, 0.3, 0.3, 0.3, 0.0, 0.0]}),
    "until its floor": ("one", {"min_neurons": [9.0, 1.5, 1.5, 0.0, 0.0, 0.0]}),
    "collapse": ("one", {"multi": [0.0, 0.0, 0.3, 0.1, 1.0, 1.0]}),
    "cliff": ("fine", {"neurons": [10.0, 9.0, 8.0]}),
    "target, expected": ("target", {"expected_share": [0.5, 0.4]}),
    "target, left": ("target", {"neurons": [9.0, 2.0]}),
    "held views": ("all", {"views_encoded": [2.0, 1.0, 1.0, 2.0, 1.0, 0.0]}),
    "neurons of both views": ("all", {"neurons": [10.0, 1.5, 1.4, 1.0, 0.0, 0.0]}),
    "one view first": ("all", {"none": [0.0, 0.0, 0.3, 0.5, 1.0, 1.0]}),
    "hidden": ("all", {"multi": [0.0, 0.0, 0.3, 0.5, 1.0, 1.0]}),
    "critical by mu": ("more_mu", {"coverage": [1.0, 0.5, 0.5, 0.5]}),
    "proportional to mu": ("more_mu", {"coverage": [1.0, 1.0, 0.5, 0.5]}),
    "the same lambda/N": ("more_samples", {"coverage": [1.0, 1.0, 1.0, 0.5]}),
    "soft at 4": ("soft", EARLY),
    "soft at 1": ("cool", EARLY),
    "soft, by 1/mu": ("soft", {"coverage": [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]}),
    "delayed": ("from_start", {"coverage": [0.6, 0.6]}),
    "delayed, no class lost": ("delayed", {"multi": [0.0, 0.3]}),
    "slow classes": ("data", {"head_start": [-1.0]}),
    "delayed, as many neurons": ("from_start", {"coverage": [0.6, 0.6]}),
    "4 pruned networks": ("pruned_ensemble", {"coverage": [0.3, 0.51, 0.66, 0.9]}),
}


def as_predicted(group: str = "data", **measures: list[float]) -> pd.DataFrame:
    """Five repetitions as the theory has them, but for these measures of one group."""
    lists = with_measures(AS_PREDICTED, group, **measures)
    rows: dict[Cell, Row] = {}
    for cell in FEW_CELLS:
        row: dict[str, dict] = {}
        for name, values in lists.items():
            members = [each for each in cell.methods if each.rpartition("_")[0] == name]
            strengths = lambdas([cell])
            for i, each in enumerate(members):
                none = values["none"][i] if "none" in values else 0.0
                row[each] = {"views": [none, 1 - none, 0.0]} | {
                    measure: value[i] for measure, value in values.items() if measure != "none"
                }
                if each in strengths:
                    row[each]["strength"] = strengths[each]
                    row[each].setdefault("parity", 0.0)
        row |= {name: {"parity": 0.0} | row.get(name, {}) for name in shares([cell])}
        if cell is FEW_CELLS[-1]:
            row["data"] = {name: value[0] for name, value in lists["data"].items()}
        rows[cell] = row
    table = repeated(rows, 5)
    table.loc[table["parity"].abs() < 0.01, "parity"] = 0.0  # what repetitions moved
    table = script.derived(table.assign(**{"spec.num_classes": 10**6}))  # short intervals
    table["none"] += 1e-6 * table["seed"]  # equal values show no spread
    other = table.assign(part="mnist_mlp", coverage=0.9, neurons=0.9, multi=0.9, parity=0.9)
    return pd.concat([table, other], ignore_index=True)  # the other part is not looked at


def test_each_claim_is_supported_by_what_it_predicts_and_refuted_by_its_opposite():
    claims = list(script.claims(FEW_CELLS))
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
    ends = {claim.name: claim.predicted for claim in script.claims(cells_of("synthetic"))}
    for name in ("flat", "4 pruned networks"):
        assert ends[f"synthetic: {name}"] == (-0.05, 0.05)
    for name in ("delayed", "delayed, as many neurons"):
        assert ends[f"synthetic: {name}"] == (0.05, math.inf)


def critical(strengths, c) -> float:
    return pruned_curves.critical_strength(pd.DataFrame({"strength": strengths, "coverage": c}))


def test_the_critical_strength_lies_between_two_by_their_logarithms():
    assert critical((1, 100), (1.0, 0.5)) == pytest.approx(10)
    assert critical((1, 2, 4), (0.9, 0.75, 0.9)) == pytest.approx(2)
    assert math.isnan(critical((1, 2, 4), (1.0, 0.9, 0.8)))
    assert math.isnan(critical((1, 2), (0.5, 0.9)))


def test_where_a_sequence_passes_a_level_others_are_read_off():
    passes = pruned_curves.where_it_passes
    assert passes([0, 0.5, 0.1], 0.25, [2, 4, 9]) == pytest.approx(3)
    assert math.isnan(passes([0.3, 0.5], 0.25, [2, 4]))
    assert math.isnan(passes([0, 0.2], 0.25, [2, 4]))
    lines = pd.DataFrame({"neurons": [2.0, 1.0, 0.0], "multi": [0.0, 0.5, 1.0]})
    assert math.isnan(pruned_curves.error_below_floor(lines))


def test_head_starts_are_of_kept_and_lost_classes_in_mixed_networks():
    features = torch.eye(4).view(2, 2, 4)
    weight = torch.zeros(1, 2, 2, 4)
    weight[0, 0, 0, 1], weight[0, 1, 1, 2] = 0.9, 0.3
    start = PatchNet.of(weight)
    start.sigma_init = 0.3
    accuracy = torch.zeros(3, 2, 2)
    accuracy[0] = 1  # all kept: says nothing
    accuracy[1, 0, 1] = 1  # the first class kept, the second lost
    covered = Coverage(accuracy=accuracy, margin=accuracy)
    assert pruned_patches.head_start(start, features, covered) == pytest.approx(2)
    same = Coverage(accuracy=accuracy[:1], margin=accuracy[:1])
    assert math.isnan(pruned_patches.head_start(start, features, same))


# Tables and figure, of a run.


@pytest.fixture(scope="module")
def smoke() -> pd.DataFrame:
    """One repetition of the smoke preset, its rows twice."""
    rows = [
        (cell, run(cell, Context()))
        for cell in script.EXPERIMENT.preset("smoke").of(script.Options())
    ]
    return table_of(*rows, *((replace(cell, seed=1), row) for cell, row in rows))


def shown(table: pd.DataFrame) -> str:
    lines = script.derived(table)
    return texts(script.EXPERIMENT.tables(lines), lines)


def test_a_run_holds_together(smoke):
    for part, lines in smoke.groupby("part"):
        row = lines.drop_duplicates("method").set_index("method")
        if part == "synthetic":
            assert (row["parity"].dropna() <= 1e-5).all()
            assert row.loc["target_0.5", "target"] == 0.5
            assert row.loc["ensemble_1", "coverage"] <= 1
            continue
        who = ["equal", "dense", "magnitude", "small"]
        assert row.loc[who, "error"].between(0, 1).all()
        assert (row.loc[who, "flops"] <= row.loc["dense", "flops"]).all()
        assert row.loc["small", "flops"] == row.loc["equal", "flops"]
        assert row.loc["data", "train_images"] == 50


def test_the_tables_show_published_numbers_beside_ours(smoke):
    text = shown(smoke.assign(data=smoke["data"].where(smoke["part"] == "synthetic", "mnist")))
    for words in (
        *("219-214-100", "266-88-33", "(from memory)", "784-300-100", "1 epochs"),
        *("less the published", "(not known: ours are others)", "(1.6 as quoted by RigL)"),
        *("asked for 0.3", "1.3M printed", "403K printed", "multiply-adds", "2.29M"),
        *("20-25-45-462", "likely the paper's", "3.83 (as quoted elsewhere)"),
        *("one network, labels", "at T=1", "delayed", "the cliff", "asked for a share"),
    ):
        assert words in text, words
    made_up = shown(smoke)
    assert "219-214-100" not in made_up
    assert "RigL" not in made_up


def test_what_is_published_stands_only_beside_the_same_net(smoke):
    lines = script.derived(smoke.assign(data="mnist"))
    known = lines.dropna(subset=["published_error"])
    assert set(zip(known["part"], known["method"], strict=True)) == {
        ("mnist_mlp", "equal"),  # of separate the paper's lambdas are not known
        ("lenet", "equal"),
        ("lenet", "separate"),
    }
    assert not len(script.derived(smoke)["published_error"].dropna())


def test_strengths_outside_of_those_tried_are_counted(smoke):
    ends = {"all": [1.0, 0.9, 0.8], "soft": [0.5, 0.9, 0.1]}
    for who, values in ends.items():
        for strength, c in zip((0.1, 0.4, 10), values, strict=True):
            smoke.loc[smoke["method"] == f"{who}_{strength:g}", "coverage"] = c
    text = shown(smoke)
    assert "> 10 (seeds: 2)" in text
    assert "< 0.1 (seeds: 2)" in text


def test_every_part_is_drawn_and_crosses_are_the_published_numbers(smoke, monkeypatch):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    data = smoke["data"].where(smoke["part"] == "synthetic", "mnist")
    lines: Any = script.derived(smoke.assign(data=data))
    mlp, lenet, wide, patches = figure.draw(lines).axes
    assert letters == list("abcd")
    for axes, errors in ((mlp, [0.014]), (lenet, [0.009, 0.01]), (wide, [])):
        assert [y for marker, _, y in points(axes) if marker == "x"] == errors
    assert "published (*: from memory)" in mlp.get_legend_handles_labels()[1]
    of = lines[lines["part"] == "mnist_mlp"].groupby("method")["multiply_adds"].mean()
    ((_, x, _),) = (each for each in points(mlp) if each[0] == "x")
    theirs = (219 * 214 + 214 * 100 + 100 * 10) / 1000
    assert x == pytest.approx(theirs / of["dense"])
    c = lines[lines["part"] == "synthetic"].groupby("method")[["strength", "coverage"]].mean()
    drawn = curves(patches)["views covered, c"]
    assert drawn == c.loc[["all_0.1", "all_0.4", "all_10"]].to_numpy().tolist()


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    args = ["--out", str(tmp_path), "--part", "lenet"]
    assert run_script(find("l0_gates"), args) == 2
    assert "--data-dir" in capfd.readouterr().err


def test_a_smoke_run_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--part", "cifar10", "--out", str(tmp_path)]
    assert run_script(find("l0_gates"), args) == 0
    assert (tmp_path / "l0_gates" / "l0_gates-smoke-part_cifar10.png").stat().st_size
