"""The tangent kernel of a network's last linear layer alone."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn


def last_layer_gram(
    net: nn.Module, x: Shaped[Tensor, "n ..."], y: Shaped[Tensor, "m ..."] | None = None
) -> Float[Tensor, "n m"]:
    """<a, a'> + 1 of all pairs of x and y, or of x alone, of one output, in float64 on the CPU.

    a are the inputs of the last linear layer; the 1 is the bias's. ``gram`` of the net with all
    else frozen is the same, but passes back through all layers to find out.
    """
    a = last_inputs(net, x).double()
    b = a if y is None else last_inputs(net, y).double()
    return (a @ b.mT + 1).cpu()


def last_inputs(net: nn.Module, x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n features"]:
    """What the net's last linear layer is given."""
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        with torch.no_grad():
            for part in x.split(500):
                net(part)
    finally:
        hook.remove()
    return torch.cat(seen)
