"""Standardised: Hinton's loss of logits in units of their own spread."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.distill.losses import hinton_kd

SMALLEST = 1e-7  # spread below which all logits count as equal


@dataclass(frozen=True)
class Standardised:
    """Hinton's loss of standardised logits, so that the student may choose their size itself.

    Each sample's logits, of student and teacher alike, have their mean subtracted and are divided
    by their standard deviation over the classes before the softmax at temperature T; the loss is
    T^2 KL as ever (Sun et al., CVPR 2024, arXiv 2403.01427, Section 4).

    Raises:
        ValueError: If ``temperature`` is not in [1e-6, 1e6].
    """

    temperature: float = 2.0  # T, the published default

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", checks.temperature("temperature", self.temperature))

    def __call__(
        self, student_logits: Float[Tensor, "*batch k"], teacher_logits: Float[Tensor, "*batch k"]
    ) -> Float[Tensor, "*batch"]:
        """One value per sample."""
        student, teacher = standardised(student_logits), standardised(teacher_logits)
        return hinton_kd(student, teacher, self.temperature, reduction="none")


def standardised(logits: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch k"]:
    """Logits with mean 0 and standard deviation 1 over the classes of each sample."""
    centred = logits - logits.mean(-1, keepdim=True)
    spread = centred.square().mean(-1, keepdim=True).clamp(min=SMALLEST**2).sqrt()
    return centred / spread
