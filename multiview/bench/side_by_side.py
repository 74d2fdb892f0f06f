"""Networks trained in one go, each on the labels and what it is taught: which, and their loss."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview.bench.bench import SoftTargets
from multiview.bench.method import Logits
from multiview.distill import distillation_loss, per_student
from multiview.train import target_loss
from multiview.train.loop import Loss


class Learner(NamedTuple):
    """One network, what it is taught, and which of a teacher's several outputs is for it."""

    net: nn.Module
    soft: SoftTargets | None
    column: int

    @property
    def weights(self) -> tuple[float, ...]:
        """Of what it is taught and of the labels; none where it learns from labels alone."""
        return () if self.soft is None else (self.soft.weight, self.soft.label_weight)


def together(learners: Sequence[Learner], most: int) -> Iterator[list[Learner]]:
    """The networks in their order, in parts of at most so many whose losses weigh the same."""
    for _, alike in groupby(learners, lambda each: each.weights):
        part = list(alike)
        yield from (part[first : first + most] for first in range(0, len(part), most))


def side_by_side_loss(
    labels: Int[Tensor, " n"],
    soft: Sequence[SoftTargets | None],
    columns: Sequence[int],
    smoothing: float,
) -> Loss:
    """The sum of the networks' losses: the labels, and what each is taught beside them.

    Args:
        soft: Of all networks, or of none; of equal weights.
        columns: Which of a teacher's several outputs is for each network.
        smoothing: Of the labels.
    """
    taught = [each for each in soft if each is not None]
    if not taught:
        return target_loss(labels, smoothing)
    losses = [each.kd_loss for each in taught]
    return distillation_loss(
        labels,
        partial(_teach, [each.teacher for each in taught], columns),
        losses[0] if all(each == losses[0] for each in losses) else per_student(*losses),
        weight=taught[0].weight,
        label_weight=taught[0].label_weight,
        smoothing=smoothing,
    )


def _teach(
    teachers: Sequence[Logits], columns: Sequence[int], inputs: Tensor
) -> Float[Tensor, "n *students k"]:
    """What each student is taught; a teacher of several is asked once."""
    asked = {teacher: teacher(inputs) for teacher in dict.fromkeys(teachers)}
    own = [
        logits if (logits := asked[teacher]).dim() == 2 else logits[:, column]
        for teacher, column in zip(teachers, columns, strict=True)
    ]
    return torch.stack(own, 1)
