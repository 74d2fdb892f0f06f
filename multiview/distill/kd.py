"""Distillation losses as callable data: frozen settings that compare student and teacher."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.distill.losses import hinton_kd, l2_logits, paper_kd

# kd_loss(student_logits (*batch, k), teacher_logits (*batch, k)) -> one value per sample (*batch,)
KDLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Hinton:
    """T^2 KL(teacher || student) of each sample, as ``hinton_kd`` (arXiv 1503.02531, Section 2).

    Raises:
        ValueError: If ``temperature`` is not in [1e-6, 1e6].
    """

    temperature: float = 4.0  # T

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", checks.temperature("temperature", self.temperature))

    def __call__(
        self, student_logits: Float[Tensor, "*batch k"], teacher_logits: Float[Tensor, "*batch k"]
    ) -> Float[Tensor, "*batch"]:
        """One value per sample."""
        return hinton_kd(student_logits, teacher_logits, self.temperature, reduction="none")


@dataclass(frozen=True)
class Squares:
    """Half the squared distance of logits over the number of classes k, as ``l2_logits`` over k.

    Centred, it is the limit of ``Hinton`` for large T (arXiv 1503.02531, Section 2.1).

    Raises:
        ValueError: If ``center`` is neither True nor False.
    """

    center: bool = True  # subtract each sample's mean difference, which softmax does not see

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", checks.flag("center", self.center))

    def __call__(
        self, student_logits: Float[Tensor, "*batch k"], teacher_logits: Float[Tensor, "*batch k"]
    ) -> Float[Tensor, "*batch"]:
        """One value per sample."""
        half = l2_logits(student_logits, teacher_logits, center=self.center, reduction="none")
        return half / student_logits.shape[-1]


@dataclass(frozen=True)
class PaperUpdate:
    """The distillation term of arXiv 2012.09816, Section 3, of each sample, as ``paper_kd``.

    Raises:
        ValueError: If ``tau`` is not in [1e-6, 1e6], ``scale`` not positive or ``gated`` no flag.
    """

    tau: float = 1 / 3  # the paper's temperature; outputs are truncated at 1 / tau^2
    scale: float = 10.0  # the paper's Theta(1) factor on the outputs of both networks
    gated: bool = True  # no derivative where the student's output is truncated already

    def __post_init__(self) -> None:
        object.__setattr__(self, "tau", checks.temperature("tau", self.tau))
        object.__setattr__(self, "scale", checks.positive("scale", self.scale))
        object.__setattr__(self, "gated", checks.flag("gated", self.gated))

    def __call__(
        self, student_logits: Float[Tensor, "*batch k"], teacher_logits: Float[Tensor, "*batch k"]
    ) -> Float[Tensor, "*batch"]:
        """One value per sample; its derivative is the update's."""
        return paper_kd(
            student_logits,
            teacher_logits,
            self.tau,
            scale=self.scale,
            gated=self.gated,
            reduction="none",
        )
