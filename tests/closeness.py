"""Numbers that agree but for rounding."""

import torch
from torch import Tensor


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-9) -> None:
    """Assert that each entry agrees to a fraction of itself or of the largest one."""
    size = max(expected.abs().max().item(), 1e-300)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance * size)
