"""Methods that come from training samples to a classifier, on any bench that allows them."""

from multiview.methods.averaging import (
    Ensemble,
    Labels,
    MeanOf,
    Member,
    Members,
    Neighbours,
    Several,
    Summed,
)
from multiview.methods.class_sets import ClassSets, ConfusableSets, RandomSets, ShuffledSets
from multiview.methods.dropout import Dropout, Masks, MaskStudent
from multiview.methods.gates import Gates
from multiview.methods.kernels import KernelModel, Kernels
from multiview.methods.rocket import Booster, Rocket
from multiview.methods.specialists import Specialists, WithSpecialists
from multiview.methods.students import Student

__all__ = [
    "Booster",
    "ClassSets",
    "ConfusableSets",
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
    "RandomSets",
    "Rocket",
    "Several",
    "ShuffledSets",
    "Specialists",
    "Student",
    "Summed",
    "WithSpecialists",
]
