"""Features of a planned Gram matrix and their products."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from multiview.ntk.capture import evaluate
from multiview.ntk.contract import Outputs, jacobian_products, pair_products
from multiview.ntk.jacobian import PerSample
from multiview.ntk.layerwise import (
    factors,
    matrix_gradients,
    output_gradients,
    vector_gradients,
)
from multiview.ntk.plan import GramPlan
from multiview.ntk.tiles import Features, joined

TOGETHER = 16  # samples that pass through the layers at once: many more leave the cache
JACOBIANS = 64  # samples that the reference differentiates at once


def features(f: PerSample, plan: GramPlan, chosen: slice, x: Shaped[Tensor, "n ..."]) -> Features:
    """What the kernel's products are formed of, for some of the outputs.

    Returns:
        Of each layer in the order "weights" its Jacobian (n, o, parameters); in the order "pairs"
        its inputs (n, D, G, I) and output gradients (n, D, G, o, U); the Jacobian in all vectors;
        that in the parameters left to the reference. What is empty is left out.
    """
    found: Features = ()
    if plan.layers:
        parts = (_layers(f, plan, chosen, part) for part in x.split(TOGETHER))
        found = joined(parts, len(x))
    if plan.rest:
        parts = ((f.jacobian(part, chosen, plan.rest),) for part in x.split(JACOBIANS))
        found += joined(parts, len(x))
    return found


def products(
    plan: GramPlan, outputs: Outputs, dtype: torch.dtype, rows: Features, columns: Features
) -> Float[Tensor, "..."]:
    """The tile of two sets of features, summed over layers in ``dtype``; see ``contract``."""
    pairs = iter(zip(rows, columns, strict=True))
    tile: Tensor | None = None

    def add(term: Tensor) -> None:
        nonlocal tile
        tile = term.to(dtype) if tile is None else tile.add_(term)

    for layer, order in zip(plan.layers, plan.orders, strict=True):
        if order == "weights":
            add(jacobian_products(*next(pairs), outputs))
        elif order == "pairs":
            (a1, a2), (g1, g2) = next(pairs), next(pairs)
            for i in range(layer.groups):
                mine, theirs = (a1[:, :, i], g1[:, :, i]), (a2[:, :, i], g2[:, :, i])
                add(pair_products(mine, theirs, outputs))
    for mine, theirs in pairs:  # vectors and the rest
        add(jacobian_products(mine, theirs, outputs))
    assert tile is not None
    return tile


def _layers(f: PerSample, plan: GramPlan, chosen: slice, x: Shaped[Tensor, "n ..."]) -> Features:
    evaluation = evaluate(f, {layer.name: layer.module for layer in plan.layers}, x)
    gradients = output_gradients(evaluation, evaluation.outputs[:, chosen])
    matrices: list[Tensor] = []
    vectors: list[Tensor] = []
    for layer, order in zip(plan.layers, plan.orders, strict=True):
        calls, own = evaluation.calls[layer.name], gradients.pop(layer.name)
        if len(calls) != layer.calls:
            raise ValueError(
                f"{layer.name} was called {len(calls)} times for some samples and {layer.calls} "
                'times for others: use method="jacobian".'
            )
        bias_in_pairs = order == "pairs" and layer.bias is not None
        if order != "none":
            a, g = factors(layer, calls, own)
            if order == "weights":
                matrices.append(matrix_gradients(a, g))
            else:
                matrices += _for_pairs(a, g, bias_in_pairs)
        if not bias_in_pairs:
            vectors += vector_gradients(layer, calls, own).values()
    return (*matrices, *([torch.cat(vectors, 2)] if vectors else []))


def _for_pairs(
    a: Float[Tensor, "n G I D"], g: Float[Tensor, "n G o U D"], with_bias: bool
) -> Sequence[Tensor]:
    """Positions first, as ``pair_products`` takes them; a bias is one more input, always 1."""
    if with_bias:
        a = torch.cat([a, a.new_ones(*a.shape[:2], 1, a.shape[3])], 2)
    return a.permute(0, 3, 1, 2), g.permute(0, 4, 1, 2, 3)
