"""Bad settings: of data, trainings, networks, gates, methods and experiments."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from one_bad_input import BadInput
from toy_experiment import EXPERIMENT, Options

from multiview import stream
from multiview.bench import Entry, Flow, PatchSetting, Sgd
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Dense, Fast, Quick
from multiview.bench.recipe import Recipe, plain_recipe
from multiview.comparison.settings import PATCHES, setting_of
from multiview.data import MultiViewSpec
from multiview.distill import Hinton
from multiview.methods import Ensemble, Group, Labels, Member, Members, Rocket, Student, Variant
from multiview.methods.variant import TransferSet
from multiview.models import PatchNet
from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.runner import plan
from multiview.sparsity import L0Spec
from multiview.train import Checkpoint, ComputeSpec, OptimSpec, TrainSpec

OPTIM = OptimSpec()


def bad(name: str, function: Any, message: str, /, **arguments: Any) -> BadInput:
    """A line about what a call with these arguments says."""
    return BadInput(name, lambda here: function(**arguments), message)


SPECS: list[BadInput] = [
    bad("one class", MultiViewSpec, "", num_classes=1),
    bad("classes as a float", MultiViewSpec, "", num_classes=3.0),
    bad("classes as True", MultiViewSpec, "", num_classes=True),
    bad("too few dimensions", MultiViewSpec, "", num_classes=10, patch_dim=19),
    bad("too few patches", MultiViewSpec, "", num_patches=3, patches_per_feature=2),
    bad("a fraction above 1", MultiViewSpec, "", mu=1.5),
    bad("a fraction below 0", MultiViewSpec, "", mu=-0.1),
    bad("noise that is NaN", MultiViewSpec, "", sigma_p=math.nan),
    bad("a reversed pair", MultiViewSpec, "", label_strength=(1.5, 1.1)),
    bad("a triple for a pair", MultiViewSpec, "", rho=(0.1, 0.2, 0.3)),
    bad("more features than classes", MultiViewSpec, "", num_classes=3, sparsity=4.0),
    bad("all features on few patches", MultiViewSpec, "", num_classes=3, sparsity=3.0, num_patches=5),
    bad("a weak view that is strong", MultiViewSpec, "", rho=1.2),
    bad("a strong view that is weak", MultiViewSpec, "", label_strength=0.9),
    bad("an unknown method of training", TrainSpec, "", method="newton"),
    bad("no steps", TrainSpec, "", max_steps=0),
    bad("a step of length 0", TrainSpec, "", relative_step=0.0),
    bad("a bound that is infinite", TrainSpec, "", loss_bound=math.inf),
    bad("a switch as a word", TrainSpec, "", summed="yes"),
    bad("no epochs", OptimSpec, "", epochs=0),
    bad("a batch of a half", OptimSpec, "", batch_size=0.5),
    bad("a rate of 0", OptimSpec, "", learning_rate=0.0),
    bad("warm-up throughout", OptimSpec, "", warmup=1.0),
    bad("momentum of 1", OptimSpec, "", momentum=1.0),
    bad("a negative decay", OptimSpec, "", weight_decay=-1e-4),
    bad("an unknown schedule", OptimSpec, "", schedule="cosine"),
    bad("milestones that fall", OptimSpec, "", milestones=(0.6, 0.3)),
    bad("an unknown optimiser", OptimSpec, "", algorithm="lion"),
    bad("a norm of 0", OptimSpec, "", max_norm=0),
    bad("a memory format as a word", ComputeSpec, "", channels_last="yes"),
    bad("a checkpoint nowhere", Checkpoint, "", path=None),
    bad("a checkpoint before the last", Checkpoint, "", path="a.pt", seconds=-1.0),
    bad("a penalty below 0", L0Spec, "", weight=-1.0),
    bad("averaging of 1", L0Spec, "", averaging=1.0),
    bad("a target of nothing", L0Spec, "", target=0.0),
]
SETTINGS: list[BadInput] = [
    bad("no optimiser", Recipe, "", optim=None),
    bad("smoothing of 2", Recipe, "", optim=OPTIM, smoothing=2.0),
    bad("a negative shift", Recipe, "", optim=OPTIM, padding=-1),
    bad("a hole of a half", Recipe, "", optim=OPTIM, cutout=0.5),
    bad("none side by side", Recipe, "", optim=OPTIM, together=0),
    bad("a mirror as a word", Recipe, "", optim=OPTIM, flip="no"),
    bad("no arithmetic", Recipe, "", optim=OPTIM, compute="bfloat16"),
    BadInput("no members", lambda here: replace(PATCHES, members=0), ""),
    BadInput("no training samples", lambda here: replace(PATCHES, num_train=0), ""),
    BadInput("no neurons", lambda here: replace(PATCHES, width=0), ""),
    BadInput("a power of 1", lambda here: replace(PATCHES, q=1), ""),
    BadInput("no knee", lambda here: replace(PATCHES, relu_knee=0.0), ""),
    BadInput("a start at 0", lambda here: replace(PATCHES, sigma_init=0.0), ""),
    BadInput("a training of nothing", lambda here: replace(PATCHES, training="sgd"), ""),
    BadInput("a spec of nothing", lambda here: replace(PATCHES, spec=None), ""),
    BadInput("optimisers of nothing", lambda here: Sgd(labels=None, students=OPTIM), ""),
    BadInput("a flow by minibatches", lambda here: Flow(labels=OPTIM, students=OPTIM), ""),
    bad("fewer images than none", ImageSetting, "", num_train=0),
    bad("validation below none", ImageSetting, "", num_validation=-10),
    bad("images shrunk to nothing", ImageSetting, "", shrink=0),
    bad("no network", ImageSetting, "", net="fast"),
    bad("no recipe", ImageSetting, "", recipe=None),
    bad("an unknown data set", setting_of, "", name="imagenet"),
    bad("an unknown kind of network", setting_of, "", name="mnist", net="vgg"),
    bad("a data set of the wrong name", ImageSetting, "", data="imagenet"),
]
METHODS: list[BadInput] = [
    bad("no members", Members, "", number=0),
    bad("a network before the first", Member, "", index=-1),
    bad("a group of none", Group, "", of=()),
    bad("an unknown average", Ensemble, "", average="median"),
    bad("a temperature of 0", Hinton, "", temperature=0.0),
    bad("a weight below 0", Student, "", weight=-1.0),
    bad("no students", Student, "", number=0),
    bad("a teacher by name", Student, "", teacher="ensemble"),
    bad("a loss by name", Student, "", kd_loss="hinton"),
    bad("an unknown course", Labels, "", course="teachers"),
    bad("a delay of all steps", Rocket, "", delay=1.0),
    bad("a share of nothing", TransferSet, "", share=0.0),
    bad("no class to be met", TransferSet, "", classes=(1, 2), without=(1, 2)),
    bad("an entry of no method", Entry, "", method="one", label="one"),
    BadInput("one more than there are", lambda here: Member(index=4).check(PATCHES), ""),
    BadInput("a mean over one", lambda here: Ensemble(size=1, of=Labels()).check(PATCHES), ""),
    BadInput("other networks of patches", lambda here: Variant(of=Labels(), net=Quick()).check(PATCHES), ""),
]


@dataclass(frozen=True)
class Seedless:
    """A cell that has no seed."""

    n: int = 1


@dataclass(frozen=True)
class Own:
    """A cell of the test."""

    n: Any = 1
    seed: int = 0


def planned(*cells: Any, **changes: Any):
    """Plan an experiment of these cells."""
    experiment = replace(EXPERIMENT, presets={"p": Preset(cells=list(cells))}, **changes)
    return lambda here: plan(experiment, "p", Options(), out=here)


def claim(**changes: Any) -> Claim:
    """A claim of the toy experiment with other fields."""
    settings = {"source": "Theorem 1", "statement": "s", "predicted": (0.0, 1.0)} | changes
    return Claim(name="fair", estimate=measured("error", "coin"), **settings)


def named(**changes: Any) -> Experiment:
    """The toy experiment with other fields."""
    return replace(EXPERIMENT, **changes)


EXPERIMENTS: list[BadInput] = [
    bad("a name with a blank", named, "", name="my coin"),
    bad("no presets", named, "", presets={}),
    BadInput("no cells", planned(), ""),
    BadInput("a cell that is a number", planned(3), ""),
    BadInput("a cell without a seed", planned(Seedless()), ""),
    BadInput("a cell twice", planned(Own(), Own()), ""),
    BadInput("a cell that holds NaN", planned(Own(n=math.nan)), ""),
    BadInput("a cell that holds a tensor", planned(Own(n=torch.zeros(1))), ""),
    BadInput("a cell that holds numbers by number", planned(Own(n={1: 2})), ""),
    BadInput("repetitions as a word", lambda here: EXPERIMENT.cells("smoke", Options(), seeds="3"), ""),
    BadInput("repetitions by half", lambda here: EXPERIMENT.cells("smoke", Options(), seeds=1.5), ""),
    BadInput("a first seed below 0", lambda here: replace(EXPERIMENT, presets={"p": Preset(cells=[Own()], first_seed=-1)}).cells("p", Options()), ""),
    bad("a reversed prediction", claim, "", predicted=(1.0, 0.0)),
    bad("a check that is primary", claim, "", kind="check", primary=True),
]
