"""Training: closed-form patch-net gradients and one loop for any module."""

from multiview.train.errors import Diverged
from multiview.train.objectives import cross_entropy, differentiated, per_member, rescaled
from multiview.train.patch_training import TrainResult, TrainSpec, train_patch_net

__all__ = [
    "Diverged",
    "TrainResult",
    "TrainSpec",
    "cross_entropy",
    "differentiated",
    "per_member",
    "rescaled",
    "train_patch_net",
]
