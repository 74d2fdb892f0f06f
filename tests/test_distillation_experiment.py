"""distillation: who learns what from which images, claims held against the paper's own numbers."""

import io
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

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
        row = run_hinton(TINY.mnist, images_of(TINY.mnist, Context()), Context())
    return row, groups, shifts


def test_each_student_meets_the_images_it_should(digits):
    _, groups, _ = digits
    whole = groups["teacher"]["splits"]
    met = {name: group["splits"].train_labels for name, group in groups.items()}
    assert met["hard"].equal(whole.train_labels)
    assert met["missing"].unique().tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert met["pair"].unique().tolist() == [7, 8]
    assert met["few_soft"].equal(met["few_hard"])
    distinct = groups["few_soft"]["splits"].train.flatten(1).unique(dim=0)
    assert len(distinct) == TINY.mnist.few * len(whole.train)
    for name in ("missing", "pair", "few_soft"):  # about as many steps as all others
        assert abs(len(met[name]) - len(whole.train)) <= 50
        images, labels = groups[name]["splits"].train, met[name]
        same = (images[:, None] == whole.train[None]).flatten(2).all(2)
        assert whole.train_labels[same.int().argmax(1)].equal(labels)


def test_students_of_a_size_start_alike_and_unlike_their_teacher(digits):
    _, groups, _ = digits
    starts = [w for name in ("hard", "by_temperature", "few_soft") for w in groups[name]["start"]]
    assert all(each.equal(starts[0]) for each in starts)
    assert len(starts) == 4
    assert groups["teacher"]["recipe"].padding == 2
    assert groups["hard"]["recipe"].padding == 0
    assert groups["teacher"]["recipe"].optim.max_norm == 3.0


@pytest.mark.parametrize("name", ["by_temperature", "small_by_temperature", "missing", "few_soft"])
def test_soft_lessons_are_the_teachers_logits_of_the_same_images_at_each_temperature(digits, name):
    _, groups, _ = digits
    cell, group = TINY.mnist, groups[name]
    hot = cell.temperatures if name.endswith("by_temperature") else (cell.temperature,)
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
    assert row["missing_shifted"] <= 1
    assert row["soft"] == row["by_temperature"][-1]
    assert row["missing_class"] >= row["missing_class_shifted"]


def test_a_temperature_that_is_not_swept_is_refused():
    with pytest.raises(ValueError, match="temperatures"):
        HintonCell(temperature=3.0)


def test_each_student_of_the_ensemble_has_its_own_lesson():
    cell = TINY.cifar10
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
    row = run_students(TINY.cifar10, images_of(TINY.cifar10, Context()), Context())
    assert len(row["generations"]) == len(row["generations_best"]) == 3
    assert row["generations"][0] == row["one_each"][0]
    assert row["one"] == pytest.approx(sum(row["one_each"]) / 2)
    assert all(0 <= row[f"{name}{ending}"] <= 1 for name in LESSONS for ending in ("", "_best"))


# Rows as the papers have them.
DIGITS = {
    **{column: value for column, (_, value) in PAPER.items()},
    "by_temperature": [0.0110, 0.0080, 0.0076, 0.0075, 0.0074],
    "small_by_temperature": [0.031, 0.025, 0.025, 0.028, 0.030],
    "small_hard": 0.032,
    "train_images": 55_000,
    "missing_shift": 3.5,
    "pair_shift": -7.6,
    "few_hard": 0.055,
    "few_soft": 0.019,
    "few_hard_best": 0.05,
    "few_soft_best": 0.0189,
    "few_hard_train": 0.001,
    "few_soft_train": 0.004,
}
IMAGES = {
    "one": 0.12,
    "one_each": [0.12] * 3,
    "ensemble": 0.11,
    "labels": 0.218,
    "kd": 0.142,
    "kd_logits": 0.143,
    "kd_hot": 0.144,
    "l2": 0.15,
    "l2_centred": 0.147,
    "generations": [0.12, 0.115, 0.113],
}
IMAGES |= {f"{name}_best": value for name, value in IMAGES.items()}


def table(preset: str, worse: float = 0.0) -> pd.DataFrame:
    """Rows of the papers' errors; ``worse`` is added to what teachers should make better."""
    parts, rows = script.PRESETS[preset](), []
    for seed in range(4):
        jitter = (seed - 1.5) * 1e-4
        for cell, values in ((parts.mnist, DIGITS), (parts.cifar10, IMAGES)):
            own = {k: v + jitter if isinstance(v, float) else v for k, v in values.items()}
            for name in ("soft", "few_soft", "missing_class_shifted", "pair_shifted", "kd"):
                if name in own:
                    own[name] += worse
            if cell is parts.mnist and preset == "laptop":
                own["train_images"] = 4000
            rows.append({**vars(cell), **own, "seed": seed, "status": "ok"})
    return pd.DataFrame(rows)


def verdicts(preset: str, part: str, worse: float = 0.0) -> dict[str, str]:
    claims = script.claims(preset, script.Options(part=part))  # pyright: ignore[reportArgumentType]
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


def test_the_summary_calls_another_size_by_its_name():
    def printed(preset):
        text = io.StringIO()
        Console(file=text, width=200).print(script.summary(table(preset)))
        return text.getvalue()

    small, full = printed("laptop"), printed("paper")
    assert small.count("other size") == len(PAPER) + 1
    assert full.count("agrees") == len(PAPER)
    assert full.count("other size") == 1
    assert "1.46" in small


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
        (part, seed) for seed in range(2) for part in ("mnist", "cifar10", "synthetic")
    ]
    alone = experiment.cells("laptop", script.Options(part="synthetic"), 1)
    assert script.cost(alone, Context()) is None
    with pytest.raises(ValueError, match=r"cifar10 and mnist.*--part synthetic"):
        script.cost(every, Context())


def test_costs_count_every_network():
    nets = script.nets_of(StudentsCell())
    assert sum(number for _, number, _ in nets) == 3 + 2 + 1 + 5
    assert sum(number for _, number, _ in script.nets_of(HintonCell())) == 1 + 10 + 6
    assert np.isfinite([recipe.optim.learning_rate for _, _, recipe in nets]).all()
