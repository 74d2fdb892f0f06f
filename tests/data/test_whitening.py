"""whitening_filters: the outputs are white, in pairs, whatever the images."""

import pytest
import torch
from torch.nn import functional as F

from multiview import stream
from multiview.data.whitening import whitening_filters


def images(n: int = 300) -> torch.Tensor:
    """Smooth in space, correlated in colour, of large mean."""
    noise = torch.randn(n, 3, 10, 9, generator=stream(0, "images"))
    mixed = torch.einsum(
        "ij,njhw->nihw", torch.tensor([[1, 0, 0], [0.8, 0.5, 0], [0.2, 0, 2]]), noise
    )
    return F.avg_pool2d(mixed, 2, 1) + 3


@pytest.mark.parametrize("size", [1, 2, 3])
def test_outputs_are_uncorrelated_with_unit_variance(size):
    x = images()
    filters = whitening_filters(x, size, ridge=0.0)
    half = 3 * size**2
    assert filters.shape == (2 * half, 3, size, size)
    assert filters[half:].equal(-filters[:half])
    outputs = F.conv2d(x.double(), filters[:half].double()).movedim(1, 0).flatten(1)
    torch.testing.assert_close(
        torch.cov(outputs, correction=0), torch.eye(half).double(), atol=1e-4, rtol=0
    )


def test_directions_come_by_falling_variance_with_their_largest_entry_positive():
    filters = whitening_filters(images(), ridge=0.0)[:12].flatten(1)
    variances = filters.square().sum(1) ** -1
    assert (variances.diff() <= 0).all()
    assert (filters.gather(1, filters.abs().argmax(1, keepdim=True)) > 0).all()


def test_the_ridge_keeps_constant_images_finite():
    filters = whitening_filters(torch.ones(4, 1, 5, 5), ridge=0.01)
    assert filters.abs().max() == pytest.approx(10, rel=0.5)
    assert filters.isfinite().all()
