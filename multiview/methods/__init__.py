"""Methods that come from training samples to a classifier, on any bench that allows them."""

from multiview.methods.averaging import (
    Ensemble,
    Labels,
    MeanOf,
    Member,
    Members,
    Neighbours,
    Summed,
)
from multiview.methods.dropout import Dropout, Masks, MaskStudent
from multiview.methods.gates import Gates
from multiview.methods.kernels import KernelModel, Kernels
from multiview.methods.rocket import Booster, Rocket
from multiview.methods.students import Student
from multiview.methods.varied import TransferSet, Varied

__all__ = [
    "Booster",
    "Dropout",
    "Ensemble",
    "Gates",
    "KernelModel",
    "Kernels",
    "Labels",
    "MaskStudent",
    "Masks",
    "MeanOf",
    "Member",
    "Members",
    "Neighbours",
    "Rocket",
    "Student",
    "Summed",
    "TransferSet",
    "Varied",
]
