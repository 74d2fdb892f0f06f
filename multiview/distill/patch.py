"""Distillation of PatchNets: a teacher's logits join the labels in the student's loss."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

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
    """
    if len(teacher_logits) != len(labels):
        raise ValueError(
            f"teacher_logits has {len(teacher_logits)} rows for {len(labels)} labels: compute them "
            "on the same samples in the same order."
        )
    teacher = teacher_logits.detach().unsqueeze(1)  # the same for every student

    def total(logits: Tensor, rows: Tensor) -> Tensor:
        n, nets, k = logits.shape
        label = labels[rows].unsqueeze(1).expand(n, nets)
        hard = functional.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
        soft = loss(logits, teacher[rows].expand(n, nets, k), reduction="none")
        return hard.view(n, nets) + weight * soft

    return differentiated(total)
