"""Recipe: how networks are trained on samples that are not patches."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from multiview import checks
from multiview.data.augment import cutout, flip_and_crop
from multiview.train import ComputeSpec, OptimSpec


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimiser, augmentation and arithmetic of a training.

    Attributes:
        flip: Whether images are mirrored at random.
        padding: Shifts of images are by up to so many pixels.
        cutout: Side of the square that is taken out of each image.
        smoothing: Of the labels: the share of each that is spread over all classes.
        together: Number of networks trained side by side, which share the time a teacher takes.
    """

    optim: OptimSpec
    flip: bool = True
    padding: int = 4
    cutout: int = 0
    smoothing: float = 0.0
    compute: ComputeSpec = field(
        default_factory=lambda: ComputeSpec(channels_last=True, bfloat16=True)
    )
    together: int = 1

    def __post_init__(self) -> None:
        checks.instance("optim", self.optim, OptimSpec)
        checks.instance("compute", self.compute, ComputeSpec)
        checks.flag("flip", self.flip)
        checks.count("padding", self.padding, 0, meaning="counts pixels")
        checks.count("cutout", self.cutout, 0, meaning="is a side in pixels")
        checks.fraction("smoothing", self.smoothing)
        checks.count("together", self.together, meaning="counts networks")

    @property
    def augments(self) -> bool:
        """Whether images are changed at all."""
        return bool(self.flip or self.padding or self.cutout)

    def with_optim(self, **changes: Any) -> "Recipe":
        """The recipe with other settings of its optimiser."""
        return replace(self, optim=replace(self.optim, **changes))

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images of one epoch."""
        moved = flip_and_crop(images, generator, flip=self.flip, padding=self.padding)
        return cutout(moved, generator, size=self.cutout)


def fast_recipe(epochs: int) -> Recipe:
    """Recipe for a FastNet on a few thousand images: minutes on two cores."""
    optim = OptimSpec(epochs=epochs, batch_size=50, learning_rate=0.3, warmup=0.2)
    return Recipe(optim=optim, padding=1, together=5)


def hours_recipe(epochs: int) -> Recipe:
    """Recipe for a FastNet on a whole data set: minutes a network and core.

    Labels are not smoothed, since networks on smoothed labels teach less (arXiv 1906.02629). On
    5,000 training images of CIFAR-10 held out from the other 45,000, with the seed 1000, smoothed
    labels and 8 epochs, one network of widths 32, 64 and 128 erred on 12.5% at the rate 1, on 12.8%
    at 2 (13.0% with twice the smoothing) and on 30.7% at 3; one of widths 32, 64 and 64 on 13.5% at
    2. Without smoothing nothing was compared.
    """
    optim = OptimSpec(epochs=epochs, batch_size=500, learning_rate=1.0, warmup=0.2)
    return Recipe(optim=optim, padding=2, together=5)


def gpu_recipe(epochs: int) -> Recipe:
    """Recipe for a FastNet on a whole data set; nothing was compared, for want of a GPU."""
    optim = OptimSpec(epochs=epochs, batch_size=500, learning_rate=1.0, warmup=0.2)
    compute = ComputeSpec(channels_last=True, bfloat16=True, compile=True)
    return Recipe(optim=optim, compute=compute, together=10)


def plain_recipe(epochs: int, batch_size: int = 50, learning_rate: float = 0.1) -> Recipe:
    """Recipe without augmentation, in float32, for networks of a user's own."""
    optim = OptimSpec(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    return Recipe(optim=optim, flip=False, padding=0, compute=ComputeSpec())
