"""Patches without some of the views: fewer views a class, all else the same."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from multiview import shapes


def without_views(
    patches: Float[Tensor, "n P d"],
    features: Float[Tensor, "k L d"],
    dropped: Bool[Tensor, "k L"],
) -> Float[Tensor, "n P d"]:
    """Project the dropped features out of every patch.

    What a patch holds along them goes, whatever it came from: the view itself, feature noise and
    Gaussian noise. All that is orthogonal to them stays.

    Args:
        features: Orthonormal, of ``make_features``.
        dropped: True for the class-view pairs to remove.

    Returns:
        New patches, accurate to their own rounding; a copy where nothing is dropped.

    Raises:
        ValueError: If the shapes do not fit together, or a feature is not finite.
    """
    shapes.fit(
        features=(features, "float k L d"),
        patches=(patches, "float n? P d"),
        dropped=(dropped, "bool k L"),
    )
    shapes.finite(features=features)
    frame = features[dropped].to(patches)  # (dropped, d)
    flat = patches.flatten(0, 1)
    # In one product with the sum: beside the result, only the coefficients (n P, dropped) are held.
    return torch.addmm(flat, flat @ frame.T, frame, alpha=-1).view_as(patches)
