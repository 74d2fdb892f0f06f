"""Relu networks in NTK parameterisation, whose kernel has a limit as they widen."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class NtkLinear(nn.Module):
    """x W^T s_w / sqrt(fan-in) + s_b b, with W and b from N(0, 1)."""

    def __init__(self, inputs, outputs, weight_scale, bias_scale, generator):
        super().__init__()
        settings = {"generator": generator, "dtype": torch.float64}
        self.weight = nn.Parameter(torch.randn(outputs, inputs, **settings))
        self.bias = nn.Parameter(torch.randn(outputs, **settings)) if bias_scale else None
        self.weight_scale, self.bias_scale = weight_scale / inputs**0.5, bias_scale

    def forward(self, x: Tensor) -> Tensor:
        y = self.weight_scale * F.linear(x, self.weight)
        return y if self.bias is None else y + self.bias_scale * self.bias


def wide_relu_net(
    inputs: int,
    width: int,
    *,
    depth: int = 1,
    weight_scale: float = 1.0,
    bias_scale: float = 0.0,
    generator: torch.Generator,
) -> nn.Module:
    """``depth`` hidden layers of this width and one output, float64."""
    sizes = [inputs, *([width] * depth), 1]
    layers = []
    for before, after in pairwise(sizes):
        layers += [NtkLinear(before, after, weight_scale, bias_scale, generator), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
