"""distillation: who meets which images, claims held against the papers' own numbers, tables."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn_numbers import points
from tidy_tables import table_of

from figures.distillation import draw
from multiview.bench import check, run
from multiview.bench.images import ImageSetting
from multiview.methods import Student, TransferSet, Variant
from multiview.runs.claims import Claim, judge
from multiview.runs.estimates import select
from multiview.runs.experiment import Context
from theory_experiments import distillation as script
from theory_experiments.views import digits, image_students
from theory_experiments.views.distillation_published import PAPER

PARTS = {"laptop": script.LAPTOP, "paper": script.PAPER}
LARGE, SMALL = (
    [f"{name}_T{T:g}" for T in digits.TEMPERATURES] for name in ("hinton", "small_hinton")
)
STUDENTS = ("hinton", "hinton_logits", "hinton_hot", "squares", "squares_centred")


@pytest.fixture(scope="module", params=["mnist", "cifar10"])
def computed(request):
    return request.param, run(script.SMOKE[request.param], Context())


def test_every_method_has_its_measures(computed):
    part, row = computed
    for name in script.SMOKE[part].methods:
        averaged = {"single", "ten"} & {name}  # of methods that are several, no epoch is the best
        expected = {"error", "train"} | (set() if averaged else {"best"})
        assert expected <= row[name].keys(), name
    if part == "cifar10":
        assert [row[name]["round"] for name in image_students.ROUNDS] == [0, 1, 2]
        assert row["round_0"]["error"] == row["member"]["each"][0]
        return
    for name in ("missing", "pair"):
        assert {"class_error", "transfer_error"} <= row[name].keys()
        assert {"error", "class_error", "shift"} == row[f"{name}_shifted"].keys()
    assert row["hinton_T1"]["T"] == row["small_hinton_T1"]["T"] == 1
    assert (row["labels"]["units"], row["small_labels"]["units"]) == (8, 4)
    assert row["data"]["train_images"] == 100


def test_each_student_meets_the_images_it_should():
    cell = script.LAPTOP["mnist"]
    labels = script.SMOKE["mnist"].setting.bench(0, Context()).labels
    found = {name: each.samples for name, each in cell.methods.items() if isinstance(each, Variant)}
    chosen = {name: each for name, each in found.items() if isinstance(each, TransferSet)}
    met = {name: labels[each.rows(labels)] for name, each in chosen.items()}
    assert met.keys() == {"few_labels", "few_hinton", "missing", "pair"}
    assert met["missing"].unique().tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert met["pair"].unique().tolist() == [7, 8]
    assert found["few_hinton"] == found["few_labels"]
    assert len(met["few_labels"]) == 10  # at least one of each class


def test_the_teacher_alone_is_regularised():
    setting = script.LAPTOP["mnist"].setting
    assert isinstance(setting, ImageSetting)
    assert setting.recipe.padding == 2
    assert setting.recipe.optim.max_norm == 3.0
    assert not setting.students.augments


def test_students_of_the_ensemble_differ_in_their_loss_and_its_mean_alone():
    methods = script.LAPTOP["cifar10"].methods
    students = [methods[name] for name in STUDENTS]
    plain = {
        replace(each, kd_loss=Student().kd_loss, teacher=methods["member"])
        for each in students
        if isinstance(each, Student)
    }
    assert len(plain) == 1
    assert len(set(students)) == len(STUDENTS)


# Errors as the papers have them, by method.
DIGITS: dict[str, dict[str, Any]] = {
    **{
        name: {"error": error, "T": T, "units": 800}
        for name, T, error in zip(
            LARGE, digits.TEMPERATURES, (0.0110, 0.0080, 0.0076, 0.0075, 0.0074), strict=True
        )
    },
    **{
        name: {"error": error, "T": T, "units": 30}
        for name, T, error in zip(
            SMALL, digits.TEMPERATURES, (0.031, 0.025, 0.025, 0.028, 0.030), strict=True
        )
    },
    "teacher": {"error": 0.0067, "units": 1200},
    "labels": {"error": 0.0146, "units": 800},
    "small_labels": {"error": 0.032, "units": 30},
    "single": {"error": 0.0146},
    "ten": {"error": 0.012},
    "of_ten": {"error": 0.0122},
    "few_labels": {"error": 0.055, "best": 0.05, "transfer_error": 0.001, "share": 3e-2},
    "few_hinton": {"error": 0.019, "best": 0.0189, "transfer_error": 0.004, "share": 3e-2},
    "missing": {"error": 0.0206, "class_error": 133 / 1010},
    "missing_shifted": {"error": 0.0109, "class_error": 14 / 1010, "shift": 3.5},
    "pair": {"error": 0.473},
    "pair_shifted": {"error": 0.132, "shift": -7.6},
}
IMAGES = {
    "member": 0.12,
    "ensemble": 0.11,
    "labels": 0.218,
    "hinton": 0.142,
    "hinton_logits": 0.143,
    "hinton_hot": 0.144,
    "squares": 0.15,
    "squares_centred": 0.147,
    "round_0": 0.12,
    "round_1": 0.115,
    "round_2": 0.113,
}
WORSE = ("of_ten", "hinton_T20", "few_hinton", "missing_shifted", "pair_shifted", "hinton")


def table(preset: str, worse: float = 0.0) -> pd.DataFrame:
    """Lines of the papers' errors; ``worse`` is added to what teachers should make better."""
    number = {"data": {"train_images": 4000 if preset == "laptop" else 55_000}}
    images = {
        name: {"error": error, "best": error}
        | ({"round": int(name[-1])} if name.startswith("round") else {})
        for name, error in IMAGES.items()
    }
    computed = []
    for seed in range(4):
        draws = np.random.default_rng(seed)
        for part, row in (("mnist", DIGITS | number), ("cifar10", images)):
            cell = replace(PARTS[preset][part], seed=seed)
            computed.append((cell, drawn(row, worse, draws)))
    return script.EXPERIMENT.derived(table_of(*computed))


def drawn(
    row: Mapping[str, Mapping[str, Any]], worse: float, draws: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """The row of a repetition."""

    def value_of(name: str, measure: str, value: Any) -> Any:
        if measure not in ("error", "best", "class_error", "transfer_error", "shift"):
            return value
        return value + 1e-4 * draws.standard_normal() + worse * (name in WORSE and "err" in measure)

    return {
        name: {measure: value_of(name, measure, value) for measure, value in measures.items()}
        for name, measures in row.items()
    }


def verdicts(preset: str, part: str, worse: float = 0.0) -> dict[str, str]:
    claims = script.CLAIMS[part](PARTS[preset][part])
    return {claim.name: judge(claim, table(preset, worse)).verdict for claim in claims}


def test_the_papers_own_numbers_support_every_claim():
    for part, number in (("mnist", 24), ("cifar10", 6)):
        found = verdicts("paper", part)
        assert len(found) == number
        assert set(found.values()) == {"supported"}, found


def test_students_that_learn_nothing_refute_what_teachers_should_give():
    found = verdicts("laptop", "mnist", worse=0.3) | verdicts("laptop", "cifar10", worse=0.3)
    for name in ("soft against hard", "half of the teacher", "missing digit", "two digits"):
        assert found[f"MNIST: {name}"] == "refuted", name
    for name in ("few images", "few images, no early stop"):
        assert found[f"MNIST: {name}"] == "refuted", name
    assert found["MNIST: student of ten"] == "refuted"
    assert found["CIFAR-10: student"] == "refuted"
    assert found["CIFAR-10: averages"] == "refuted"
    assert not any("published" in claim.statement for claim in claims_of_laptop())


def claims_of_laptop() -> list[Claim]:
    return script.EXPERIMENT.claims_about("laptop", script.Options())


def printed(rows: pd.DataFrame) -> dict[tuple[str, str], list[str]]:
    """Cells of all tables by the table's first words and the line."""
    found = {}
    for listing in script.EXPERIMENT.tables(rows):
        for _, (label, *texts) in listing.grid(rows).rows:
            found[listing.title.partition(":")[0], label] = texts
    return found


def test_tables_hold_the_papers_numbers_beside_ours():
    rows = table("paper")
    cells = printed(rows)
    for what, value in PAPER.values():
        paper, ours, difference = cells["Test error in %", what]
        assert paper == f"{100 * value:.2f}"
        assert float(ours.split()[0]) == pytest.approx(100 * value, abs=0.07)
        assert float(difference.split()[0]) == pytest.approx(0, abs=0.07)
    (shifts,) = {name for name, _ in cells if name.startswith("Shift")}
    assert cells[shifts, "student without 3s"][0] == "3.5"
    assert cells[shifts, "student of 7s and 8s alone"][0] == "-7.6"
    assert cells["Test error in % by temperature", "T=4"][1].startswith("2.5 [")
    assert cells["Test error in % by temperature", "labels"][1].startswith("3.2 [")
    assert cells["Test error in %", "student of labels"][:2][0] == "15.26"
    taught = cells["Test error in %", "T^2 KL, mean probabilities"]
    assert taught[0] == "14.31"
    assert taught[3].startswith("7.6 [")
    assert cells["Test error in %", "one teacher"][3] == ""
    assert cells["3% of the images", "labels"][1].startswith("5.0 [")
    first = next(iter(script.EXPERIMENT.tables(rows)))
    assert "55000 training images, 1200 units a layer in the teacher and 800 in" in first.title


def test_digits_are_drawn_beside_the_papers_errors():
    rows = select(table("paper"), part="mnist")
    (axes,) = draw(rows).axes
    assert axes.get_title("left") == "a  Errors on MNIST, 55,000 images"
    crosses = sorted(x for marker, x, _ in points(axes) if marker == "x")
    assert crosses == pytest.approx(sorted(error for _, error in PAPER.values()))
    ours = sorted(x for marker, x, _ in points(axes) if marker == "o")
    few = [DIGITS[who]["error"] for who in ("few_labels", "few_hinton")]
    assert ours == pytest.approx(sorted([*crosses, *few]), abs=3e-4)
    made_up = script.EXPERIMENT.derived(rows.assign(data="multi_view"))
    assert not any(marker == "x" for marker, *_ in points(draw(made_up).axes[0]))


def test_gains_on_images_are_paired():
    rows = select(table("laptop"), part="cifar10")
    (axes,) = draw(rows).axes
    names = [each.get_text() for each in axes.get_yticklabels()]
    drawn = dict(zip(names, [x for _, x, _ in points(axes)], strict=True))
    known = {
        "mean of probabilities": IMAGES["labels"] - IMAGES["hinton"],
        "ensemble": IMAGES["member"] - IMAGES["ensemble"],
        "taught by it, round 2": IMAGES["round_0"] - IMAGES["round_2"],
    }
    assert {name: drawn[name] for name in known} == pytest.approx(known, abs=3e-4)


def test_parts_are_chosen_and_missing_images_said_before_any_work():
    every = script.EXPERIMENT.cells("laptop", script.Options(), 2)
    assert [(cell.part, cell.seed) for cell in every] == [
        (part, seed) for seed in (10, 11) for part in ("mnist", "cifar10", "synthetic")
    ]
    alone = script.EXPERIMENT.cells("laptop", script.Options(part="synthetic"), 1)
    assert script.EXPERIMENT.cost(alone, Context()) is None
    check(alone, Context())
    with pytest.raises(ValueError, match="mnist is read from --data-dir"):
        check(every, Context())
