"""Bad teachers, patch networks and gates."""

from dataclasses import replace
from typing import Any

import torch
from few_samples import SPEC, D, K, N, X, Y, linear, with_value
from one_bad_input import BadInput
from torch import nn

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.distill import knowledge_distillation
from multiview.models import PatchNet
from multiview.sparsity import L0Spec, gate_layers, sparsify
from multiview.train import (
    TrainSpec,
    train_patch_net,
)


def taught(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a distillation with other arguments."""

    given: dict[str, Any] = {"student": linear(), "teacher": linear(), "inputs": X, "labels": Y}
    given |= {"spec": SPEC, "generator": stream(0), **changes}
    return BadInput(name, lambda here: knowledge_distillation(**given), message)


SHARED = linear()
PATCH_SPEC = MultiViewSpec(num_classes=3, patch_dim=8, num_patches=6)
BATCH = sample_patches(PATCH_SPEC, make_features(PATCH_SPEC, stream(0)), 6, stream(1))


def patch_net(**changes: Any) -> PatchNet:
    """A patch network."""
    settings: dict[str, Any] = {"num_classes": 3, "width": 2, "patch_dim": 8, "sigma_init": 0.5}
    return PatchNet(**{**settings, "members": 2, "generator": stream(0), **changes})


def patches(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a training of patch networks."""
    given: dict[str, Any] = {"net": patch_net(), "patches": BATCH.patches, "labels": BATCH.labels}
    given |= {"spec": TrainSpec(max_steps=2), **changes}
    return BadInput(name, lambda here: train_patch_net(**given), message)


def made(name: str, message: str, **changes: Any) -> BadInput:
    """A line about making a patch network."""
    return BadInput(name, lambda here: patch_net(**changes), message)


TEACHING: list[BadInput] = [
    taught(
        "logits for a teacher",
        "teacher is a tensor of logits: use distillation_loss and fit, which take "
        "one where nothing is augmented.",
        teacher=torch.zeros(N, K),
    ),
    taught(
        "the student as its teacher",
        "student and teacher share weights: use a copy, copy.deepcopy(...).",
        student=SHARED,
        teacher=SHARED,
    ),
    taught(
        "a teacher of other classes",
        "teacher gives tensor of shape (20, 4) and torch.float32 for the student's "
        "logits of shape (20, 3): use a teacher of the same classes.",
        teacher=nn.Linear(D, K + 1),
    ),
    taught(
        "no labels",
        "label_weight=0.1 asks for labels and there are none: give labels, or "
        "label_weight=0 to learn from the teacher alone.",
        labels=None,
    ),
    taught(
        "labels of other samples",
        "there are 59 labels for 60 inputs: give one each; of a loader, none.",
        labels=Y[:-1],
    ),
    taught(
        "a weight below 0",
        "weight=-1.0 must be >= 0 and finite: use a finite number in [0, inf).",
        weight=-1.0,
    ),
    taught(
        "a loss by name",
        "kd_loss='hinton' is no function: give one, or an object like it.",
        kd_loss="hinton",
    ),
    made("neurons of none", "width=0 is a count: use width >= 1, an integer.", width=0),
    made(
        "a start below 0",
        "sigma_init=-1.0 is a standard deviation: use a finite number in [0, inf).",
        sigma_init=-1.0,
    ),
    patches(
        "patches of another dimension",
        "patches has shape (6, 6, 7) where (N, P, patch_dim) with patch_dim=8 is "
        "asked for: make them fit.",
        patches=BATCH.patches[..., :7],
    ),
    patches(
        "patches with NaN",
        "patches holds 1 values that are NaN or infinite: use finite numbers.",
        patches=with_value(BATCH.patches, torch.nan),
    ),
    patches(
        "labels of no class",
        "labels run from 3 to 5: use integers from 0 to 2, as net has it.",
        labels=BATCH.labels + 3,
    ),
    patches(
        "labels of other patches",
        "labels has shape (5,) where (N,) with N=6 as of patches is asked for: make them fit.",
        labels=BATCH.labels[:-1],
    ),
    patches(
        "minibatches without an order",
        "method='sgd' shuffles the samples: pass generator=stream(seed, 'sgd').",
        spec=TrainSpec(method="sgd"),
    ),
    patches(
        "a start at 0",
        "sigma_init=0.0 or every weight is 0, where the flow stays and its first "
        "step has no unit: use sigma_init > 0.",
        net=patch_net(sigma_init=0.0),
    ),
    BadInput(
        "gates on no layer",
        lambda here: gate_layers(nn.ReLU(), generator=stream(0)),
        "net holds no linear layer or convolution in an nn.Sequential to gate: put some in one.",
    ),
    BadInput(
        "gates outside of a Sequential",
        lambda here: gate_layers(linear(), generator=stream(0)),
        "net holds no linear layer or convolution in an nn.Sequential to gate: put some in one.",
    ),
    BadInput(
        "a penalty without gates",
        lambda here: sparsify(
            linear(),
            X,
            Y,
            spec=replace(SPEC, weight_decay=0.0),
            penalty=L0Spec(),
            generator=stream(0),
        ),
        "the module has no gates: put some in by gate_layers or gate_blocks.",
    ),
    BadInput(
        "weight decay beside gates",
        lambda here: sparsify(linear(), X, Y, spec=SPEC, penalty=L0Spec(), generator=stream(0)),
        "spec.weight_decay=0.0005 would decay weights whose gates are shut: use "
        "spec with weight_decay=0 and L0Spec(weight_decay=...).",
    ),
]
