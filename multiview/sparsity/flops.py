"""FLOPs of one sample: of all weights, expected under random gates, or of what is left."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.models import PatchNet
from multiview.sparsity.hard_concrete import HardConcrete
from multiview.sparsity.layers import GatedLinear, GatedPatchNet, gated_layers
from multiview.sparsity.survival import (
    Survival,
    chance_to_be_open,
    flat,
    is_open,
    survivals,
    weighted,
)
from multiview.train.compute import evaluating

Count = Literal["dense", "expected", "actual"]
_WEIGHTED = (nn.Linear, nn.Conv2d, PatchNet)


def _all_open(gates: HardConcrete) -> Tensor:
    return torch.ones_like(gates.log_alpha)


_OPENNESS: dict[str, Callable[[HardConcrete], Tensor]] = {
    "dense": _all_open,
    "expected": chance_to_be_open,
    "actual": is_open,
}


def flops(module: nn.Module, sample: Shaped[Tensor, "..."], count: Count = "actual") -> float:
    """Multiplications and additions of linear layers, convolutions and PatchNets for one sample.

    Of n inputs a unit makes n products and n sums, that of its bias counted whether there is one or
    not: 2n, twice the multiply-adds that some papers call FLOPs. Inputs that the layer before no
    longer makes are not counted, as they are gone after ``pruned`` (which keeps a unit of a layer
    that is all closed); the paper's own count leaves them in. Norms and activations are free.

    Args:
        sample: Without an axis of samples.
        count: "dense" as if every gate were open; "expected" the mean over random gates;
            "actual" with the gates of test time.

    Raises:
        ValueError: If there is no such count, or weights in another kind of layer.
    """
    checks.choice("count", count, get_args(Count))
    shapes.fit(sample=(sample, "any *axes"))
    checks.module("module", module)
    _check_known(module)
    openness, found = _OPENNESS[count], _survivals(module, _OPENNESS[count])
    gated = {each.net: each for each in module.modules() if isinstance(each, GatedPatchNet)}
    total = 0.0
    for layer, times in _uses(module, sample).items():
        if isinstance(layer, PatchNet):
            neurons = gated[layer].gates if layer in gated else None
            alive = layer.weight[..., 0].numel() if neurons is None else openness(neurons).sum()
            total += 2.0 * times * layer.weight.shape[-1] * float(alive)
        else:
            weights = layer.get_parameter("weight").numel()
            if layer in found:
                each = found[layer]
                pairs = len(each.inputs) * len(each.outputs)
                weights = weights // pairs * float(each.inputs.sum() * each.outputs.sum())
            total += 2.0 * times * weights
    return total


def units_left(module: nn.Module) -> list[int]:
    """What the paper calls the architecture: living units of each gated layer, in order.

    Inputs of linear layers, filters of convolutions, neurons of PatchNets; those that nobody makes
    or listens to are gone though their own gate may be open.

    Raises:
        ValueError: If ``module`` is no module.
    """
    found = _survivals(checks.module("module", module), is_open)
    left = []
    for layer in gated_layers(module).values():
        inner = weighted(layer)
        if inner is None:
            left.append(int(is_open(layer.gates).sum()))
        else:
            units = found[inner].inputs if isinstance(layer, GatedLinear) else found[inner].outputs
            left.append(int(units.sum()))
    return left


def _survivals(
    module: nn.Module, openness: Callable[[HardConcrete], Tensor]
) -> dict[nn.Module, Survival]:
    """The units that survive in each layer with weights, in the longest chain that it is in."""
    chains = [flat(each) for each in module.modules() if type(each) is nn.Sequential]
    alone = [[each] for each in module.modules() if weighted(each) is not None]
    found: dict[nn.Module, Survival] = {}
    for layers in [*chains, *alone]:  # modules come before what is in them
        for index, survival in survivals(layers, openness).items():
            inner = weighted(layers[index])
            if inner is not None:
                found.setdefault(inner, survival)
    return found


def _uses(module: nn.Module, sample: Tensor) -> dict[nn.Module, int]:
    """How many times the weights of each layer are used: at places of an image, or on patches."""
    found: dict[nn.Module, int] = {}

    def note(layer: nn.Module, inputs: tuple, outputs: Tensor) -> None:
        if isinstance(layer, PatchNet):
            times = inputs[0].shape[1]
        else:
            times = outputs[0].numel() // len(layer.get_parameter("weight"))
        found[layer] = found.get(layer, 0) + times

    layers = [each for each in module.modules() if isinstance(each, _WEIGHTED)]
    hooks = [each.register_forward_hook(note) for each in layers]
    try:
        with evaluating(module):
            module(sample.unsqueeze(0))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _check_known(module: nn.Module) -> None:
    norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    for name, part in module.named_modules():
        known = isinstance(part, (*_WEIGHTED, *norms, HardConcrete))
        if not known and next(part.parameters(recurse=False), None) is not None:
            raise ValueError(
                f"{name or 'the module'} is a {type(part).__name__}, whose FLOPs are not known: "
                "use linear layers, two-dimensional convolutions and PatchNets."
            )
