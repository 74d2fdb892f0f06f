"""Knowledge distillation."""

from multiview.distill.bias import best_shift, shifted
from multiview.distill.combination import combine
from multiview.distill.confusable import adjusted_rand, confusable_sets
from multiview.distill.distillation import born_again, knowledge_distillation
from multiview.distill.dropout import (
    bregman,
    dropout_distillation,
    monte_carlo,
    squared_probabilities,
)
from multiview.distill.losses import hinton_kd, l2_logits, paper_kd, truncated_probabilities
from multiview.distill.patch import DistillationLoss, distillation_objective
from multiview.distill.specialists import (
    corrected,
    specialist_from,
    specialist_labels,
    specialist_rows,
)
from multiview.distill.teachers import averaged_logits, ensemble_teacher
from multiview.distill.teaching import Lesson, per_student, taught_loss

__all__ = [
    "DistillationLoss",
    "Lesson",
    "adjusted_rand",
    "averaged_logits",
    "best_shift",
    "born_again",
    "bregman",
    "combine",
    "confusable_sets",
    "corrected",
    "distillation_objective",
    "dropout_distillation",
    "ensemble_teacher",
    "hinton_kd",
    "knowledge_distillation",
    "l2_logits",
    "monte_carlo",
    "paper_kd",
    "per_student",
    "shifted",
    "specialist_from",
    "specialist_labels",
    "specialist_rows",
    "squared_probabilities",
    "taught_loss",
    "truncated_probabilities",
]
