"""Bad settings: of data, trainings, networks, gates, methods and experiments."""

import math
from typing import Any

from one_bad_input import BadInput

from multiview.data import MultiViewSpec
from multiview.sparsity import L0Spec
from multiview.train import Checkpoint, ComputeSpec, OptimSpec, TrainSpec

OPTIM = OptimSpec()


def bad(name: str, function: Any, message: str, /, **arguments: Any) -> BadInput:
    """A line about what a call with these arguments says."""
    return BadInput(name, lambda here: function(**arguments), message)


SPECS: list[BadInput] = [
    bad(
        "one class",
        MultiViewSpec,
        "num_classes=1 must be a count: use num_classes >= 2, an integer.",
        num_classes=1,
    ),
    bad(
        "classes as a float",
        MultiViewSpec,
        "num_classes=3.0 must be a count: use num_classes >= 2, an integer.",
        num_classes=3.0,
    ),
    bad(
        "classes as True",
        MultiViewSpec,
        "num_classes=True must be a count: use num_classes >= 2, an integer.",
        num_classes=True,
    ),
    bad(
        "too few dimensions",
        MultiViewSpec,
        "patch_dim=19 cannot hold 20 orthonormal features (num_classes=10 x "
        "num_views=2): use at least 20.",
        num_classes=10,
        patch_dim=19,
    ),
    bad(
        "too few patches",
        MultiViewSpec,
        "num_patches=3 cannot hold the label's 2 views on patches_per_feature=2 "
        "patches each: use at least 4.",
        num_patches=3,
        patches_per_feature=2,
    ),
    bad(
        "a fraction above 1",
        MultiViewSpec,
        "mu=1.5 must be a fraction: use a finite number in [0, 1].",
        mu=1.5,
    ),
    bad(
        "a fraction below 0",
        MultiViewSpec,
        "mu=-0.1 must be a fraction: use a finite number in [0, 1].",
        mu=-0.1,
    ),
    bad(
        "noise that is NaN",
        MultiViewSpec,
        "sigma_p=nan must be a number: use a finite number in [0, 1e+30].",
        sigma_p=math.nan,
    ),
    bad(
        "a reversed pair",
        MultiViewSpec,
        "label_strength=(1.5, 1.1) is reversed: use (1.1, 1.5).",
        label_strength=(1.5, 1.1),
    ),
    bad(
        "a triple for a pair",
        MultiViewSpec,
        "rho=(0.1, 0.2, 0.3) must be a number or a (low, high) pair: use a finite "
        "number in [0, 1e+30].",
        rho=(0.1, 0.2, 0.3),
    ),
    bad(
        "more features than classes",
        MultiViewSpec,
        "sparsity=4.0 over num_classes=3 must be a probability: use 0 <= sparsity <= num_classes.",
        num_classes=3,
        sparsity=4.0,
    ),
    bad(
        "all features on few patches",
        MultiViewSpec,
        "sparsity=3.0 puts every feature in every sample, but num_patches=5 cannot "
        "hold them all: lower sparsity or use num_patches >= 6.",
        num_classes=3,
        sparsity=3.0,
        num_patches=5,
    ),
    bad(
        "a weak view that is strong",
        MultiViewSpec,
        "rho=1.2 makes a weak view stronger than the smallest strong one: use rho <= 1.",
        rho=1.2,
    ),
    bad(
        "a strong view that is weak",
        MultiViewSpec,
        "label_strength=0.9 starts below 1, the paper's unit of strength: rescale "
        "the other strengths and sigma_p instead.",
        label_strength=0.9,
    ),
    bad(
        "an unknown method of training",
        TrainSpec,
        "method='newton': choose one of ('flow', 'adaptive', 'gd', 'sgd').",
        method="newton",
    ),
    bad(
        "no steps",
        TrainSpec,
        "max_steps=0 is a count: use max_steps >= 1, an integer.",
        max_steps=0,
    ),
    bad(
        "a step of length 0",
        TrainSpec,
        "relative_step=0.0 must be positive and finite: use a finite number in (0, inf).",
        relative_step=0.0,
    ),
    bad(
        "a bound that is infinite",
        TrainSpec,
        "loss_bound=inf is a mean loss (0: train until max_steps): use a finite "
        "number in [0, inf).",
        loss_bound=math.inf,
    ),
    bad(
        "a switch as a word",
        TrainSpec,
        "summed='yes' is a switch: use True or False.",
        summed="yes",
    ),
    bad("no epochs", OptimSpec, "epochs=0 is a count: use epochs >= 1, an integer.", epochs=0),
    bad(
        "a batch of a half",
        OptimSpec,
        "batch_size=0.5 is a count: use batch_size >= 1, an integer.",
        batch_size=0.5,
    ),
    bad(
        "a rate of 0",
        OptimSpec,
        "learning_rate=0.0 must be positive and finite: use a finite number in (0, inf).",
        learning_rate=0.0,
    ),
    bad(
        "warm-up throughout",
        OptimSpec,
        "warmup=1.0 is a fraction: use a finite number in [0, 1).",
        warmup=1.0,
    ),
    bad(
        "momentum of 1",
        OptimSpec,
        "momentum=1.0 is a fraction: use a finite number in [0, 1).",
        momentum=1.0,
    ),
    bad(
        "a negative decay",
        OptimSpec,
        "weight_decay=-0.0001 must be >= 0 and finite: use a finite number in [0, inf).",
        weight_decay=-1e-4,
    ),
    bad(
        "an unknown schedule",
        OptimSpec,
        "schedule='cosine': choose one of ('linear', 'steps').",
        schedule="cosine",
    ),
    bad(
        "milestones that fall",
        OptimSpec,
        "milestones=(0.6, 0.3) must rise: sort them, each once.",
        milestones=(0.6, 0.3),
    ),
    bad(
        "an unknown optimiser",
        OptimSpec,
        "algorithm='lion': choose one of ('sgd', 'adam').",
        algorithm="lion",
    ),
    bad(
        "a norm of 0",
        OptimSpec,
        "max_norm=0 is a length (None: any): use a finite number in (0, inf).",
        max_norm=0,
    ),
    bad(
        "a memory format as a word",
        ComputeSpec,
        "channels_last='yes' is a switch: use True or False.",
        channels_last="yes",
    ),
    bad(
        "a checkpoint nowhere",
        Checkpoint,
        "path=None is no str or Path: give the file's path.",
        path=None,
    ),
    bad(
        "a checkpoint before the last",
        Checkpoint,
        "seconds=-1.0 must be >= 0 and finite: use a finite number in [0, inf).",
        path="a.pt",
        seconds=-1.0,
    ),
    bad(
        "a penalty below 0",
        L0Spec,
        "strength=-1.0 in strength=-1.0 is one lambda of all layers, or one for "
        "each: use a finite number in [0, inf).",
        strength=-1.0,
    ),
    bad(
        "averaging of 1",
        L0Spec,
        "averaging=1.0 is a decay: use a finite number in [0, 1).",
        averaging=1.0,
    ),
    bad(
        "a delay of twice the steps",
        L0Spec,
        "delay=2.0 is a fraction of the steps: use a finite number in [0, 1].",
        delay=2.0,
    ),
]
