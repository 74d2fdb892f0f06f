"""distillation_loss: labels and a teacher that sees what the student sees; for ``fit``."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.distill.kd import Hinton, KDLoss
from multiview.train import frozen, target_loss
from multiview.train.loop import Loss, numbered, targets_at
from multiview.train.source import LoaderTargets

# A function of the inputs, or its logits on all training samples.
Teacher = Callable[[Tensor], Tensor] | Float[Tensor, "n *members k"]


def distillation_loss(
    targets: Int[Tensor, " n"] | Float[Tensor, "n k"] | None,
    teacher: Teacher,
    kd_loss: KDLoss = Hinton(),
    *,
    weight: float = 1.0,
    label_weight: float = 1.0,
    smoothing: float = 0.0,
) -> Loss:
    """``label_weight`` times cross-entropy with the targets plus ``weight`` times ``kd_loss``.

    Of one student's logits (batch, k), or of many side by side, (batch, members, k): the sum of
    theirs.

    Args:
        targets: Labels (n,) or probabilities (n, k) of all training samples; None for those that
            a loader gives.
        teacher: From the inputs as the students see them, augmented, to logits: (batch, k), or
            (batch, members, k) for a teacher of its own for each student; ``frozen`` makes one. Or
            such logits of all training samples in their order, where nothing is augmented. A module
            is frozen here; whatever teaches gets no gradient.
        kd_loss: ``Hinton``, ``Squares``, ``PaperUpdate`` or any function of student and teacher
            logits, of one shape, that gives one value per sample. A mean is all that is needed
            here, so that a scalar, the mean over samples and students, is accepted too.
        label_weight: 0 looks at no target, as for unlabelled samples.
        smoothing: Of the targets, not of the teacher.

    Raises:
        ValueError: If an argument is out of range; at the first batch, if teacher, targets and
            students are of different classes, or ``kd_loss`` gives another shape.
    """
    weight = checks.not_negative("weight", weight)
    label_weight = checks.not_negative("label_weight", label_weight)
    on_targets = target_loss(targets, smoothing)
    checks.function("kd_loss", kd_loss)
    if isinstance(teacher, Tensor):
        check_teacher_logits(teacher)
    else:
        checks.function("teacher", teacher)
    if isinstance(teacher, Tensor) and targets is not None and len(teacher) != len(targets):
        raise ValueError(
            f"teacher has logits of {len(teacher)} samples for {len(targets)} targets: compute "
            "them on the training samples in their order."
        )
    outputs = frozen(teacher) if isinstance(teacher, nn.Module) else teacher

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor | LoaderTargets) -> Tensor:
        with torch.no_grad():
            found = targets_at(outputs, rows) if isinstance(outputs, Tensor) else outputs(inputs)
        teacher_logits = _for_each_student(found, logits)
        students = logits.shape[1] if logits.dim() == 3 else 1
        mean = _mean(kd_loss(logits, teacher_logits), logits)  # over students too
        total = weight * students * mean
        if label_weight:
            total = total + label_weight * on_targets(logits, inputs, rows)
        return total

    of_all = teacher if isinstance(teacher, Tensor) else targets
    return numbered(loss, of_all)


def check_teacher_logits(teacher: Tensor) -> None:
    """Refuse all but logits (n, k) or (n, members, k) whose softmax exists."""
    shapes.fit(teacher=(teacher, "float n *members k"))
    shapes.logits(teacher=teacher)


def _for_each_student(teacher_logits: Any, logits: Tensor) -> Tensor:
    """The teacher's logits, the same for every student where there is one teacher for all."""
    if isinstance(teacher_logits, Tensor) and (teacher_logits.dim(), logits.dim()) == (2, 3):
        teacher_logits = teacher_logits.unsqueeze(1).expand(-1, logits.shape[1], -1)
    if not isinstance(teacher_logits, Tensor) or teacher_logits.shape != logits.shape:
        raise ValueError(
            f"teacher gives {checks.shown(teacher_logits)} for the student's logits of shape "
            f"{tuple(logits.shape)}: use a teacher of the same classes."
        )
    return teacher_logits


def _mean(values: Any, logits: Tensor) -> Float[Tensor, ""]:
    """The mean of one value per sample and student, or a mean as it is."""
    shape = logits.shape[:-1]
    if not isinstance(values, Tensor) or values.shape not in (shape, torch.Size()):
        raise ValueError(
            f"kd_loss gives {checks.shown(values)} for logits of shape {tuple(logits.shape)}: "
            f"give one value per sample, {tuple(shape)}, or their mean."
        )
    return values.mean()


def per_student(*kd_losses: KDLoss) -> KDLoss:
    """A loss of its own for each student side by side: one value per sample and student.

    Args:
        kd_losses: One for each student; each gives one value per sample.

    Raises:
        ValueError: If there is none; when called, if there are more or fewer students.
    """
    for i, each in enumerate(kd_losses):
        checks.function(f"kd_losses[{i}]", each)
    if not kd_losses:
        raise ValueError("kd_losses is empty: give one for each student.")

    def of_each(
        student_logits: Float[Tensor, "n members k"], teacher_logits: Float[Tensor, "n members k"]
    ) -> Float[Tensor, "n members"]:
        shapes.fit(
            student_logits=(student_logits, "float n members k"),
            teacher_logits=(teacher_logits, "float n members k"),
        )
        if student_logits.shape[1] != len(kd_losses):
            raise ValueError(
                f"{student_logits.shape[1]} students have {len(kd_losses)} kd_losses: give one "
                "for each."
            )
        pairs = zip(student_logits.unbind(1), teacher_logits.unbind(1), strict=True)
        values = [kd_loss(*pair) for kd_loss, pair in zip(kd_losses, pairs, strict=True)]
        return torch.stack(values, 1)

    return of_each
