"""Bad recipes, and bad settings of patches and images."""

from dataclasses import replace
from typing import Any

from one_bad_input import BadInput

from multiview.bench import Flow, Sgd
from multiview.bench.images import ImageSetting
from multiview.bench.recipe import Recipe
from multiview.comparison.settings import PATCHES, setting_of
from multiview.train import OptimSpec

OPTIM = OptimSpec()


def bad(name: str, function: Any, message: str, /, **arguments: Any) -> BadInput:
    """A line about what a call with these arguments says."""
    return BadInput(name, lambda here: function(**arguments), message)


SETTINGS: list[BadInput] = [
    bad("no optimiser", Recipe, "optim=None is no OptimSpec: use an OptimSpec.", optim=None),
    bad(
        "smoothing of 2",
        Recipe,
        "smoothing=2.0 is a fraction: use a finite number in [0, 1].",
        optim=OPTIM,
        smoothing=2.0,
    ),
    bad(
        "a negative shift",
        Recipe,
        "padding=-1 counts pixels: use padding >= 0, an integer.",
        optim=OPTIM,
        padding=-1,
    ),
    bad(
        "a hole of a half",
        Recipe,
        "cutout=0.5 is a side in pixels: use cutout >= 0, an integer.",
        optim=OPTIM,
        cutout=0.5,
    ),
    bad(
        "none side by side",
        Recipe,
        "together=0 counts networks: use together >= 1, an integer.",
        optim=OPTIM,
        together=0,
    ),
    bad(
        "a mirror as a word",
        Recipe,
        "flip='no' is a switch: use True or False.",
        optim=OPTIM,
        flip="no",
    ),
    bad(
        "no arithmetic",
        Recipe,
        "compute='bfloat16' is no ComputeSpec: use a ComputeSpec.",
        optim=OPTIM,
        compute="bfloat16",
    ),
    BadInput(
        "no members",
        lambda here: replace(PATCHES, members=0),
        "members=0 counts networks: use members >= 1, an integer.",
    ),
    BadInput(
        "no training samples",
        lambda here: replace(PATCHES, num_train=0),
        "num_train=0 counts samples: use num_train >= 1, an integer.",
    ),
    BadInput(
        "no neurons",
        lambda here: replace(PATCHES, width=0),
        "width=0 counts neurons of a class: use width >= 1, an integer.",
    ),
    BadInput(
        "a power of 1",
        lambda here: replace(PATCHES, q=1),
        "q=1 has no continuous slope at 0 (the paper: 3 or 4): use a finite number in (1, inf).",
    ),
    BadInput(
        "no knee",
        lambda here: replace(PATCHES, relu_knee=0.0),
        "relu_knee=0.0 must be positive and finite: use a finite number in (0, inf).",
    ),
    BadInput(
        "a start at 0",
        lambda here: replace(PATCHES, sigma_init=0.0),
        "sigma_init=0.0 must be positive and finite: use a finite number in (0, inf).",
    ),
    BadInput(
        "a training of nothing",
        lambda here: replace(PATCHES, training="sgd"),
        "training='sgd' is no Sgd or Flow: use a Sgd or Flow.",
    ),
    BadInput(
        "a spec of nothing",
        lambda here: replace(PATCHES, spec=None),
        "spec=None is no MultiViewSpec: use a MultiViewSpec.",
    ),
    bad(
        "optimisers of nothing",
        Sgd,
        "labels=None is no OptimSpec: use an OptimSpec.",
        labels=None,
        students=OPTIM,
    ),
    bad(
        "a flow by minibatches",
        Flow,
        "labels=OptimSpec(epochs=40, batch_size=50, algorithm='sgd', "
        "learning_rate=0.05, warmup=0.15, momentum=0.... is no TrainSpec: use a "
        "TrainSpec.",
        labels=OPTIM,
        students=OPTIM,
    ),
    bad(
        "fewer images than none",
        ImageSetting,
        "num_train=0 counts images: use num_train >= 1, an integer.",
        num_train=0,
    ),
    bad(
        "validation below none",
        ImageSetting,
        "num_validation=-10 counts images: use num_validation >= 0, an integer.",
        num_validation=-10,
    ),
    bad(
        "images shrunk to nothing",
        ImageSetting,
        "shrink=0 is a side in pixels, 1 for none: use shrink >= 1, an integer.",
        shrink=0,
    ),
    bad(
        "no network",
        ImageSetting,
        "net='fast' is no NetSpec: use a kind such as Dense(widths=(64,)).",
        net="fast",
    ),
    bad("no recipe", ImageSetting, "recipe=None is no Recipe: use a Recipe.", recipe=None),
    bad(
        "an unknown data set",
        setting_of,
        "setting='imagenet' is none of patches, cifar10, cifar100, mnist.",
        name="imagenet",
    ),
    bad(
        "an unknown kind of network",
        setting_of,
        "net='vgg' is none of fast, quick, dense, lenet, resnet, wide_resnet.",
        name="mnist",
        net="vgg",
    ),
    bad(
        "a data set of the wrong name",
        ImageSetting,
        "data='imagenet': choose one of ('multi_view', 'cifar10', 'cifar100', 'mnist').",
        data="imagenet",
    ),
]
