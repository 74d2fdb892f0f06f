"""Networks trained in one go, each on the labels and what it is taught: which, and their loss."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview.bench.method import Logits
from multiview.bench.types import SoftTargets
from multiview.distill import distillation_loss, per_student
from multiview.distill.distillation_loss import Teacher
from multiview.models import SideBySide
from multiview.train import target_loss
from multiview.train.loop import Loss


class Learner(NamedTuple):
    """One network, what it is taught, and which of a teacher's several outputs is for it."""

    net: nn.Module
    soft: SoftTargets | None
    column: int

    @property
    def label_weight(self) -> float | None:
        """Weight of the labels beside soft targets; None where it learns from labels alone."""
        return None if self.soft is None else self.soft.label_weight


def together(learners: Sequence[Learner], most: int) -> Iterator[list[Learner]]:
    """The networks in their order, in parts of at most so many whose labels weigh the same."""
    for _, alike in groupby(learners, lambda each: each.label_weight):
        part = list(alike)
        yield from (part[first : first + most] for first in range(0, len(part), most))


def single_networks(net: nn.Module) -> list[nn.Module]:
    """The networks that are trained each by itself: those of a group, or the only one."""
    return list(net.nets) if isinstance(net, SideBySide) else [net]


def draws(net: nn.Module) -> bool:
    """Whether a network has dropout, and so draws in training."""
    layers = (each for each in net.modules() if isinstance(each, nn.modules.dropout._DropoutNd))
    return any(each.p for each in layers)


def teacher_of(part: Sequence[Learner]) -> Logits | None:
    """What teaches networks side by side, (n, networks, k); None where they have labels alone."""
    if any(each.soft is None for each in part):
        return None
    teachers = [each.soft.teacher for each in part if each.soft is not None]
    return partial(_teach, teachers, [each.column for each in part])


def side_by_side_loss(
    labels: Int[Tensor, " n"],
    soft: Sequence[SoftTargets | None],
    teacher: Teacher | None,
    smoothing: float,
) -> Loss:
    """The sum of the networks' losses: the labels, and what each is taught beside them.

    Args:
        soft: Of all networks, or of none; the labels weigh the same in all.
        teacher: As ``teacher_of`` has it, or its logits on all training samples.
        smoothing: Of the labels.
    """
    taught = [each for each in soft if each is not None]
    if teacher is None:
        return target_loss(labels, smoothing)
    first = taught[0]
    alike = all((each.kd_loss, each.weight) == (first.kd_loss, first.weight) for each in taught)
    return distillation_loss(
        labels,
        teacher,
        first.kd_loss if alike else per_student(*(partial(_weighted, each) for each in taught)),
        weight=first.weight if alike else 1.0,
        label_weight=first.label_weight,
        smoothing=smoothing,
    )


def _weighted(soft: SoftTargets, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """A KD loss times its weight, for students whose weights differ."""
    return soft.weight * soft.kd_loss(student_logits, teacher_logits)


def _teach(
    teachers: Sequence[Logits], columns: Sequence[int], inputs: Tensor
) -> Float[Tensor, "n *students k"]:
    """Soft targets of each student; a teacher of several is asked once."""
    asked = {teacher: teacher(inputs) for teacher in dict.fromkeys(teachers)}
    own = [
        logits if (logits := asked[teacher]).dim() == 2 else logits[:, column]
        for teacher, column in zip(teachers, columns, strict=True)
    ]
    return torch.stack(own, 1)
