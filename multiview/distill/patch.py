"""Distillation of PatchNets: a teacher's logits join the labels in the student's loss."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from multiview import checks, shapes
from multiview.train import differentiated
from multiview.train.patch_gradient import Objective

DistillationLoss = Callable[..., Tensor]  # (student, teacher, reduction="none") -> per sample


def distillation_objective(
    labels: Int[Tensor, " N"],
    teacher_logits: Float[Tensor, "N k"],
    loss: DistillationLoss,
    weight: float = 1.0,
) -> Objective:
    """Cross-entropy with the labels plus ``weight`` times a distillation loss.

    Args:
        labels: Of the training samples.
        teacher_logits: The teacher's on the same samples, e.g. ``mean_logits`` of an ensemble.
        loss: ``hinton_kd``, ``paper_kd`` or ``l2_logits``, their settings bound by ``partial``.
        weight: Of the distillation loss; the paper's eta' / eta.

    Raises:
        ValueError: If labels and logits are not of the same samples and classes, or hold NaN; when
            called, if the student has other classes.
    """
    shapes.fit(teacher_logits=(teacher_logits, "float n k"), labels=(labels, "int n"))
    shapes.labels("labels", labels, teacher_logits.shape[1], "teacher_logits")
    shapes.logits(teacher_logits=teacher_logits)
    checks.function("loss", loss)
    weight = checks.not_negative("weight", weight)
    teacher = teacher_logits.detach().unsqueeze(1)  # the same for every student

    def total(logits: Tensor, rows: Tensor) -> Tensor:
        n, nets, k = logits.shape
        if k != teacher.shape[-1]:
            raise ValueError(
                f"teacher_logits are of {teacher.shape[-1]} classes and the student's logits of "
                f"{k}: use a teacher of the same classes."
            )
        label = shapes.at("labels", labels, rows).unsqueeze(1).expand(n, nets)
        hard = functional.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
        soft = loss(logits, teacher[rows].expand(n, nets, k), reduction="none")
        return hard.view(n, nets) + weight * soft

    objective = differentiated(total)
    objective.samples = len(labels)  # type: ignore[attr-defined]
    return objective
