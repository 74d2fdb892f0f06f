"""distillation: who learns what from which images, claims held against the paper's own numbers."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from multiview import stream
from multiview.data.splits import split
from multiview.distill import averaged_logits, hinton_kd, l2_logits
from multiview.models import MLP
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.train.loop import target_loss
from theory_experiments import _hinton, _image_students
from theory_experiments import distillation as script
from theory_experiments._hinton import HintonCell, run_hinton
from theory_experiments._hinton_numbers import PAPER
from theory_experiments._image_students import LESSONS, StudentsCell, run_students
from theory_experiments._parts import images_of

TINY = script.smoke()
PARTS = {"laptop": script.laptop(), "paper": script.paper()}
HEAT = HintonCell().temperatures
LARGE, SMALL = ([f"{name}_T{T:g}" for T in HEAT] for name in ("hinton", "small_hinton"))


@pytest.fixture(scope="module")
def digits():
    """A run of the digits part, with what every group was given."""
    groups, shifts = {}, []
    plain_train, plain_shift = _hinton.train_group, _hinton.best_shift

    def note_group(name, nets, recipe, splits, loss_of, **settings):
        groups[name] = {"splits": splits, "loss": loss_of(slice(0, len(nets))), "recipe": recipe}
        groups[name]["start"] = [next(net.parameters()).detach().clone() for net in nets]
        groups[name]["trained"] = plain_train(name, nets, recipe, splits, loss_of, **settings)
        return groups[name]["trained"]

    def note_shift(logits, labels, classes):
        shifts.append((logits, labels, classes))
        return plain_shift(logits, labels, classes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_hinton, "train_group", note_group)
        patch.setattr(_hinton, "best_shift", note_shift)
        row = run_hinton(TINY["mnist"], images_of(TINY["mnist"], Context()), Context())
    return row, groups, shifts


def test_each_student_meets_the_images_it_should(digits):
    _, groups, _ = digits
    whole = groups["teacher"]["splits"]
    met = {name: group["splits"].train_labels for name, group in groups.items()}
    assert met["labels"].equal(whole.train_labels)
    assert met["missing"].unique().tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert met["pair"].unique().tolist() == [7, 8]
    assert met["few_hinton"].equal(met["few_labels"])
    distinct = groups["few_hinton"]["splits"].train.flatten(1).unique(dim=0)
    assert len(distinct) == TINY["mnist"].few * len(whole.train)
    for name in ("missing", "pair", "few_hinton"):  # about as many steps as all others
        assert abs(len(met[name]) - len(whole.train)) <= 50
        images, labels = groups[name]["splits"].train, met[name]
        same = (images[:, None] == whole.train[None]).flatten(2).all(2)
        assert whole.train_labels[same.int().argmax(1)].equal(labels)


def test_students_of_a_size_start_alike_and_unlike_their_teacher(digits):
    _, groups, _ = digits
    starts = [w for name in ("labels", "hinton", "few_hinton") for w in groups[name]["start"]]
    assert all(each.equal(starts[0]) for each in starts)
    assert len(starts) == 4
    assert groups["teacher"]["recipe"].padding == 2
    assert groups["labels"]["recipe"].padding == 0
    assert groups["teacher"]["recipe"].optim.max_norm == 3.0


@pytest.mark.parametrize("name", ["hinton", "small_hinton", "missing", "few_hinton"])
def test_soft_lessons_are_the_teachers_logits_of_the_same_images_at_each_temperature(digits, name):
    _, groups, _ = digits
    cell, group = TINY["mnist"], groups[name]
    hot = cell.temperatures if name in ("hinton", "small_hinton") else (cell.temperature,)
    whole, own = groups["teacher"]["splits"], group["splits"]
    rows = torch.tensor([3, 41, 17, 8])
    logits = torch.randn(4, len(hot), 10, generator=stream(0, name))
    same = (own.train[rows][:, None] == whole.train[None]).flatten(2).all(2).int().argmax(1)
    taught = groups["teacher"]["trained"].train[same, 0]
    expected = 0.1 * target_loss(own.train_labels)(logits, own.train[rows], rows) + 0.9 * sum(
        hinton_kd(logits[:, i], taught, T) for i, T in enumerate(hot)
    )
    torch.testing.assert_close(group["loss"](logits, own.train[rows], rows), expected)


def test_shifts_are_chosen_on_validation_images_alone(digits):
    row, groups, shifts = digits
    whole = groups["teacher"]["splits"]
    assert [classes for _, _, classes in shifts] == [(3,), (7, 8)]
    assert all(labels.equal(whole.validation_labels) for _, labels, _ in shifts)
    assert row["missing_shifted"]["error"] <= 1
    assert row["missing"]["class_error"] >= row["missing_shifted"]["class_error"]


def test_students_stand_by_temperature_and_size(digits):
    row, groups, _ = digits
    labels = groups["teacher"]["splits"].test_labels
    for name, units in (("hinton", 8), ("small_hinton", 4)):
        outputs = groups[name]["trained"].test
        for place, T in enumerate(TINY["mnist"].temperatures):
            wrong = (outputs[:, place].argmax(1) != labels).double().mean().item()
            expected = {"error": wrong, "T": T, "units": units}
            assert row[f"{name}_T{T:g}"] == pytest.approx(expected)


def test_a_temperature_that_is_not_swept_is_refused():
    with pytest.raises(ValueError, match="temperatures"):
        HintonCell(temperature=3.0)


def test_each_student_of_the_ensemble_has_its_own_lesson():
    cell = TINY["cifar10"]
    images = images_of(cell, Context())
    splits = split(images, 100, 100, 100, stream(0, "images", "split"))
    members = [
        MLP(input_shape=(3, 32, 32), num_classes=10, widths=(6,), generator=stream(0, "m", i))
        for i in range(2)
    ]
    logits = torch.randn(4, len(LESSONS), 10, generator=stream(0, "students"))
    rows = torch.tensor([3, 41, 17, 8])
    seen = splits.train[rows]
    with torch.no_grad():
        each = torch.stack([member.eval()(seen) for member in members], 1)
    mean = each.mean(1)
    at = partial(averaged_logits, each, "probabilities")
    lessons = (
        hinton_kd(logits[:, 0], at(4.0), 4.0),
        hinton_kd(logits[:, 1], mean, 4.0),
        hinton_kd(logits[:, 2], at(20.0), 20.0),
        l2_logits(logits[:, 3], mean) / 10,
        l2_logits(logits[:, 4], mean, center=True) / 10,
    )
    labelled = target_loss(splits.train_labels)
    plain = replace(cell, recipe=replace(cell.recipe, compute=_hinton.ComputeSpec()))
    for part in (slice(0, 5), slice(1, 3)):
        loss = _image_students._lessons(plain, splits, members, part)
        chosen = logits[:, part]
        expected = 0.9 * sum(lessons[part]) + 0.1 * labelled(chosen, seen, rows)
        torch.testing.assert_close(loss(chosen, seen, rows), expected)


def test_generations_are_taught_one_by_the_other():
    row = run_students(TINY["cifar10"], images_of(TINY["cifar10"], Context()), Context())
    assert [row[f"round_{i}"]["round"] for i in range(3)] == [0, 1, 2]
    assert "round_3" not in row
    assert row["round_0"]["error"] == row["member"]["each"][0]
    assert row["round_0"]["best"] == row["member"]["best_each"][0]
    assert row["member"]["error"] == pytest.approx(sum(row["member"]["each"]) / 2)
    assert all(0 <= row[name][measure] <= 1 for name in LESSONS for measure in ("error", "best"))


# Errors as the papers have them, by method.
DIGITS = {
    **dict(zip(LARGE, (0.0110, 0.0080, 0.0076, 0.0075, 0.0074), strict=True)),
    **dict(zip(SMALL, (0.031, 0.025, 0.025, 0.028, 0.030), strict=True)),
    **{method: value for (method, name), (_, value) in PAPER.items() if name == "error"},
    "small_labels": 0.032,
    "few_labels": 0.055,
    "few_hinton": 0.019,
}
MORE_OF_DIGITS = {
    "missing": {"class_error": 133 / 1010},
    "missing_shifted": {"class_error": 14 / 1010, "shift": 3.5},
    "pair_shifted": {"shift": -7.6},
    "few_labels": {"best": 0.05, "train": 0.001},
    "few_hinton": {"best": 0.0189, "train": 0.004},
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
WORSE = ("hinton_T20", "few_hinton", "missing_shifted", "pair_shifted", "hinton")


def table(preset: str, worse: float = 0.0) -> pd.DataFrame:
    """Lines of the papers' errors; ``worse`` is added to what teachers should make better."""
    parts, lines = PARTS[preset], []
    for seed in range(4):
        draws = np.random.default_rng(seed)

        def add(cell, method, measures, axes=None, seed=seed, draws=draws):
            shift = worse * (method in WORSE)
            drawn = {
                name: value + 1e-4 * draws.standard_normal() + shift * ("err" in name)
                for name, value in measures.items()
            }
            found = vars(cell) | drawn | (axes or {})
            lines.append(found | {"method": method, "seed": seed, "status": "ok"})

        digits, images = parts["mnist"], parts["cifar10"]
        number = {"train_images": 4000 if preset == "laptop" else 55_000}
        add(digits, "data", {}, number)
        for method, error in DIGITS.items():
            axes = {}
            for names, widths in ((LARGE, digits.student_widths), (SMALL, digits.small_widths)):
                if method in names:
                    axes = {"T": HEAT[names.index(method)], "units": widths[0]}
            add(digits, method, {"error": error} | MORE_OF_DIGITS.get(method, {}), axes)
        for method, error in IMAGES.items():
            axes = {"round": int(method[-1])} if method.startswith("round") else {}
            add(images, method, {"error": error, "best": error}, axes)
    return pd.DataFrame(lines)


def verdicts(preset: str, part: str, worse: float = 0.0) -> dict[str, str]:
    claims = script.EXPERIMENT.claims_about(preset, script.Options(part=part))  # pyright: ignore[reportArgumentType]
    return {claim.name: judge(claim, table(preset, worse)).verdict for claim in claims}


def test_the_papers_own_numbers_support_every_claim():
    for part, number in (("mnist", 22), ("cifar10", 6)):
        found = verdicts("paper", part)
        assert len(found) == number
        assert set(found.values()) == {"supported"}, found


def test_students_that_learn_nothing_refute_what_teachers_should_give():
    found = verdicts("laptop", "mnist", worse=0.3) | verdicts("laptop", "cifar10", worse=0.3)
    for name in ("soft against hard", "half of the teacher", "missing digit", "two digits"):
        assert found[f"MNIST: {name}"] == "refuted", name
    for name in ("few images", "few images, no early stop"):
        assert found[f"MNIST: {name}"] == "refuted", name
    assert found["CIFAR-10: student"] == "refuted"
    assert found["CIFAR-10: averages"] == "refuted"


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
    assert cells["Test error in %", "student of labels"][:2][0] == "15.26"
    taught = cells["Test error in %", "T^2 KL, mean probabilities"]
    assert taught[0] == "14.31"
    assert taught[3].startswith("7.6 [")
    assert cells["Test error in %", "one teacher"][3] == ""
    assert cells["3% of the images", "labels"][1].startswith("5.0 [")


def test_titles_say_how_large_a_run_is():
    for preset, images, units in (("laptop", 4000, "800 x 800"), ("paper", 55_000, "1200 x 1200")):
        first = next(iter(script.EXPERIMENT.tables(table(preset))))
        assert f"{images} training images, units of the teacher {units}," in first.title


@pytest.mark.parametrize("part", ["mnist", "cifar10"])
def test_one_part_can_be_drawn_alone(part):
    draw = __import__("figures.distillation", fromlist=["draw"]).draw
    rows = table("laptop")
    figure = draw(rows[rows["part"] == part])
    titles = [axes.get_title("left") for sub in figure.subfigs for axes in sub.axes]
    assert len(titles) == (3 if part == "mnist" else 2)
    assert all(titles)


def test_parts_are_chosen_and_missing_images_said_before_any_work():
    experiment = find("distillation")
    every = experiment.cells("laptop", script.Options(), 2)
    assert [(cell.part, cell.seed) for cell in every] == [
        (part, seed) for seed in (10, 11) for part in ("mnist", "cifar10", "synthetic")
    ]
    alone = experiment.cells("laptop", script.Options(part="synthetic"), 1)
    assert script.cost(alone, Context()) is None
    experiment.check(alone, Context())
    with pytest.raises(ValueError, match=r"cifar10 and mnist.*--part synthetic"):
        experiment.check(every, Context())


def test_costs_count_every_network():
    nets = script.nets_of(StudentsCell())
    assert sum(number for _, number, _ in nets) == 3 + 2 + 1 + 5
    assert sum(number for _, number, _ in script.nets_of(HintonCell())) == 1 + 10 + 6
    assert np.isfinite([recipe.optim.learning_rate for _, _, recipe in nets]).all()
