"""Random shifts and mirror images of a whole tensor of images at once."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def flip_and_crop(
    images: Float[Tensor, "n C H W"],
    generator: torch.Generator,
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
    n, _, height, width = images.shape
    device = images.device
    if flip:
        mirrored = (torch.rand(n, generator=generator) < 0.5).to(device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if padding == 0:
        return images
    padded = functional.pad(images, [padding] * 4)
    top, left = torch.randint(2 * padding + 1, (2, n), generator=generator).to(device)
    rows = (top[:, None] + torch.arange(height, device=device))[:, :, None]  # (n, H, 1)
    columns = (left[:, None] + torch.arange(width, device=device))[:, None, :]  # (n, 1, W)
    samples = torch.arange(n, device=device)[:, None, None]
    return padded[samples, :, rows, columns].movedim(3, 1)  # indexed axes come first: (n, H, W, C)
