"""taught_loss: labels and a teacher that sees what the student sees; for ``train.loop.fit``."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.distill.losses import hinton_kd
from multiview.train.compute import frozen
from multiview.train.loop import Loss, numbered, target_loss, targets_at
from multiview.train.source import Given

# lesson(student_logits, teacher_logits): a mean over all samples, as the losses of this package.
Lesson = Callable[[Tensor, Tensor], Tensor]
# What teaches: a function of the inputs, or its logits on all training samples.
Teacher = Callable[[Tensor], Tensor] | Float[Tensor, "n *members k"]


def taught_loss(
    targets: Int[Tensor, " n"] | Float[Tensor, "n k"] | None,
    teacher: Teacher,
    lesson: Lesson = hinton_kd,
    *,
    weight: float = 1.0,
    label_weight: float = 1.0,
    smoothing: float = 0.0,
) -> Loss:
    """``label_weight`` times cross-entropy with the targets plus ``weight`` times the lesson.

    Of one student's logits (batch, k), or of many side by side, (batch, members, k): the sum of
    theirs.

    Args:
        targets: Labels (n,) or probabilities (n, k) of all training samples; None for those that
            a loader gives.
        teacher: From the inputs as the students see them, augmented, to logits: (batch, k), or
            (batch, members, k) for a teacher of its own for each student; ``frozen`` makes one. Or
            such logits of all training samples in their order, where nothing is augmented. A module
            is frozen here; whatever teaches gets no gradient.
        lesson: ``hinton_kd``, ``l2_logits`` or the like, its settings bound by ``partial``.
        label_weight: 0 looks at no target, as for unlabelled samples.
        smoothing: Of the targets, not of the teacher.

    Raises:
        ValueError: If an argument is out of range; at the first batch, if teacher, targets and
            students are of different classes.
    """
    weight = checks.not_negative("weight", weight)
    label_weight = checks.not_negative("label_weight", label_weight)
    on_targets = target_loss(targets, smoothing)
    checks.function("lesson", lesson)
    if isinstance(teacher, Tensor):
        refuse_taught(teacher)
    else:
        checks.function("teacher", teacher)
    if isinstance(teacher, Tensor) and targets is not None and len(teacher) != len(targets):
        raise ValueError(
            f"teacher has logits of {len(teacher)} samples for {len(targets)} targets: compute "
            "them on the training samples in their order."
        )
    teach = frozen(teacher) if isinstance(teacher, nn.Module) else teacher

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor | Given) -> Tensor:
        with torch.no_grad():
            taught = targets_at(teach, rows) if isinstance(teach, Tensor) else teach(inputs)
        taught = _as_students(taught, logits)
        students = logits.shape[1] if logits.dim() == 3 else 1
        total = weight * students * lesson(logits, taught)  # its mean is over students too
        if label_weight:
            total = total + label_weight * on_targets(logits, inputs, rows)
        return total

    of_all = teacher if isinstance(teacher, Tensor) else targets
    return numbered(loss, of_all)


def refuse_taught(teacher: Tensor) -> None:
    """Refuse all but logits (n, k) or (n, members, k), or such as no student could learn."""
    shapes.fit(teacher=(teacher, "float n *members k"))
    shapes.logits(teacher=teacher)


def _as_students(taught: Any, logits: Tensor) -> Tensor:
    """The teacher's logits, the same for every student where there is one teacher for all."""
    if isinstance(taught, Tensor) and taught.dim() == 2 and logits.dim() == 3:
        taught = taught.unsqueeze(1).expand(-1, logits.shape[1], -1)
    if not isinstance(taught, Tensor) or taught.shape != logits.shape:
        raise ValueError(
            f"teacher gives {checks.shown(taught)} for the student's logits of shape "
            f"{tuple(logits.shape)}: use a teacher of the same classes."
        )
    return taught


def per_student(*lessons: Lesson) -> Lesson:
    """A lesson of its own for each student side by side: the mean of theirs, as ``Lesson`` asks."""
    for i, each in enumerate(lessons):
        checks.function(f"lessons[{i}]", each)
    if not lessons:
        raise ValueError("lessons is empty: give one for each student.")

    def mean(
        students: Float[Tensor, "n members k"], teacher: Float[Tensor, "n members k"]
    ) -> Tensor:
        shapes.fit(students=(students, "float n members k"), teacher=(teacher, "float n members k"))
        if students.shape[1] != len(lessons):
            raise ValueError(f"{students.shape[1]} students have {len(lessons)} lessons: one each.")
        each = (lesson(students[:, i], teacher[:, i]) for i, lesson in enumerate(lessons))
        return torch.stack([*each]).mean()

    return mean
