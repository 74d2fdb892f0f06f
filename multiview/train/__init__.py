"""Training: closed-form patch-net gradients and one loop for any module."""

from multiview.train.checkpoint import Checkpoint
from multiview.train.compute import ComputeSpec, frozen, outputs_of
from multiview.train.errors import Diverged
from multiview.train.loop import FitResult, error_score, fit, target_loss
from multiview.train.objectives import cross_entropy, differentiated, per_member, rescaled
from multiview.train.optim import OptimSpec
from multiview.train.patch_training import TrainResult, TrainSpec, train_patch_net

__all__ = [
    "Checkpoint",
    "ComputeSpec",
    "Diverged",
    "FitResult",
    "OptimSpec",
    "TrainResult",
    "TrainSpec",
    "cross_entropy",
    "differentiated",
    "error_score",
    "fit",
    "frozen",
    "outputs_of",
    "per_member",
    "rescaled",
    "target_loss",
    "train_patch_net",
]
