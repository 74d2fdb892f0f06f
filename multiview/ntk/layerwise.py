"""Jacobians layer by layer: their factors, from one backward pass an output.

A layer's gradients follow from its inputs and the gradients with respect to its outputs. What this
does not hold for is found by a ``trial`` and left to the reference (``PerSample.jacobian``): every
kernel is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.ntk.capture import Call, Evaluation
from multiview.ntk.jacobian import PerSample
from multiview.ntk.layers import (
    affine_gradients,
    gradient_at_positions,
    is_known,
    is_matrix,
    positions,
)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer with trainable parameters and the sizes of its gradient."""

    name: str
    module: nn.Module
    weight: str | None  # names of its parameters that are trainable
    bias: str | None
    calls: int = 0  # in one evaluation of the module
    groups: int = 1
    inputs: int = 0  # I: a sample's gradient is groups x (U, I), a sum of D outer products
    units: int = 0  # U; for the bias and the norms, groups x U numbers
    positions: int = 0  # D, in all calls together

    @property
    def has_matrix(self) -> bool:
        return self.weight is not None and is_matrix(self.module)

    @property
    def num_vectors(self) -> int:
        """How many of its gradients are vectors: biases, and the scales of norms."""
        return (self.bias is not None) + (self.weight is not None and not self.has_matrix)


def known_layers(f: PerSample) -> list[Layer]:
    """The layers whose gradients we know, as far as they have trainable parameters."""
    found = []
    for name, module in f.module.named_modules():
        prefix = f"{name}." if name else ""
        own = [prefix + kind if prefix + kind in f.theta else None for kind in ("weight", "bias")]
        if is_known(module) and any(own):
            found.append(Layer(name=name, module=module, weight=own[0], bias=own[1]))
    return found


def sizes(layer: Layer, calls: Sequence[Call]) -> dict[str, int]:
    """The fields of ``Layer`` that show when the module is evaluated."""
    first = calls[0]
    if not is_matrix(layer.module):
        own = next(p for p in (layer.module.weight, layer.module.bias) if isinstance(p, Tensor))
        return {"calls": len(calls), "units": own.numel(), "positions": 1}
    groups, units = 1, first.output_shape[-1]
    if isinstance(layer.module, nn.Conv2d):
        groups = layer.module.groups
        units = layer.module.out_channels // groups
    return {
        "calls": len(calls),
        "groups": groups,
        "units": units,
        "inputs": layer.module.weight[0].numel(),
        "positions": sum(prod(c.output_shape[1:]) // (groups * units) for c in calls),
    }


def output_gradients(
    evaluation: Evaluation, output: Float[Tensor, " n"], *, last: bool = True
) -> dict[str, list[Tensor]]:
    """d output / d (output of a call), by layer and call, from one backward pass.

    Args:
        output: One of the evaluation's outputs, or a combination of them, of each sample.
        last: Whether no other pass follows, so that the graph can go.
    """
    edges = evaluation.edges()
    if not edges:
        return {name: [] for name in evaluation.calls}
    passed = torch.autograd.grad(output.sum(), edges, retain_graph=not last, allow_unused=True)
    found = iter(passed)
    return {
        name: [call.gradient(islice(found, len(call.outputs))) for call in calls if call.outputs]
        for name, calls in evaluation.calls.items()
    }


def inputs_at_positions(layer: Layer, calls: Sequence[Call]) -> Float[Tensor, "n G I D"]:
    """A matrix layer's inputs at the positions of all its calls."""
    assert is_matrix(layer.module)
    return _in_a_row([positions(layer.module, call.kept) for call in calls])


def gradients_at_positions(layer: Layer, gradients: Sequence[Tensor]) -> Float[Tensor, "n G U D"]:
    """The gradients with respect to a matrix layer's outputs there."""
    module = layer.module
    assert is_matrix(module)
    return _in_a_row([gradient_at_positions(module, each) for each in gradients])


def _in_a_row(calls: Sequence[Tensor]) -> Tensor:
    return calls[0] if len(calls) == 1 else torch.cat(list(calls), 3)


def matrix_gradients(
    a: Float[Tensor, "n G I D"],
    g: Float[Tensor, "n G o U D"],
    out: Float[Tensor, "n o parameters"] | None = None,
) -> Float[Tensor, "n o parameters"]:
    """sum_p g_p a_p^T, flattened as the layer's weight is; into ``out`` if given."""
    n, groups, num_outputs, units, _ = g.shape
    if out is None:
        out = a.new_empty(n, num_outputs, groups * units * a.shape[2])
    g, by_group = g.flatten(2, 3), out.view(n, num_outputs, groups, units, -1)
    if groups == 1:
        torch.bmm(g[:, 0], a[:, 0].mT, out=out.view(n, num_outputs * units, -1))
    else:
        by_group.copy_((g @ a.mT).unflatten(2, (num_outputs, units)).transpose(1, 2))
    return out


def vector_gradients(
    layer: Layer, calls: Sequence[Call], gradients: Sequence[Tensor]
) -> dict[str, Float[Tensor, "n C"]]:
    """Gradients of an output in biases and in the scales of norms, by the parameter's name."""
    module, total = layer.module, {}
    for call, gradient in zip(calls, gradients, strict=True):
        if is_matrix(module):
            own = {layer.bias: gradient_at_positions(module, gradient).sum(3).flatten(1)}
        else:
            weight, bias = affine_gradients(module, call.kept, gradient)
            own = {layer.weight: weight, layer.bias: bias}
        for name, each in own.items():
            if name is not None:
                total[name] = total[name] + each if name in total else each
    return total


def parameter_gradients(
    layer: Layer, calls: Sequence[Call], gradients: Sequence[Tensor]
) -> dict[str, Float[Tensor, "n parameters"]]:
    """All gradients of an output in a layer's parameters, by the parameter's name."""
    found = vector_gradients(layer, calls, gradients)
    if layer.has_matrix:
        assert layer.weight is not None
        g = gradients_at_positions(layer, gradients).unsqueeze(2)
        found[layer.weight] = matrix_gradients(inputs_at_positions(layer, calls), g).squeeze(1)
    return found
