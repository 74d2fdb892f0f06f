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
    evaluation: Evaluation, outputs: Float[Tensor, "n o"]
) -> dict[str, list[list[Tensor]]]:
    """d outputs[:, a] / d (output of a call), by layer, call and a; one backward pass for each a.

    Args:
        outputs: Some of the evaluation's outputs, or combinations of them.
    """
    edges, num_outputs = evaluation.edges(), outputs.shape[1]
    if not edges:
        return {name: [] for name in evaluation.calls}
    passes = [
        torch.autograd.grad(
            outputs[:, a].sum(),
            edges,
            retain_graph=a + 1 < num_outputs,
            allow_unused=True,
        )
        for a in range(num_outputs)
    ]
    by_edge = iter(zip(*passes, strict=True))
    found: dict[str, list[list[Tensor]]] = {}
    for name, calls in evaluation.calls.items():
        of_calls = [list(islice(by_edge, len(call.outputs))) for call in calls]
        found[name] = [
            [call.gradient(one) for one in zip(*edges, strict=True)]
            for call, edges in zip(calls, of_calls, strict=True)
        ]
    return found


def factors(
    layer: Layer, calls: Sequence[Call], gradients: Sequence[Sequence[Tensor]]
) -> tuple[Float[Tensor, "n G I D"], Float[Tensor, "n G o U D"]]:
    """A matrix layer's inputs and output gradients at the positions of all its calls."""
    module = layer.module
    assert is_matrix(module)
    a = [positions(module, call.kept) for call in calls]
    g = [
        torch.stack([gradient_at_positions(module, each) for each in outputs], dim=2)
        for outputs in gradients
    ]
    return (a[0], g[0]) if len(calls) == 1 else (torch.cat(a, 3), torch.cat(g, 4))


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
    layer: Layer, calls: Sequence[Call], gradients: Sequence[Sequence[Tensor]]
) -> dict[str, Float[Tensor, "n o C"]]:
    """Gradients in biases and in the scales of norms, by the parameter's name."""
    module, total = layer.module, {}
    for call, outputs in zip(calls, gradients, strict=True):
        if is_matrix(module):
            bias = torch.stack(
                [gradient_at_positions(module, each).sum(3).flatten(1) for each in outputs], 1
            )
            own = {layer.bias: bias}
        else:
            pairs = [affine_gradients(module, call.kept, each) for each in outputs]
            weight, bias = (torch.stack(each, 1) for each in zip(*pairs, strict=True))
            own = {layer.weight: weight, layer.bias: bias}
        for name, gradient in own.items():
            if name is not None:
                total[name] = total[name] + gradient if name in total else gradient
    return total


def parameter_gradients(
    layer: Layer, calls: Sequence[Call], gradients: Sequence[Sequence[Tensor]]
) -> dict[str, Float[Tensor, "n o parameters"]]:
    """The whole Jacobian of a layer, by the parameter's name."""
    found = vector_gradients(layer, calls, gradients)
    if layer.has_matrix:
        assert layer.weight is not None
        found[layer.weight] = matrix_gradients(*factors(layer, calls, gradients))
    return found
