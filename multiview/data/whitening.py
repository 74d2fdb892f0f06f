"""Filters that whiten the small patches of images."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from multiview import checks, shapes

MOST_IMAGES = 5000  # enough for the covariance of a few dozen numbers


def whitening_filters(
    images: Float[Tensor, "n C H W"], size: int = 2, ridge: float = 5e-4
) -> Float[Tensor, "filters C size size"]:
    """Principal directions of all ``size`` x ``size`` patches, scaled to unit variance, and minus.

    As first layer they give a network decorrelated inputs, and training fewer epochs to take
    (hlb-CIFAR10 and airbench, arXiv 2404.00498, Section 3.1).

    Args:
        images: At most the first 5,000 are looked at.
        ridge: Added to every variance, in units of the images' own.

    Returns:
        2 C size^2 filters, in the order of falling variance, those with minus signs after all
        others. The sign of a direction makes its largest entry positive.

    Raises:
        ValueError: If an argument is out of range, or an image not finite.
    """
    sizes = shapes.fit(images=(images, "float n C H W"))
    channels = sizes["C"]
    size = checks.count("size", size, most=min(sizes["H"], sizes["W"]))
    ridge = checks.not_negative("ridge", ridge)
    shapes.finite(images=images[:MOST_IMAGES])
    few = images[:MOST_IMAGES].cpu().double()  # the same filters for every device
    patches = functional.unfold(few, size)  # (n, C size^2, places)
    patches = patches.movedim(1, 2).flatten(0, 1)
    variances, directions = torch.linalg.eigh(torch.cov(patches.T, correction=0))
    variances, directions = variances.flip(0), directions.flip(1).T  # rows are directions now
    if ridge + float(variances[-1]) <= 1e-12 * float(variances[0]):
        raise ValueError(
            f"ridge={ridge} leaves directions of images without variance: use ridge > 0."
        )
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    filters = directions * largest.sign() / (variances[:, None] + ridge).sqrt()
    return torch.cat([filters, -filters]).view(-1, channels, size, size).float()
