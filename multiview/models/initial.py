"""The start weights of the image networks."""

import torch
from torch import nn


def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """N(0, 2 / fan-in) for convolutions, N(0, 1 / fan-in) for linear layers, biases 0.

    Fan-in, not fan-out: it keeps the size of the signal where the image is halved and the width
    doubled, also in eval mode before training, when BatchNorm is the identity (arXiv 1502.01852,
    Section 2.2). Norms stay as built: scale 1, shift 0.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            variance = (2 if isinstance(layer, nn.Conv2d) else 1) / layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=variance**0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
