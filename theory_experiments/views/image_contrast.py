"""Networks and tangent kernels on real images: their sizes, and what the paper predicts of them.

A convolutional network and its tangent kernel at initialisation, each as one model, as an ensemble,
as a sum trained directly, and distilled from the ensemble.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

from multiview.bench import Cell
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Conv, Residual
from multiview.bench.recipe import Recipe
from multiview.distill import Hinton
from multiview.measures import ErrorsBySize, TestErrors
from multiview.methods import Ensemble, KernelModel, Kernels, Members, Student, Summed
from multiview.runs.claims import Claim, at_least, at_most, within
from multiview.runs.estimates import measured
from multiview.train import ComputeSpec, OptimSpec
from theory_experiments.views.fixed_features import ModelErrors

FIGURE = "Figure 1"
GAINS = (1e-4, 1.0)
NONE = 0.02  # on images a smaller difference is called none
error = partial(measured, "error")


def trained(setting: ImageSetting, recipe: Recipe) -> ImageSetting:
    """The setting with this recipe, of members and of their sum, and a smaller rate of students.

    T^2 KL beside cross-entropy is a larger loss than cross-entropy alone.
    """
    return replace(setting, recipe=recipe, students=recipe.with_optim(learning_rate=0.02))


# Rates, augmentation and ridge were chosen on training images held out from training
# (``ImageData.hold_out``), each for the error of the model it belongs to. MNIST has the rates of
# CIFAR-10 and a ridge of its own.
PLAIN = Recipe(optim=OptimSpec(epochs=20), padding=0, compute=ComputeSpec())
CIFAR10 = trained(
    ImageSetting(num_train=2500, num_validation=0, members=5, net=Conv(widths=(16, 40))), PLAIN
)
# A digit's mirror image is no digit.
MNIST = trained(
    replace(CIFAR10, data="mnist", num_train=1000),
    replace(PLAIN.with_optim(epochs=40), flip=False),
)
RIDGES = {"cifar10": 0.1, "mnist": 0.03}  # relative to the kernels' mean diagonal


def sized(setting: ImageSetting, preset: str) -> ImageSetting:
    """The setting as it is in the laptop preset, smaller in smoke, and in paper for a GPU.

    The paper's preset has the kernel of a WRN-16-4 on 10,000 images; its norm is GroupNorm, as
    untrained BatchNorm has no statistics to normalise with.
    """
    if preset == "smoke":
        tiny = replace(setting, num_train=100, num_test=100, members=2)
        return trained(tiny, setting.recipe.with_optim(epochs=2))
    if preset == "paper":
        wide = Residual(depth=16, widen=4, norm="group")
        # MNIST has fewer than 900 of some digits.
        large = replace(setting, num_train=10_000, num_test=8_000, members=10, net=wide)
        optim = OptimSpec(epochs=100, batch_size=128, learning_rate=0.1)
        return trained(large, replace(setting.recipe, optim=optim, padding=4))
    return setting


def contrast(setting: ImageSetting, ridge: float) -> Cell:
    """Networks and kernels, each as one model, ensemble, trained sum and distilled, on images.

    The student of the kernels has the features of the first member, which by itself is
    ``kernel_first``.
    """
    networks = {
        "member": Members(),
        "ensemble": Ensemble(),
        "ensemble_probabilities": Ensemble(average="probabilities"),
        "summed": Summed(),
        "distilled": Student(kd_loss=Hinton(4.0)),
    }
    kernels = Kernels(ridge=ridge)
    of_kernels = {
        f"kernel_{kind}": KernelModel(kind=kind, of=kernels)
        for kind in ("ensemble", "summed", "distilled")
    }
    return Cell(
        part="images",
        setting=setting,
        methods=networks | {"kernel_member": kernels} | of_kernels,
        measures=(
            ErrorsBySize(),
            TestErrors(methods=tuple(networks)),
            ModelErrors(models=("kernel",)),
        ),
    )


def cell(data: Literal["cifar10", "mnist"], preset: str) -> Cell:
    """The cell of a repetition."""
    setting = {"cifar10": CIFAR10, "mnist": MNIST}[data]
    return contrast(sized(setting, preset), RIDGES[data])


def claims() -> Iterator[Claim]:
    """The signs of the paper's Figure 1; that averages gain cannot fail in practice: checks."""
    gain = error("member") - error("ensemble")
    statement = "averaging networks gains over one of them"
    yield Claim("ensemble", FIGURE, statement, GAINS, gain, kind="check")
    gain = error("kernel_member") - error("kernel_ensemble")
    statement = "averaging kernel models gains over one of them"
    yield Claim("NTK ensemble", FIGURE, statement, GAINS, gain, kind="check")
    gain = error("member") - error("distilled")
    statement = "the distilled network gains over one trained on labels"
    yield Claim("student", FIGURE, statement, GAINS, gain)
    gain = error("member") - error("summed")
    statement = f"training the sum gains less than {NONE} over one network"
    yield Claim("trained sum", FIGURE, statement, at_most(NONE), gain)
    gain = error("kernel_ensemble") - error("kernel_summed")
    statement = f"the summed kernel errs within {NONE} of the ensemble of kernels, or less"
    yield Claim("NTK trained sum", FIGURE, statement, at_least(-NONE), gain)
    moved = error("kernel_distilled") - error("kernel_first")
    statement = f"distillation moves a kernel model's error by at most {NONE}"
    yield Claim("NTK student", FIGURE, statement, within(NONE), moved)
