"""Features of a planned Gram matrix and their products."""

from collections.abc import Iterator
from functools import reduce
from math import prod

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from multiview.ntk.capture import evaluate
from multiview.ntk.check import check_no_mixing
from multiview.ntk.contract import Outputs, jacobian_products, pair_products
from multiview.ntk.jacobian import PerSample
from multiview.ntk.layerwise import (
    Layer,
    factors,
    matrix_gradients,
    output_gradients,
    vector_gradients,
)
from multiview.ntk.plan import GramPlan, Order
from multiview.ntk.tiles import Features, spans
from multiview.ntk.trial import called_alike

WORKING = 2**24  # numbers in the gradients of the samples that pass at once (the fastest measured)
AT_ONCE = 64  # samples that pass through the module at once, at most


def empty(f: PerSample, plan: GramPlan, num_chosen: int, n: int) -> Features:
    """Memory for the features of ``n`` samples and so many outputs.

    Of each layer in the order "weights" its Jacobian (n, o, parameters); in the order "pairs" its
    inputs (n, D, G, I) and output gradients (n, D, G, o, U); the Jacobian in all vectors; that in
    the parameters left to the reference. What is empty is left out.
    """
    shapes: list[tuple[int, ...]] = []
    for layer, order in zip(plan.layers, plan.orders, strict=True):
        if order == "weights":
            shapes.append((num_chosen, layer.groups * layer.units * layer.inputs))
        elif order == "pairs":
            inputs = layer.inputs + (layer.bias is not None)
            shapes.append((layer.positions, layer.groups, inputs))
            shapes.append((layer.positions, layer.groups, num_chosen, layer.units))
    numbers = sum(_vectors(*pair) for pair in zip(plan.layers, plan.orders, strict=True))
    rest = sum(f.theta[name].numel() for name in plan.rest)
    shapes += [(num_chosen, width) for width in (numbers, rest) if width]
    dtype = reduce(torch.promote_types, (p.dtype for p in f.theta.values()))
    device = next(iter(f.theta.values())).device
    return tuple(_memory((n, *shape), dtype, device) for shape in shapes)


def _memory(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """An empty tensor; on a CPU numpy's, which asks the system for huge pages.

    Writing to fresh memory in small pages takes as long as half of a backward pass.
    """
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.empty(prod(shape) * dtype.itemsize, np.uint8)).view(dtype).view(shape)


def fill(
    f: PerSample, plan: GramPlan, chosen: slice, x: Shaped[Tensor, "n ..."], out: Features
) -> None:
    """Compute features, for some of the outputs, into the memory of ``empty``.

    Raises:
        ValueError: If a batch has other outputs than its samples alone, some sample's are not
            finite, or it uses a layer otherwise than the plan says.
    """
    if plan.layers:
        numbers = sum(layer.groups * layer.units * layer.positions for layer in plan.layers)
        at_once = min(AT_ONCE, max(8, WORKING // (numbers * (chosen.stop - chosen.start))))
        for s in spans(0, len(x), at_once):
            _fill_layers(f, plan, chosen, x[s], iter([tensor[s] for tensor in out]))
    if plan.rest:
        for s in spans(0, len(x), AT_ONCE):
            if f.check_batches and not plan.layers and chosen.start == 0:
                with torch.no_grad():
                    check_no_mixing(f.together(x[s]), f.alone(x[s]), f.eps)
            out[-1][s] = f.jacobian(x[s], chosen, plan.rest)


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


def _fill_layers(
    f: PerSample,
    plan: GramPlan,
    chosen: slice,
    x: Shaped[Tensor, "n ..."],
    out: Iterator[Tensor],
) -> None:
    evaluation = evaluate(f, {layer.name: layer.module for layer in plan.layers}, x)
    if f.check_batches and chosen.start == 0:  # else it was done with the first outputs
        with torch.no_grad():
            check_no_mixing(f.together(x), evaluation.outputs.detach(), f.eps)
    gradients = output_gradients(evaluation, evaluation.outputs[:, chosen])
    vectors: list[Tensor] = []
    for layer, order in zip(plan.layers, plan.orders, strict=True):
        calls, own = evaluation.calls[layer.name], gradients.pop(layer.name)
        if not called_alike(layer, evaluation):
            raise ValueError(
                f"{layer.name} is used otherwise by some samples than by others, so no batch of "
                "them has a kernel here: compute those that take one way through the module apart, "
                'or use method="jacobian".'
            )
        if order == "weights":
            matrix_gradients(*factors(layer, calls, own), out=next(out))
        elif order == "pairs":
            a, g = factors(layer, calls, own)
            inputs = next(out)
            inputs[..., : layer.inputs] = a.permute(0, 3, 1, 2)
            inputs[..., layer.inputs :] = 1  # a bias is one more input
            next(out).copy_(g.permute(0, 4, 1, 2, 3))
        if _vectors(layer, order):
            vectors += vector_gradients(layer, calls, own).values()
    if vectors:
        torch.cat(vectors, 2, out=next(out))


def _vectors(layer: Layer, order: Order) -> int:
    """How many numbers a layer adds to the vectors; a bias may be among the pairs."""
    if order == "pairs":
        return 0
    return layer.num_vectors * layer.groups * layer.units
