"""Knowledge distillation."""

from multiview.distill.losses import hinton_kd, l2_logits, paper_kd, truncated_probabilities
from multiview.distill.patch import DistillationLoss, distillation_objective
from multiview.distill.teaching import taught_loss

__all__ = [
    "DistillationLoss",
    "distillation_objective",
    "hinton_kd",
    "l2_logits",
    "paper_kd",
    "taught_loss",
    "truncated_probabilities",
]
