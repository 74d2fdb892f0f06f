"""Methods that come from training samples to a classifier, on any bench that allows them."""

from multiview.methods.averaging import (
    Ensemble,
    Group,
    Labels,
    Member,
    Members,
    Neighbours,
    RingEnsembles,
    Summed,
)
from multiview.methods.branched import Branched
from multiview.methods.class_sets import ClassSets, ConfusableSets, RandomSets, ShuffledSets
from multiview.methods.dropout import Dropout, Masks, MaskStudent
from multiview.methods.gates import Gates
from multiview.methods.kernels import KernelModel, Kernels
from multiview.methods.linearised import Linearised, LinearisedModel
from multiview.methods.pruning import Baseline, MagnitudePruned, Reinitialised
from multiview.methods.rocket import Booster, Rocket
from multiview.methods.specialists import Specialists, WithSpecialists
from multiview.methods.students import Student
from multiview.methods.timed import Timed
from multiview.methods.transfer import UnlabelledStudent
from multiview.methods.variant import Bootstrap, OnOwnSamples, TransferSet, Variant

__all__ = [
    "Baseline",
    "Booster",
    "Bootstrap",
    "Branched",
    "ClassSets",
    "ConfusableSets",
    "Dropout",
    "Ensemble",
    "Gates",
    "Group",
    "KernelModel",
    "Kernels",
    "Labels",
    "Linearised",
    "LinearisedModel",
    "MagnitudePruned",
    "MaskStudent",
    "Masks",
    "Member",
    "Members",
    "Neighbours",
    "OnOwnSamples",
    "RandomSets",
    "Reinitialised",
    "RingEnsembles",
    "Rocket",
    "ShuffledSets",
    "Specialists",
    "Student",
    "Summed",
    "Timed",
    "TransferSet",
    "UnlabelledStudent",
    "Variant",
    "WithSpecialists",
]
