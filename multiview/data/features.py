"""The orthonormal features v[class, view]."""

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.data.spec import MultiViewSpec


def make_features(spec: MultiViewSpec, generator: torch.Generator | int) -> Float[Tensor, "k L d"]:
    """Draw one unit vector per class and view, all orthogonal, uniformly among such frames.

    Args:
        generator: Sole source of randomness, advanced in place; or a seed.

    Returns:
        ``features[j, v]`` (d,), float32, orthonormal to 1e-6: view ``v`` of class ``j``.

    Raises:
        ValueError: If ``spec`` is no ``MultiViewSpec``, or ``generator`` no generator or seed.
    """
    checks.instance("spec", spec, MultiViewSpec)
    generator = checks.generator("generator", generator, "features")
    num_features = spec.num_classes * spec.num_views
    gaussian = torch.randn(spec.patch_dim, num_features, generator=generator, dtype=torch.float64)
    frame, triangle = torch.linalg.qr(gaussian)
    # QR fixes each column's sign by convention; the diagonal's sign makes the law uniform.
    frame = frame * triangle.diagonal().sign()
    return frame.T.reshape(spec.num_classes, spec.num_views, spec.patch_dim).float()
