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
from multiview.distill import best_shift, hinton_kd, per_student, shifted, taught_loss
from multiview.runs.experiment import Context
from multiview.train.compute import ComputeSpec, outputs_of
from multiview.train.loop import Loss, target_loss
from multiview.train.optim import OptimSpec
from theory_experiments._contrast import error, errors_of, spans
from theory_experiments._image_nets import Dense, Recipe, Trained, train_group

# About, by what each takes.
WORK = {
    "teacher": 8,
    "hard": 2,
    "by_temperature": 8,
    "small_hard": 1,
    "small_by_temperature": 3,
    "few_hard": 2,
    "few_soft": 2,
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


def run_hinton(cell: HintonCell, images: ImageData, context: Context) -> dict[str, Any]:
    """Train the teacher and all its students.

    Returns:
        Test errors after the last epoch: ``teacher``; ``hard`` and ``soft``, students of labels and
        of the teacher at ``temperature``; ``by_temperature``, of ``student``, and
        ``small_by_temperature`` and ``small_hard``, of ``small`` units; ``few_hard`` and
        ``few_soft`` of a share of the images, with ``_best`` as they were when best on validation
        images and ``_train`` on that share. ``missing``: of a student that saw no image of the
        class ``MISSING``; ``missing_class``: on that class alone; ``missing_shifted`` and
        ``missing_class_shifted``: after the ``missing_shift`` of its logit that was best on the
        validation images. ``pair...``: the same of a student that saw the classes ``PAIR`` alone.
        ``train_images``: how many there are.
    """
    drawn = stream(cell.seed, "images", "split")
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    splits = split(images, *sizes, drawn, context.device)
    few = _repeated(_few(cell, splits.train_labels.cpu()), len(splits.train))
    groups = _train(cell, splits, few, context)
    return _columns(cell, splits, groups, splits.train_labels.cpu()[few])


def _train(
    cell: HintonCell, splits: Splits, few: Int[Tensor, " m"], context: Context
) -> dict[str, Trained]:
    """The teacher and its students, by the names of their columns."""
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
            each = per_student(*(partial(hinton_kd, temperature=T) for T in hot[part]))
            weights = {"weight": cell.weight, "label_weight": cell.label_weight}
            return taught_loss(labels, taught[chosen], each, **weights)

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
        "hard": students("hard", cell.student_widths, ()),
        "by_temperature": students("by_temperature", cell.student_widths, cell.temperatures),
        "small_hard": students("small_hard", small, ()),
        "small_by_temperature": students("small_by_temperature", small, cell.temperatures),
        "few_hard": students("few_hard", cell.student_widths, (), few),
        "few_soft": students("few_soft", cell.student_widths, hot, few),
        "missing": students("missing", cell.student_widths, hot, without),
        "pair": students("pair", cell.student_widths, hot, pair),
    }


def _few(cell: HintonCell, labels: Int[Tensor, " n"]) -> Int[Tensor, " m"]:
    """As many of each class; the training images stand in random order."""
    share = max(1, round(cell.few * len(labels) / (int(labels.max()) + 1)))
    return torch.cat([(labels == j).nonzero()[:share, 0] for j in labels.unique()])


def _repeated(rows: Int[Tensor, " m"], number: int) -> Int[Tensor, " n"]:
    """The rows again and again, for epochs of about as many steps as those of all images."""
    return rows.repeat(max(1, round(number / len(rows))))


def _columns(
    cell: HintonCell, splits: Splits, groups: Mapping[str, Trained], few: Int[Tensor, " m"]
) -> dict[str, Any]:
    """The row, as ``run_hinton`` names its columns; ``few``: labels of the share of images."""
    labels = splits.test_labels.cpu()
    row: dict[str, Any] = {"train_images": len(splits.train)}
    for name, group in groups.items():
        errors = errors_of(group.test, labels)
        row[name] = errors if name.endswith("by_temperature") else errors[0]
    row["soft"] = row["by_temperature"][cell.temperatures.index(cell.temperature)]
    for name in ("few_hard", "few_soft"):
        row[f"{name}_best"] = error(groups[name].best_test[:, 0], labels)
        row[f"{name}_train"] = error(groups[name].train[:, 0], few)
    known = splits.validation_labels.cpu()
    for name, classes in (("missing", (MISSING,)), ("pair", PAIR)):
        (net,) = groups[name].nets
        held = outputs_of(net, splits.validation, compute=cell.learning.compute).cpu()
        shift = best_shift(held, known, classes)
        plain = groups[name].test[:, 0]
        those = torch.isin(labels, torch.tensor(classes))
        for ending, outputs in (("", plain), ("_shifted", shifted(plain, classes, shift))):
            row[f"{name}{ending}"] = error(outputs, labels)
            row[f"{name}_class{ending}"] = error(outputs[those], labels[those])
        row[f"{name}_shift"] = shift
    return row
