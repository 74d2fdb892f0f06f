"""Knowledge distillation.

**Distil my model.** ``knowledge_distillation`` takes any module and any loader; a teacher may be
several networks, and a loss any function of both logits:

>>> import torch
>>> from torch import nn
>>> from torch.utils.data import DataLoader, TensorDataset
>>> from multiview import stream
>>> from multiview.train import OptimSpec
>>> x = torch.randn(256, 8, generator=stream(0, "x"))
>>> loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=32, shuffle=True)
>>> teachers = [nn.Linear(8, 2) for _ in range(3)]  # trained ones
>>> student = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
>>> result = knowledge_distillation(
...     student,
...     ensemble_teacher(teachers),
...     loader,
...     spec=OptimSpec(epochs=2, learning_rate=0.1),
...     generator=stream(1),
...     kd_loss=Hinton(temperature=4.0),
... )
>>> result.steps
16

In a training loop of one's own the loss alone is enough: ``hinton_kd``, or ``distillation_loss``,
which adds the labels.
"""

from multiview.distill.bias import best_shift, shifted
from multiview.distill.combination import combine
from multiview.distill.confusable import adjusted_rand, confusable_sets
from multiview.distill.distillation import born_again, knowledge_distillation
from multiview.distill.distillation_loss import distillation_loss, per_student
from multiview.distill.dropout import (
    bregman,
    dropout_distillation,
    monte_carlo,
    squared_probabilities,
)
from multiview.distill.kd import Hinton, KDLoss, PaperUpdate, Squares
from multiview.distill.losses import hinton_kd, l2_logits, paper_kd, truncated_probabilities
from multiview.distill.objective import distillation_objective
from multiview.distill.rocket import RocketResult, rocket_launching, sequential_rocket_launching
from multiview.distill.rocket_loss import hint_loss, official_kd_weight, rocket_loss
from multiview.distill.specialists import (
    corrected,
    specialist_from,
    specialist_labels,
    specialist_rows,
)
from multiview.distill.standardised import Standardised
from multiview.distill.teachers import averaged_logits, ensemble_teacher

__all__ = [
    "Hinton",
    "KDLoss",
    "PaperUpdate",
    "RocketResult",
    "Squares",
    "Standardised",
    "adjusted_rand",
    "averaged_logits",
    "best_shift",
    "born_again",
    "bregman",
    "combine",
    "confusable_sets",
    "corrected",
    "distillation_loss",
    "distillation_objective",
    "dropout_distillation",
    "ensemble_teacher",
    "hint_loss",
    "hinton_kd",
    "knowledge_distillation",
    "l2_logits",
    "monte_carlo",
    "official_kd_weight",
    "paper_kd",
    "per_student",
    "rocket_launching",
    "rocket_loss",
    "sequential_rocket_launching",
    "shifted",
    "specialist_from",
    "specialist_labels",
    "specialist_rows",
    "squared_probabilities",
    "truncated_probabilities",
]
