"""Knowledge distillation."""

from multiview.distill.bias import best_shift, shifted
from multiview.distill.distillation import born_again, knowledge_distillation
from multiview.distill.losses import hinton_kd, l2_logits, paper_kd, truncated_probabilities
from multiview.distill.patch import DistillationLoss, distillation_objective
from multiview.distill.teachers import averaged_logits, ensemble_teacher
from multiview.distill.teaching import Lesson, taught_loss

__all__ = [
    "DistillationLoss",
    "Lesson",
    "averaged_logits",
    "best_shift",
    "born_again",
    "distillation_objective",
    "ensemble_teacher",
    "hinton_kd",
    "knowledge_distillation",
    "l2_logits",
    "paper_kd",
    "shifted",
    "taught_loss",
    "truncated_probabilities",
]
