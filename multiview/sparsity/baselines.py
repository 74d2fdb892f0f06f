"""What gates leave, and networks to compare it with: pruned by norm, initialised anew, dropout."""

import copy
import operator
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multiview import checks
from multiview.models.initial import draw_weights
from multiview.models.wide_resnet import Block
from multiview.rng import stream
from multiview.sparsity.flops import units_left
from multiview.sparsity.hard_concrete import eval_gates, open_probability
from multiview.sparsity.layers import Gated, GatedConv2d, gated_layers, layers_with_gates
from multiview.sparsity.penalty import expected_share
from multiview.sparsity.prune import pruned
from multiview.sparsity.wrap import with_gates

OPEN, CLOSED = 5.0, -5.0  # log a at which a gate of test time is exactly 1, or 0


def share_open(net: nn.Module) -> float:
    """Share of the gated weights behind gates that are open at test time.

    What ``expected_share`` is of random gates.

    Raises:
        ValueError: If the network has no gates.
    """
    layers: list[Gated] = layers_with_gates(checks.module("net", net))
    total = sum(each.gates.log_alpha.numel() * each.weights_per_gate for each in layers)
    remaining = sum(
        int((eval_gates(each.gates.log_alpha.detach()) > 0).sum()) * each.weights_per_gate
        for each in layers
    )
    return remaining / total


def remaining(net: nn.Module) -> dict[str, Any]:
    """What its gates have left of a network.

    Returns:
        ``share_open`` and ``expected_share`` of the gated weights, at test time and of random
        gates; ``units`` (``units_left``) and ``expected_units``, lists by gated layer.

    Raises:
        ValueError: If the network has no gates.
    """
    layers = layers_with_gates(checks.module("net", net))
    return {
        "share_open": share_open(net),
        "expected_share": float(expected_share(net).detach()),
        "units": units_left(net),
        "expected_units": [
            float(open_probability(each.gates.log_alpha).sum().detach()) for each in layers
        ],
    }


def magnitude_pruned(net: nn.Module, units: Sequence[int]) -> nn.Module:
    """A copy with so many units or filters in each layer that could have gates.

    Kept are those with the largest norms of the weights that a gate would stand before; of the
    inputs of a linear layer behind a convolution, among those that the remaining filters make.

    Args:
        units: One number for each layer, as ``units_left`` gives them.

    Raises:
        ValueError: If the network cannot have gates, or a number is not between 0 and the units
            of its layer.
    """
    kept_units = checks.counts("units", units, 0)
    gated = with_gates(net, 0.5, stream(0))  # the start is overwritten
    layers = list(gated_layers(gated).values())
    sizes = [each.gates.log_alpha.numel() for each in layers]
    if len(kept_units) != len(sizes) or any(map(operator.gt, kept_units, sizes)):
        raise ValueError(
            f"units={list(units)} are not numbers of units to keep in layers of {sizes}: give one "
            "for each layer."
        )
    made: Bool[Tensor, " filters"] | None = None  # by the convolution right before
    for layer, number in zip(layers, kept_units, strict=True):
        with torch.no_grad():
            norms = layer.squares()
            if made is not None and not isinstance(layer, GatedConv2d):
                norms = norms * made.repeat_interleave(len(norms) // len(made))
            kept = _largest(norms, number)
            made = kept if isinstance(layer, GatedConv2d) else None
            layer.gates.log_alpha.copy_(torch.where(kept, OPEN, CLOSED))
    return pruned(gated)


def _largest(values: Float[Tensor, " n"], number: int) -> Bool[Tensor, " n"]:
    """Mask of the ``number`` largest values."""
    kept = torch.zeros_like(values, dtype=torch.bool)
    kept[values.topk(number).indices] = True
    return kept


def reinitialised(net: nn.Module, generator: torch.Generator | int) -> nn.Module:
    """A copy with new initial weights: the same layers and sizes, which read the same inputs.

    Args:
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: If ``net`` is no module, or ``generator`` neither a generator nor a seed.
    """
    generator = checks.generator("generator", generator, "new initial weights")
    copied = copy.deepcopy(checks.module("net", net))
    for layer in copied.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    # In another memory format the same draws would be other weights.
    host = copied.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    draw_weights(host, generator)
    return host.to(next(net.parameters()).device).train()


def with_dropout(net: nn.Module, inputs: float, hidden: float) -> nn.Module:
    """A copy with dropout in front of linear layers, or of the second convolution of blocks.

    Args:
        net: A WideResNet, or a network whose layers are the ``nn.Sequential`` ``layers``.
        inputs: Probability in front of a linear layer that reads the image.
        hidden: Of all others.

    Raises:
        ValueError: If the network is of another kind.
    """
    inputs = checks.drop_probability("inputs", inputs)
    hidden = checks.drop_probability("hidden", hidden)
    copied = copy.deepcopy(checks.module("net", net))
    blocks = [each for each in copied.modules() if isinstance(each, Block)]
    for block in blocks:
        *first, last = block.branch
        block.branch = nn.Sequential(*first, nn.Dropout(hidden), last)
    if blocks:
        return copied
    chain = getattr(copied, "layers", None)
    if not isinstance(chain, nn.Sequential):
        raise ValueError(
            f"net is a {type(net).__name__} without an nn.Sequential named layers, so the places "
            "of dropout are not known: use an MLP, a LeNet5 or a WideResNet."
        )
    layers: list[nn.Module] = []
    rate = inputs
    for layer in chain:
        if isinstance(layer, nn.Linear):
            layers.append(nn.Dropout(rate))
        layers.append(layer)
        if isinstance(layer, nn.Linear | nn.Conv2d):
            rate = hidden
    copied.layers = nn.Sequential(*layers)
    return copied
