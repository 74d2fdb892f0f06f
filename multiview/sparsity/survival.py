"""Which units of a chain of layers live, given its gates: what pruning removes and FLOPs count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.sparsity.hard_concrete import HardConcrete, eval_gates, open_probability
from multiview.sparsity.layers import GatedConv2d, GatedLinear

# What a closed unit, a 0, passes through as a 0.
_ELEMENTWISE = (
    *(nn.Identity, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh),
    *(nn.Dropout, nn.Dropout2d),
)
# And what looks at each channel of an image by itself.
_BY_CHANNEL = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
Openness = Callable[[HardConcrete], Float[Tensor, "*gates"]]  # how open a gate is, in [0, 1]


def is_open(gates: HardConcrete) -> Float[Tensor, "*gates"]:
    """1 where the gate of test time is not 0."""
    return (eval_gates(gates.log_alpha.detach()) > 0).float()


def chance_to_be_open(gates: HardConcrete) -> Float[Tensor, "*gates"]:
    """``open_probability``."""
    return open_probability(gates.log_alpha.detach())


@dataclass(frozen=True, kw_only=True)
class Survival:
    """Which units of a layer with weights are there: 0 or 1 of each, or with what probability."""

    inputs: Float[Tensor, " in"]
    outputs: Float[Tensor, " out"]


def flat(chain: nn.Module) -> list[nn.Module]:
    """The layers of a Sequential and of those within it; any other module is one layer."""
    if type(chain) is not nn.Sequential:
        return [chain]
    return [layer for each in chain for layer in flat(each)]


def weighted(layer: nn.Module) -> nn.Linear | nn.Conv2d | None:
    """The linear layer or convolution that this layer is or wraps."""
    if isinstance(layer, GatedLinear):
        return layer.linear
    if isinstance(layer, GatedConv2d):
        return layer.conv
    # Not of subclasses, which may compute something else.
    if type(layer) is nn.Linear or (type(layer) is nn.Conv2d and layer.groups == 1):
        return layer
    return None


def survivals(layers: Sequence[nn.Module], openness: Openness) -> dict[int, Survival]:
    """The units that survive in each layer of a chain that has weights, by its index.

    An output lives if its own gate is open and the next layer reads it; an input if its own
    gate is open and the output that it is lives. Gates are independent, so probabilities multiply.
    What enters or leaves the chain, or a layer that is not understood, is all there.
    """
    found: dict[int, Survival] = {}
    indices = [i for i, layer in enumerate(layers) if weighted(layer) is not None]
    made = None  # outputs of the last layer by its own gates, where the next one takes them
    next_index = dict(pairwise(indices))
    for index in indices:
        following = next_index.get(index)
        layer = layers[index]
        own = _outputs(layer, openness)
        inputs = _inputs(layer, openness)
        if made is not None:
            inputs = inputs * made.repeat_interleave(len(inputs) // len(made))
        made, outputs = None, torch.ones_like(own)
        if following is not None and _hand_on(layers[index : following + 1]):
            read = _inputs(layers[following], openness)
            # A channel is read if any of its pixels is.
            made, outputs = own, own * (1 - (1 - read.view(len(own), -1)).prod(1))
        found[index] = Survival(inputs=inputs, outputs=outputs)
    return found


def _hand_on(layers: Sequence[nn.Module]) -> bool:
    """Whether units of the first layer are the last one's inputs, one by one, a 0 still a 0."""
    maker, *between, taker = layers
    image = isinstance(weighted(maker), nn.Conv2d)
    flattened = [each for each in between if isinstance(each, nn.Flatten)]
    passing = (*_ELEMENTWISE, nn.Flatten, *(_BY_CHANNEL if image else ()))
    if not all(isinstance(each, passing) for each in between):
        return False
    if any(each.start_dim != 1 or each.end_dim != -1 for each in flattened):
        return False
    return bool(flattened) == (image and isinstance(weighted(taker), nn.Linear))


def _outputs(layer: nn.Module, openness: Openness) -> Float[Tensor, " out"]:
    """How much of each output the layer's own gates leave."""
    if isinstance(layer, GatedConv2d):
        return openness(layer.gates)
    inner = weighted(layer)
    assert inner is not None
    return inner.weight.new_ones(len(inner.weight))


def _inputs(layer: nn.Module, openness: Openness) -> Float[Tensor, " in"]:
    """How much of each input the layer's own gates leave."""
    if isinstance(layer, GatedLinear):
        return openness(layer.gates)
    inner = weighted(layer)
    assert inner is not None
    return inner.weight.new_ones(inner.weight.shape[1])
