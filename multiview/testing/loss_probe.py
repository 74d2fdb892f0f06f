"""LossProbe: a distillation loss, and the logits on which its laws are measured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.rng import stream
from multiview.testing.signature import misfit

# loss(student_logits (n, k), teacher_logits (n, k), temperature): one number.
Loss = Callable[[Tensor, Tensor, float], Tensor]

Pair = tuple[Tensor, Tensor]  # logits (n, k) of the student and of the teacher

ARGUMENTS = "loss(student_logits, teacher_logits, temperature)"
SPREAD = 2.0  # standard deviation of the logits


@dataclass(frozen=True)
class LossProbe:
    """A loss whose laws are measured.

    Logits are drawn anew, and the same, for each law. They are in float64 where a law is not about
    precision, so that a law of a limit is not lost to rounding.
    """

    loss: Loss
    num_samples: int
    num_classes: int
    seed: int

    def logits(self, name: str) -> Float[Tensor, "n k"]:
        """Random logits of all samples, whose mean over the classes is not 0."""
        generator = stream(self.seed, "distillation loss", name)
        shape = (self.num_samples, self.num_classes)
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        return SPREAD * drawn + torch.arange(self.num_samples).unsqueeze(1) % 3

    def pair(self) -> Pair:
        """Random logits of the student and of the teacher."""
        return self.logits("student"), self.logits("teacher")

    def sure(self, margin: float, shift: int) -> Float[Tensor, "n k"]:
        """Logits of ``margin`` for one class of each sample and 0 for all others.

        Args:
            shift: 0 and 1 name different classes of each sample.
        """
        column = (torch.arange(self.num_samples) + shift) % self.num_classes
        return margin * torch.nn.functional.one_hot(column, self.num_classes).double()

    def value(self, student: Tensor, teacher: Tensor, temperature: float) -> float:
        """The loss, as a number."""
        with torch.no_grad():
            return float(self._called(student, teacher, temperature))

    def gradient(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """The derivative with respect to the student's logits, in float64."""
        with torch.enable_grad():
            leaf = student.detach().clone().requires_grad_()
            value = self._called(leaf, teacher.detach().clone(), temperature)
            if not value.requires_grad:
                raise ValueError(
                    "loss gives no gradient to student_logits: compute it from them by "
                    "differentiable operations, outside of torch.no_grad() and without detach()."
                )
            (found,) = torch.autograd.grad(value, leaf, allow_unused=True)
        if found is None:
            raise ValueError(
                "loss does not depend on student_logits, which come first: compare them with "
                "teacher_logits."
            )
        return found.double()

    def _called(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        try:
            value: Any = self.loss(student, teacher, temperature)
        except Exception as error:
            raise ValueError(
                f"loss raised {type(error).__name__} on logits of shape {tuple(student.shape)} and "
                f"{student.dtype} at temperature={temperature}: {error}. It must take {ARGUMENTS}."
            ) from error
        if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point():
            raise ValueError(
                f"loss gives {checks.shown(value)} for logits of shape {tuple(student.shape)}: "
                "return one number, a tensor without axes; of one value per sample, its mean()."
            )
        return value


def check_loss(probe: LossProbe) -> None:
    """Refuse what is no differentiable loss of logits, on ordinary logits in float32.

    Raises:
        ValueError: If it cannot be called so, raises an error, gives other than one finite number,
            or gives no gradient.
    """
    if said := misfit(probe.loss, 3):
        raise ValueError(
            f"loss cannot be called as {ARGUMENTS}: {said}. Wrap it, such as "
            "lambda s, t, temperature: my_loss(s, t)."
        )
    student, teacher = (each.float() for each in probe.pair())
    value = torch.tensor(probe.value(student, teacher, 2.0))
    gradient = probe.gradient(student, teacher, 2.0)
    for name, number in (("value", value), ("gradient", gradient)):
        if not bool(number.isfinite().all()):
            raise ValueError(
                f"loss has a {name} that is NaN or infinite on random logits of shape "
                f"{tuple(student.shape)} at temperature=2.0: take log_softmax(logits / temperature)"
                " for the logarithms of probabilities."
            )


def ratio(one: float, other: float) -> float:
    """The quotient; infinite or NaN where ``other`` is 0."""
    return float(torch.tensor(one, dtype=torch.float64) / other)
