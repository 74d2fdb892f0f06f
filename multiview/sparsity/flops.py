"""FLOPs of one sample: of all weights, expected under random gates, or of what is left."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview.sparsity.hard_concrete import HardConcrete
from multiview.sparsity.survival import chance_to_be_open, flat, is_open, survivals, weighted
from multiview.train.compute import evaluating

Count = Literal["dense", "expected", "actual"]


def _all_open(gates: HardConcrete) -> Tensor:
    return torch.ones_like(gates.log_alpha)


_OPENNESS: dict[str, Callable[[HardConcrete], Tensor]] = {
    "dense": _all_open,
    "expected": chance_to_be_open,
    "actual": is_open,
}


def flops(module: nn.Module, sample: Shaped[Tensor, "..."], count: Count = "actual") -> float:
    """Multiplications and additions of the linear layers and convolutions for one sample.

    A unit with n inputs takes n products and, with its bias, n sums: 2n; twice the multiply-adds
    that some papers call FLOPs. Inputs that the layer before no longer makes are not counted, as
    they are gone after ``pruned``; the paper's count leaves them in.

    Args:
        sample: Without an axis of samples.
        count: "dense" as if every gate were open; "expected" the mean over random gates;
            "actual" with the gates of test time.

    Raises:
        ValueError: If there is no such count.
    """
    if count not in get_args(Count):
        raise ValueError(f"count={count!r}: choose one of {get_args(Count)}.")
    positions = _positions(module, sample)
    total, counted = 0.0, set()
    for layers in _chains(module):
        for place, survival in survivals(layers, _OPENNESS[count]).items():
            inner = weighted(layers[place])
            if inner is None or inner in counted:
                continue
            counted.add(inner)
            area = inner.weight[0, 0].numel() * positions.get(inner, 0)
            total += 2.0 * area * float(survival.inputs.sum() * survival.outputs.sum())
    return total


def _chains(module: nn.Module) -> list[list[nn.Module]]:
    """The longest chains first, so that a layer is counted with its neighbours."""
    chains = [flat(each) for each in module.modules() if type(each) is nn.Sequential]
    alone = [[each] for each in module.modules() if weighted(each) is not None]
    return [*chains, *alone]


def _positions(module: nn.Module, sample: Tensor) -> dict[nn.Module, int]:
    """At how many places of an image each layer is used."""
    found: dict[nn.Module, int] = {}

    def note(layer: nn.Module, inputs: tuple, outputs: Tensor) -> None:
        found[layer] = found.get(layer, 0) + outputs[0, 0].numel()

    layers = [each for each in module.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    hooks = [each.register_forward_hook(note) for each in layers]
    try:
        with evaluating(module):
            module(sample.unsqueeze(0))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def units_left(module: nn.Module) -> list[int]:
    """What the paper calls the architecture: living units of each gated layer, in order.

    Inputs of linear layers, filters of convolutions; those that nobody makes or listens to are gone
    though their own gate may be open.
    """
    left = []
    for layers in _chains(module):
        for place, survival in survivals(layers, is_open).items():
            layer = layers[place]
            if layer is not weighted(layer) and layer not in (each for each, _ in left):
                alive = survival.inputs if hasattr(layer, "linear") else survival.outputs
                left.append((layer, int(alive.sum())))
    return [number for _, number in left]
