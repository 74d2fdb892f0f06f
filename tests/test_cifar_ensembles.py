"""cifar_ensembles: its cells, a tiny run, and claims that turn with what they are about."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn_numbers import points
from tidy_tables import alike, rows_as_table, texts, with_measures

from figures import cifar_ensembles as figure
from multiview.bench import Cell, check, run
from multiview.bench.images import ImageSetting
from multiview.methods import Student
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from theory_experiments import cifar_ensembles as script
from theory_experiments.cifar_ensembles import ENSEMBLES, ENTRIES

PRESETS = list(script.EXPERIMENT.presets)
OF_ANY_NET = [each for each in PRESETS if each != "memorised"]
LABELS = [each.label for each in ENTRIES.values()]
AGREEMENT = ("disagreement", "both_wrong", "both_wrong_if_independent", "same_wrong_label")


@pytest.fixture(scope="module")
def row():
    return run(script.cell(replace(script.smoke("fast"), members=3), weight=0.3), Context())


def test_every_number_is_there_and_holds_together(row):
    for who, ensemble in ENSEMBLES.items():
        single, together = row[who], row[ensemble]
        for name, each in (("error", "each"), ("best", "best_each")):
            assert len(single[each]) == 3
            assert single[name] == pytest.approx(sum(single[each]) / 3)
            assert 0 <= together[name] <= 1
        by_size = [row[name] for name in (who, f"{ensemble}_2", ensemble)]
        assert [each["size"] for each in by_size] == [1, 2, 3]
    for who in ("member", "summed"):
        assert 0 <= row[who]["train"] <= 1
        assert 0 <= row[who]["epoch"] <= 1
    assert 0 < row["pairs"]["disagreement"] < 1
    assert 0 <= row["pairs"]["both_wrong"] <= max(row["member"]["each"])
    assert 0 <= row["ensemble_probabilities"]["error"] <= 1


def cell(preset: str, options: script.Options) -> tuple[Cell, ImageSetting]:
    """The only cell of a repetition, and its setting."""
    (found,) = script.EXPERIMENT.cells(preset, options, seeds=1)
    assert isinstance(found.setting, ImageSetting)
    return found, found.setting


@pytest.mark.parametrize("preset", OF_ANY_NET)
def test_students_start_by_themselves_and_are_trained_at_their_own_rate(preset):
    found, setting = cell(preset, script.Options(net="wrn16-4"))
    students = [found.methods[name] for name in ("distilled", "self")]
    assert {each.start for each in students if isinstance(each, Student)} == {"distilled", "self"}
    weights = {each.weight for each in students if isinstance(each, Student)}
    assert weights == {1.0 if preset == "long" else 0.3}
    rate = setting.students.optim.learning_rate
    assert setting.students == setting.recipe.with_optim(learning_rate=rate)
    assert rate == {"paper": 0.05}.get(preset, 0.1)


@pytest.mark.parametrize("net", ["fast", "resnet20", "resnet34", "wrn16-4", "wrn28-10"])
@pytest.mark.parametrize("preset", OF_ANY_NET)
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, net):
    options = script.Options(net=net, data="cifar100")
    cells = script.EXPERIMENT.cells(preset, options, seeds=2)
    assert replace(cells[0], seed=cells[0].seed + 1) == cells[1]
    _, setting = cell(preset, options)
    assert setting.data == "cifar100"
    assert setting.members >= 2
    assert cells[0].seed == (0 if preset == "smoke" else 10)


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_class_has_equal_shares(preset, data):
    _, setting = cell(preset, script.Options(data=data))
    sizes = (setting.num_train, setting.num_validation, setting.num_test)
    assert not any((size or 0) % int(data.removeprefix("cifar")) for size in sizes)


def test_one_wide_network_stands_beside_fast_ones_alone():
    found, setting = cell("memorised", script.Options())
    assert setting.net == script.HOURS_NET
    assert {"mean", "wide"} <= found.methods.keys()
    with pytest.raises(ValueError, match="net=resnet8: memorised has a wide FastNet"):
        cell("memorised", script.Options(net="resnet8"))


def test_images_without_a_directory_are_refused_before_any_work():
    with pytest.raises(ValueError, match="--data-dir"):
        check(script.EXPERIMENT.cells("laptop", script.Options()), Context())


AS_CLAIMED = {
    "member": {"error": 0.30, "each": [0.29, 0.31], "train": 0.0},
    "ensemble": {"error": 0.20},
    "summed": {"error": 0.30, "train": 0.0},
    "distilled": {"error": 0.22, "each": [0.21, 0.23]},
    "self": {"error": 0.25, "each": [0.24, 0.26]},
    "distilled_ensemble": {"error": 0.20},
    "self_ensemble": {"error": 0.20},
}


def rows(row=AS_CLAIMED, **cell) -> pd.DataFrame:
    """Two repetitions in which, but for what is with_measures, all claims hold."""
    return script.derived(rows_as_table(*alike(row, 2), **cell))


def verdicts(table: pd.DataFrame, preset: str = "laptop") -> dict[str, str]:
    claims = script.EXPERIMENT.claims_about(preset, script.Options())
    found = [judge(claim, table) for claim in claims]
    assert not any("Error" in each.note for each in found)
    return {each.claim.name: each.verdict for each in found}


def test_each_claim_turns_with_the_measure_it_is_about():
    assert set(verdicts(rows()).values()) == {"supported"}
    assert script.EXPERIMENT.claims_about("smoke", script.Options()) == []
    for who, worse, names in (
        ("summed", {"error": 0.2}, {"trained sum"}),
        ("distilled", {"error": 0.28}, {"half of the gain"}),
        ("distilled", {"error": 0.33}, {"student", "half of the gain"}),
        ("self", {"error": 0.33}, {"self-distillation"}),
        ("distilled_ensemble", {"error": 0.15}, {"ensemble of students"}),
        ("self_ensemble", {"error": 0.15}, {"ensemble of self-distilled"}),
        ("member", {"each": [0.1, 0.5]}, {"gain against spread", "gain against the best"}),
    ):
        found = verdicts(rows(with_measures(AS_CLAIMED, who, **worse)))
        assert {name for name, verdict in found.items() if verdict == "refuted"} == names


def test_claims_of_large_presets_turn_with_the_measures_they_are_about():
    small = {"member": {"error": 0.1, "each": [0.099, 0.101], "train": 0.0}}
    taught = {"error": 0.08, "each": [0.08, 0.08]}
    small |= {who: dict(taught) for who in AS_CLAIMED if who != "member"}
    fits = {"error": 0.1, "train": 0.0}
    small |= {"summed": fits, "mean": fits, "wide": fits}
    for preset, name in (("hours", "trained sum"), ("memorised", "wide")):
        assert set(verdicts(rows(small), preset).values()) == {"supported"}
        assert name in verdicts(rows(small), preset)
    for preset, who, worse, names in (
        ("hours", "member", {"error": 0.12}, {"small error"}),
        ("hours", "distilled_ensemble", {"error": 0.07}, {"ensemble of students"}),
        ("hours", "self_ensemble", {"error": 0.07}, {"ensemble of self-distilled"}),
        ("hours", "summed", {"error": 0.085}, {"trained sum"}),
        ("memorised", "mean", {"error": 0.085}, {"trained mean"}),
        ("memorised", "wide", {"error": 0.085}, {"wide"}),
        ("memorised", "member", {"train": 0.015}, {"memorised"}),
    ):
        found = verdicts(rows(with_measures(small, who, **worse)), preset)
        assert {name for name, verdict in found.items() if verdict == "refuted"} == names
    found = verdicts(rows(with_measures(small, "wide", train=0.1)), "memorised")
    assert found["wide"] == "undecided"


def test_a_sum_that_does_not_fit_decides_nothing():
    unfit = with_measures(AS_CLAIMED, "summed", train=0.3)
    table = script.derived(rows_as_table(unfit, AS_CLAIMED))
    assert np.isnan(script.gain_of("summed").of(table).by_seed).tolist() == [True, False]


def test_tables_show_all_methods():
    row = with_measures(AS_CLAIMED, "pairs", **dict.fromkeys(AGREEMENT, 0.1))
    for who in ENTRIES:
        row = with_measures(row, who, best=0.3)
    table = rows(row, data="cifar10", num_train=2000, members=2)
    text = texts(script.tables(table), table)
    for name in (*LABELS, "3.30 ± 0.21", "30.0 [", "pairs of members"):
        assert name in text


def test_the_figure_shows_paired_gains_and_each_network():
    table = rows(data="cifar10", num_train=2000, members=2)
    gains, networks = figure.draw(table).axes
    names = [each.get_text() for each in gains.get_yticklabels()]
    drawn = dict(zip(names, [x for _, x, _ in points(gains)], strict=True))
    of = {label: who for who, label in zip(ENTRIES, LABELS, strict=True)}
    expected = {label: 0.30 - AS_CLAIMED[of[label]]["error"] for label in drawn}
    assert len(drawn) == len(AS_CLAIMED) - 1
    assert drawn == pytest.approx(expected, abs=1e-5)
    heights: Any = [each.get_offsets() for each in networks.collections]
    assert sum(map(len, heights)) == 3 * 2 * (2 + 1)


def test_estimates_have_the_sign_of_their_names():
    first = {
        "member": {"error": 0.30, "each": [0.29, 0.31]},
        "ensemble": {"error": 0.26},
        "distilled": {"error": 0.27, "each": [0.27, 0.27]},
    }
    second = with_measures(
        with_measures(first, "member", each=[0.25, 0.35]), "distilled", error=0.31
    )
    table = script.derived(rows_as_table(first, second))
    found = script.EXPERIMENT.claims_about("laptop", script.Options())
    claims = {claim.name: claim.estimate for claim in found}

    def values(name: str) -> list[float]:
        return claims[name].of(table).by_seed.tolist()

    deviations = [0.02 / 2**0.5, 0.1 / 2**0.5]
    expected = [0.04 - 2 * each for each in deviations]
    assert values("gain against spread") == pytest.approx(expected)
    assert values("gain against the best") == pytest.approx([0.03, -0.01])
    assert values("half of the gain") == pytest.approx([0.01, -0.03])
