"""Samples to train, to choose and to test on; Splits, such of images."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from multiview import checks
from multiview.data.images import ImageData, standardise
from multiview.data.whitening import whitening_filters


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Inputs of any shape and their labels, from 0 to ``num_classes`` - 1.

    Whatever is chosen is chosen on the validation samples, of which there may be none.
    """

    train: Shaped[Tensor, "n ..."]
    train_labels: Int[Tensor, " n"]
    validation: Shaped[Tensor, "v ..."]
    validation_labels: Int[Tensor, " v"]
    test: Shaped[Tensor, "t ..."]
    test_labels: Int[Tensor, " t"]
    num_classes: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits(Samples):
    """Images (n, C, H, W) in float32, standardised by the channels of the training images.

    The validation images come from the training file.
    """

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, channels, height, width = self.train.shape
        return channels, height, width

    @cached_property
    def whitening(self) -> Float[Tensor, "filters C 2 2"]:
        """``whitening_filters`` of the training images, made once."""
        return whitening_filters(self.train)


def split(
    data: ImageData,
    n_train: int | None,
    n_validation: int,
    n_test: int | None,
    generator: torch.Generator | int,
    device: str | torch.device = "cpu",
) -> Splits:
    """Draw three disjoint splits; the same generator state draws the same.

    They hold as many of each class, but for those that take all there is.

    Args:
        n_train: Of the training images; a multiple of the number of classes, as are the others.
            None: all that are not for validation.
        n_validation: Further ones of the training images; 0 for none.
        n_test: Of the test images. None: all.
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: If the classes cannot have equal shares or hold too few images.
    """
    generator = checks.generator("generator", generator, "split")
    n_chosen = None if n_train is None else n_train + n_validation
    chosen = data.subset(n_chosen, n_test, generator)
    none = replace(chosen, test_images=chosen.test_images[:0], test_labels=chosen.test_labels[:0])
    held = chosen.hold_out(n_validation, generator) if n_validation else none
    own = [held.test_images] if n_validation else []
    train, *further, test = standardise(held.train_images, *own, chosen.test_images)
    validation = further[0] if further else train[:0]
    return Splits(
        train=train.to(device),
        train_labels=held.train_labels.to(device),
        validation=validation.to(device),
        validation_labels=held.test_labels.to(device),
        test=test.to(device),
        test_labels=chosen.test_labels.to(device),
        num_classes=data.num_classes,
    )
