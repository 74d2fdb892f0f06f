"""Random shifts, mirror images and holes, in a whole tensor of inputs at once."""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from multiview import checks, shapes

AT_ONCE = 2000  # images: what is made on the way takes memory for as many


def flip_and_crop(
    images: Float[Tensor, "n C H W"],
    generator: torch.Generator | int,
    *,
    flip: bool = True,
    padding: int = 4,
) -> Float[Tensor, "n C H W"]:
    """Mirror each image left to right with probability 1/2, then shift it at random.

    The draws are made where the generator is, so every device sees the same images.

    Args:
        flip: Off for images whose mirror image means something else, such as digits.
        padding: Largest shift along each axis, in pixels; what comes in is 0.
    """
    shapes.fit(images=(images, "float n? C H W"))
    generator = checks.generator("generator", generator, "flip and crop")
    padding = checks.count("padding", padding, 0)
    n, channels, height, width = images.shape
    mirrored = shifts = None
    moved = images
    if checks.flag("flip", flip):
        mirrored = (torch.rand(n, generator=generator) < 0.5).to(images.device)
        moved = torch.empty_like(images)
    if padding:
        shifts = torch.randint(2 * padding + 1, (2, n), generator=generator).to(images.device)
        moved = images.new_empty(n, height, width, channels).movedim(3, 1)
    if moved is images:
        return images
    for first in range(0, n, AT_ONCE):
        some = slice(first, first + AT_ONCE)
        seen = images[some]
        if mirrored is not None:
            seen = torch.where(mirrored[some, None, None, None], seen.flip(3), seen)
        moved[some] = seen if shifts is None else _shifted(seen, shifts[:, some], padding)
    return moved


def _shifted(
    images: Float[Tensor, "n C H W"], shifts: Int[Tensor, "2 n"], padding: int
) -> Float[Tensor, "n C H W"]:
    """Windows of the padded images, whose tops and lefts these are.

    Pixels come before channels, so that a window takes from each row numbers that lie side by side:
    a third of the time of taking pixel by pixel.
    """
    n, channels, height, width = images.shape
    padded = functional.pad(images.movedim(1, 3), (0, 0, *[padding] * 4))
    windows = padded.flatten(2).unfold(2, width * channels, channels)  # (n, rows, shifts, W C)
    top, left = shifts
    rows = top[:, None] + torch.arange(height, device=images.device)
    samples = torch.arange(n, device=images.device)[:, None]
    moved = windows[samples, rows, left[:, None]]
    return moved.view(n, height, width, channels).movedim(3, 1)


def cutout(
    images: Float[Tensor, "n C H W"], generator: torch.Generator | int, *, size: int = 16
) -> Float[Tensor, "n C H W"]:
    """Set a square of ``size`` x ``size`` pixels of each image to 0, what of it lies inside.

    Its centre is any pixel, so that near the border less is lost (arXiv 1708.04552, Section 3).

    Args:
        size: Side of the square; 0 changes nothing, and draws nothing.
    """
    shapes.fit(images=(images, "float n? C H W"))
    generator = checks.generator("generator", generator, "cutout")
    if checks.count("size", size, 0) == 0:
        return images
    n, _, height, width = images.shape

    def inside(length: int) -> Bool[Tensor, "n length"]:
        centre = torch.randint(length, (n, 1), generator=generator)
        begin = centre - size // 2
        places = torch.arange(length)
        return ((places >= begin) & (places < begin + size)).to(images.device)

    hole = inside(height)[:, :, None] & inside(width)[:, None, :]
    return images.masked_fill(hole[:, None], 0)


def hide(
    inputs: Shaped[Tensor, "n ..."], generator: torch.Generator | int, *, fraction: float
) -> Shaped[Tensor, "n ..."]:
    """Set patches of (n, P, d), or pixels in all channels of (n, C, H, W), to 0 at random.

    Args:
        fraction: Probability of each patch or pixel to be hidden, in [0, 1).

    Raises:
        ValueError: If inputs are of neither shape, or ``fraction`` is out of range.
    """
    generator = checks.generator("generator", generator, "hide")
    fraction = checks.drop_probability("fraction", fraction)
    if inputs.dim() not in (3, 4):
        raise ValueError(
            f"inputs have shape {tuple(inputs.shape)}: give patches (n, P, d) or images "
            "(n, C, H, W)."
        )
    patches = inputs.dim() == 3
    shape = (*inputs.shape[:2], 1) if patches else (len(inputs), 1, *inputs.shape[2:])
    kept = torch.rand(shape, generator=generator) >= fraction
    return inputs * kept.to(inputs.device)
