"""Checks of the images that a network takes, when it is built and when it is called."""

from typing import Any

from torch import nn

from multiview import checks, shapes


def image_sizes(
    image_shape: Any, least: int = 1, reason: str = "is smaller"
) -> tuple[int, int, int]:
    """(channels, height, width), refused unless both sides are at least ``least``."""
    meaning = "is of (channels, height, width)"
    sizes = checks.counts("image_shape", image_shape, length=3, meaning=meaning)
    channels, height, width = sizes
    if min(height, width) < least:
        raise ValueError(f"image_shape={image_shape} {reason}: use at least {least}x{least}.")
    return channels, height, width


def check_images(images: Any, net: nn.Module, least: int = 1) -> None:
    """Refuse all but images of the channels and type of the first convolution, not too small."""
    first = next(each for each in net.modules() if isinstance(each, nn.Conv2d))
    sizes = shapes.fit({"C": first.in_channels}, images=(images, "float n? C H W"))
    shapes.same_type("images", images, first.weight)
    if min(sizes["H"], sizes["W"]) < least:
        raise ValueError(
            f"images have shape {tuple(images.shape)}: use at least {least}x{least} pixels."
        )


def check_image_shape(images: Any, image_shape: tuple[int, int, int], net: nn.Module) -> None:
    """Refuse all but images of this shape."""
    shapes.fit(dict(zip("CHW", image_shape, strict=True)), images=(images, "float n? C H W"))
    check_images(images, net)
