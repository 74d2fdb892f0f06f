"""Networks and tangent kernels on real images: their sizes, and what the paper predicts of them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from multiview.runs.claims import Claim, at_least, at_most, within
from multiview.runs.estimates import measured
from multiview.runs.experiment import Context
from multiview.train import OptimSpec
from theory_experiments._image_contrast import (
    CIFAR10,
    MNIST,
    ImageCell,
    WideNet,
    expected_cost,
    run_images,
)
from theory_experiments._image_cost import kernels_and_training
from theory_experiments._image_data import real_images

FIGURE = "Figure 1"
GAINS = (1e-4, 1.0)
NONE = 0.02  # on images a smaller difference is called none
error = partial(measured, "error")
# The kernel of a WRN-16-4 on 10,000 images, and on all 50,000: for a GPU.
WIDE: dict[str, Any] = {
    "num_test": 8_000,  # MNIST has fewer than 900 of some digits
    "members": 10,
    "net": WideNet(),
    "optim": OptimSpec(epochs=100, batch_size=128, learning_rate=0.1),
    "padding": 4,
}
IMAGES: dict[str, dict[str, Any]] = {
    "smoke": {"num_train": 100, "num_test": 100, "members": 2, "optim": OptimSpec(epochs=2)},
    "laptop": {},
    "paper": {"num_train": 10_000, **WIDE},
    "whole": {"num_train": 50_000, **WIDE},
}


def cell(data: Literal["cifar10", "mnist"], preset: str) -> ImageCell:
    """The cell of a repetition."""
    return replace({"cifar10": CIFAR10, "mnist": MNIST}[data], **IMAGES[preset])


def check(cells: Iterable[Any], context: Context) -> None:
    """Refuse cells whose images are not there."""
    for name in {each.data for each in cells if isinstance(each, ImageCell)}:
        real_images(name, context)


def run(cell: ImageCell, context: Context) -> dict[str, dict[str, Any]]:
    """One repetition on images."""
    return run_images(cell, real_images(cell.data, context), context.progress, context.device)


def cost(cells: Iterable[Any], context: Context) -> str | None:
    """What the cells on images will take, at the rate matrices are multiplied here."""
    chosen = [each for each in cells if isinstance(each, ImageCell)]
    each = [expected_cost(one, real_images(one.data, context), context.device) for one in chosen]
    return kernels_and_training(each, context.device) if each else None


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
