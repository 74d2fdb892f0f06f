"""Hinton's experiments on digits: hard and soft targets, hot and cold, whole and lacking.

Hinton, Vinyals & Dean (arXiv 1503.02531, Sections 3 and 5): a large network with dropout, bounded
weights and shifted images teaches smaller ones, without any of these, on a transfer set as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.distill import Hinton, best_shift, distillation_loss, per_student, shifted
from multiview.runs.experiment import Context
from multiview.train import ComputeSpec, OptimSpec, outputs_of, target_loss
from multiview.train.loop import Loss
from theory_experiments._contrast import error, errors_of, spans
from theory_experiments._image_nets import Dense, Recipe, Trained, train_group

# About, by what each takes.
WORK = {
    "teacher": 8,
    "labels": 2,
    "hinton": 8,
    "small_labels": 1,
    "small_hinton": 3,
    "few_labels": 2,
    "few_hinton": 2,
    "missing": 2,
    "pair": 2,
}
PAIR = (7, 8)  # the only classes of the smallest transfer set
MISSING = 3


@dataclass(frozen=True, kw_only=True)
class HintonCell:
    """One repetition of all of it; images, initial weights and order depend on ``seed``.

    Rates of 0.01 to 0.1 and 20 to 60 epochs were compared on training images held out from
    training, with seed 1000.
    """

    part: str = "mnist"
    seed: int = 0
    data: str = "mnist"
    num_train: int | None = 4000  # None: all but the validation images
    num_validation: int = 1000  # of the training file too; the shifts are chosen on them
    num_test: int | None = None  # None: all
    teacher_widths: tuple[int, ...] = (800, 800)
    student_widths: tuple[int, ...] = (300, 300)
    small_widths: tuple[int, ...] = (30, 30)
    temperature: float = 20.0
    temperatures: tuple[float, ...] = (1.0, 2.5, 4.0, 8.0, 20.0)
    weight: float = 0.9  # of T^2 KL
    label_weight: float = 0.1
    few: float = 0.03  # of the training images
    teaching: Recipe = field(default_factory=lambda: teacher_recipe(epochs=60))
    learning: Recipe = field(default_factory=lambda: student_recipe(epochs=40))

    def __post_init__(self) -> None:
        if self.temperature not in self.temperatures:
            raise ValueError(
                f"temperature={self.temperature} is that of the transfer sets and must be one of "
                f"temperatures={self.temperatures}."
            )


def teacher_recipe(epochs: int) -> Recipe:
    """Shifts by up to 2 pixels, and incoming weights of bounded length."""
    optim = OptimSpec(
        epochs=epochs, batch_size=100, learning_rate=0.03, weight_decay=0.0, max_norm=3.0
    )
    return Recipe(optim=optim, flip=False, padding=2, compute=ComputeSpec(bfloat16=True))


def student_recipe(epochs: int) -> Recipe:
    """No regularisation: images as they are, so that what a teacher says of each is known once."""
    optim = OptimSpec(epochs=epochs, batch_size=100, learning_rate=0.01, weight_decay=0.0)
    compute = ComputeSpec(bfloat16=True)
    return Recipe(optim=optim, flip=False, padding=0, compute=compute, together=10)


def run_hinton(cell: HintonCell, images: ImageData, context: Context) -> dict[str, dict[str, Any]]:
    """Train the teacher and all its students.

    Returns:
        Of each method its ``error`` on test images after the last epoch. ``teacher``; ``labels``
        and, by temperature, "hinton_T1" and so on, students of labels and of the teacher at
        ``T``, of ``units`` a layer; ``small_labels`` and "small_hinton_T1", the same of fewer
        units; ``few_labels`` and ``few_hinton``, taught at ``temperature`` with a share of the
        images: ``best`` is their error when they were best on validation images, ``train`` that on
        the share. ``missing``: a student that saw no image of the class ``MISSING``, with its
        ``class_error`` on that class alone; ``missing_shifted``: after the ``shift`` of that
        class's logit that was best on the validation images. ``pair`` and ``pair_shifted``: the
        same of a student that saw images of the classes ``PAIR`` alone. ``data`` counts the
        ``train_images``.
    """
    drawn = stream(cell.seed, "images", "split")
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    splits = split(images, *sizes, drawn, context.device)
    few = _repeated(_few(cell, splits.train_labels.cpu()), len(splits.train))
    groups = _train(cell, splits, few, context)
    return _measured(cell, splits, groups, splits.train_labels.cpu()[few])


def _train(
    cell: HintonCell, splits: Splits, few: Int[Tensor, " m"], context: Context
) -> dict[str, Trained]:
    """The teacher and its students; those at several temperatures are one group."""
    n, parts = len(splits.train), spans(WORK)
    train = partial(train_group, seed=cell.seed, context=context)
    dense = Dense(widths=cell.teacher_widths, input_dropout=0.2, dropout=0.5)
    teacher = train(
        "teacher",
        [dense.build(splits, stream(cell.seed, "init", "teacher"))],
        cell.teaching,
        splits,
        lambda part: target_loss(splits.train_labels),
        span=parts["teacher"],
    )
    taught = teacher.train[:, 0].to(context.device)

    def students(
        name: str, widths: tuple[int, ...], hot: Sequence[float], rows: Tensor | None = None
    ) -> Trained:
        """One student for each temperature; one of labels alone where there is none."""
        chosen = torch.arange(n) if rows is None else rows
        labels = splits.train_labels[chosen]
        lacking = replace(splits, train=splits.train[chosen], train_labels=labels)

        def lesson(part: slice) -> Loss:
            if not hot:
                return target_loss(labels)
            each = per_student(*(Hinton(T) for T in hot[part]))
            weights = {"weight": cell.weight, "label_weight": cell.label_weight}
            return distillation_loss(labels, taught[chosen], each, **weights)

        # The same start for all of a size: they differ in what they are taught.
        nets = [
            Dense(widths=widths).build(splits, stream(cell.seed, "init", "student"))
            for _ in hot or (0.0,)
        ]
        return train(name, nets, cell.learning, lacking, lesson, span=parts[name])

    labels = splits.train_labels.cpu()
    hot = (cell.temperature,)
    without = _repeated((labels != MISSING).nonzero()[:, 0], n)
    pair = _repeated(torch.isin(labels, torch.tensor(PAIR)).nonzero()[:, 0], n)
    small = cell.small_widths
    return {
        "teacher": teacher,
        "labels": students("labels", cell.student_widths, ()),
        "hinton": students("hinton", cell.student_widths, cell.temperatures),
        "small_labels": students("small_labels", small, ()),
        "small_hinton": students("small_hinton", small, cell.temperatures),
        "few_labels": students("few_labels", cell.student_widths, (), few),
        "few_hinton": students("few_hinton", cell.student_widths, hot, few),
        "missing": students("missing", cell.student_widths, hot, without),
        "pair": students("pair", cell.student_widths, hot, pair),
    }


def _few(cell: HintonCell, labels: Int[Tensor, " n"]) -> Int[Tensor, " m"]:
    """Places of equally many images of each class, the first ones: they stand in random order."""
    share = max(1, round(cell.few * len(labels) / (int(labels.max()) + 1)))
    return torch.cat([(labels == j).nonzero()[:share, 0] for j in labels.unique()])


def _repeated(rows: Int[Tensor, " m"], number: int) -> Int[Tensor, " n"]:
    """The rows again and again, for epochs of about as many steps as those of all images."""
    return rows.repeat(max(1, round(number / len(rows))))


def _measured(
    cell: HintonCell, splits: Splits, groups: Mapping[str, Trained], few: Int[Tensor, " m"]
) -> dict[str, dict[str, Any]]:
    """The row, as ``run_hinton`` says; ``few``: labels of the share of images."""
    labels = splits.test_labels.cpu()
    row: dict[str, dict[str, Any]] = {"data": {"train_images": len(splits.train)}}
    swept = {"hinton": cell.student_widths[0], "small_hinton": cell.small_widths[0]}
    for name, group in groups.items():
        errors = errors_of(group.test, labels)
        if name not in swept:
            row[name] = {"error": errors[0]}
            continue
        for T, value in zip(cell.temperatures, errors, strict=True):
            row[f"{name}_T{T:g}"] = {"error": value, "T": T, "units": swept[name]}
    for name in ("few_labels", "few_hinton"):
        row[name]["best"] = error(groups[name].best_test[:, 0], labels)
        row[name]["train"] = error(groups[name].train[:, 0], few)
    for name, classes in (("missing", (MISSING,)), ("pair", PAIR)):
        row |= _before_and_after_shift(name, classes, groups[name], splits, cell)
    return row


def _before_and_after_shift(
    name: str, classes: tuple[int, ...], group: Trained, splits: Splits, cell: HintonCell
) -> dict[str, dict[str, Any]]:
    """A student's errors as trained, and with one bias of these classes shifted."""
    labels = splits.test_labels.cpu()
    held = outputs_of(group.nets[0], splits.validation, compute=cell.learning.compute).cpu()
    shift = best_shift(held, splits.validation_labels.cpu(), classes)
    those = torch.isin(labels, torch.tensor(classes))

    def errors(outputs: Tensor) -> dict[str, float]:
        return {
            "error": error(outputs, labels),
            "class_error": error(outputs[those], labels[those]),
        }

    plain = group.test[:, 0]
    after = errors(shifted(plain, classes, shift)) | {"shift": shift}
    return {name: errors(plain), f"{name}_shifted": after}
