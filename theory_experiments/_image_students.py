"""Small networks on images taught by an ensemble of larger ones, lesson by lesson; born again."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.distill import (
    Hinton,
    Squares,
    averaged_logits,
    born_again,
    distillation_loss,
    per_student,
)
from multiview.ensemble import mean_logits
from multiview.models import SideBySide
from multiview.runs.experiment import Context
from multiview.train import frozen, target_loss
from multiview.train.loop import Loss
from theory_experiments._contrast import error, errors_of, spans
from theory_experiments._image_nets import Fast, Recipe, Trained, fast_recipe, train_group

# About, by what each takes.
WORK = {"members": 6, "labels": 1, "students": 6, "generations": 6}
# The students taught by the ensemble, in their order side by side.
LESSONS = ("hinton", "hinton_logits", "hinton_hot", "squares", "squares_centred")


@dataclass(frozen=True, kw_only=True)
class StudentsCell:
    """One repetition; images, initial weights and order depend on ``seed``.

    The rate is that of ``cifar_ensembles``. On training images held out from training, with seed
    1000, 30 epochs of 2,000 images were tried; there are fewer here for want of time.
    """

    part: str = "cifar10"
    seed: int = 0
    data: str = "cifar10"
    num_train: int = 1500
    num_validation: int = 500
    num_test: int = 2000
    members: int = 3
    teacher: Fast = field(default_factory=lambda: Fast(widths=(12, 24, 48)))
    student: Fast = field(default_factory=lambda: Fast(widths=(8, 16, 32)))
    recipe: Recipe = field(default_factory=lambda: replace(fast_recipe(epochs=16), together=10))
    temperature: float = 4.0
    hot: float = 20.0
    weight: float = 0.9  # of the lesson
    label_weight: float = 0.1
    rounds: int = 2  # born again


def run_students(
    cell: StudentsCell, images: ImageData, context: Context
) -> dict[str, dict[str, Any]]:
    """Train the members, students of all lessons, and generations of one member's shape.

    Returns:
        Of each method its ``error`` on test images after the last epoch, and ``best``, as it was
        when best on validation images. ``member``: the mean of the teachers, which are ``each``
        and ``best_each``; ``ensemble``: their mean logits; ``labels``: a network of the students'
        shape and start without a teacher; students of the ensemble: ``hinton`` and
        ``hinton_logits``, by T^2 KL at ``temperature`` from mean probabilities and from mean
        logits; ``hinton_hot``, from mean probabilities at ``hot``; ``squares`` and
        ``squares_centred``, by squares of logits over the number of classes, the latter T^2 KL's
        limit. ``round_0``: the first member; ``round_1`` and so on: each ``round`` taught by the
        one before.
    """
    drawn = stream(cell.seed, "images", "split")
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    splits = split(images, *sizes, drawn, context.device)
    parts = spans(WORK)
    train = partial(train_group, recipe=cell.recipe, splits=splits, seed=cell.seed, context=context)
    on_labels = target_loss(splits.train_labels)

    def nets(net: Fast, name: str, *numbers: int) -> list[nn.Module]:
        return [net.build(splits, stream(cell.seed, "init", name, i)) for i in numbers]

    members = train(
        "members",
        nets(cell.teacher, "members", *range(cell.members)),
        loss_of=lambda part: on_labels,
        span=parts["members"],
    )
    start = nets(cell.student, "student", 0)
    labels = train("labels", start, loss_of=lambda part: on_labels, span=parts["labels"])
    students = train(
        "students",
        nets(cell.student, "student", *[0 for _ in LESSONS]),  # the same start for all
        loss_of=lambda part: _lessons(cell, splits, members.nets, part),
        span=parts["students"],
    )
    begin, end = parts["generations"]
    later: list[Trained] = []

    def teach(student: nn.Module, teacher: nn.Module) -> None:
        weights = {"weight": cell.weight, "label_weight": cell.label_weight}
        teacher_outputs = frozen(teacher, cell.recipe.compute)
        loss = distillation_loss(
            splits.train_labels, teacher_outputs, Hinton(cell.temperature), **weights
        )
        done, step = len(later), (end - begin) / cell.rounds
        span = (begin + done * step, begin + (done + 1) * step)
        name = f"generation {done + 1}"
        later.append(train(name, [student], loss_of=lambda part: loss, span=span))

    born_again(members.nets[0], nets(cell.teacher, "generations", *range(cell.rounds)), teach)
    return _measured(splits.test_labels.cpu(), members, labels, students, later)


def _lessons(cell: StudentsCell, splits: Splits, members: Sequence[nn.Module], part: slice) -> Loss:
    """What the students in ``part`` of ``LESSONS`` are taught; the members look once for all."""
    together = frozen(SideBySide(members), cell.recipe.compute)
    normal, hot = cell.temperature, cell.hot

    lessons = {
        "hinton": (Hinton(normal), lambda each: averaged_logits(each, "probabilities", normal)),
        "hinton_logits": (Hinton(normal), mean_logits),
        "hinton_hot": (Hinton(hot), lambda each: averaged_logits(each, "probabilities", hot)),
        "squares": (Squares(center=False), mean_logits),
        "squares_centred": (Squares(), mean_logits),
    }
    chosen = [lessons[name] for name in LESSONS[part]]

    def teacher(inputs: Tensor) -> Float[Tensor, "n members k"]:
        each = together(inputs)
        return torch.stack([view(each) for _, view in chosen], 1)

    kd_loss = per_student(*(own for own, _ in chosen))
    weights = {"weight": cell.weight, "label_weight": cell.label_weight}
    return distillation_loss(splits.train_labels, teacher, kd_loss, **weights)


def _measured(
    truth: Int[Tensor, " t"],
    members: Trained,
    labels: Trained,
    students: Trained,
    later: Sequence[Trained],
) -> dict[str, dict[str, Any]]:
    """The row, as ``run_students`` says; ``truth``: labels of the test images."""
    row: dict[str, dict[str, Any]] = defaultdict(dict)
    for measure, each_name, kind in (("error", "each", "test"), ("best", "best_each", "best_test")):
        theirs, own, taught, *rounds = (
            getattr(group, kind) for group in (members, labels, students, *later)
        )
        each = errors_of(theirs, truth)
        row["member"] |= {measure: sum(each) / len(each), each_name: each}
        row["ensemble"][measure] = error(mean_logits(theirs), truth)
        row["labels"][measure] = error(own[:, 0], truth)
        for name, value in zip(LESSONS, errors_of(taught, truth), strict=True):
            row[name][measure] = value
        for i, outputs in enumerate((theirs, *rounds)):
            row[f"round_{i}"] |= {"round": i, measure: error(outputs[:, 0], truth)}
    return dict(row)
