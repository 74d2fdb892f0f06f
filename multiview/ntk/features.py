"""Features of a planned Gram matrix and their products."""

from functools import reduce
from math import ceil, prod

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
    gradients_at_positions,
    inputs_at_positions,
    matrix_gradients,
    output_gradients,
    vector_gradients,
)
from multiview.ntk.plan import GramPlan, Order
from multiview.ntk.tiles import Features, spans
from multiview.ntk.trial import called_alike

WORKING = 2**25  # numbers in gradients of samples that pass at once; half is as fast within noise
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
    return tuple(_memory(f, (n, *shape)) for shape in shapes)


def _working(f: PerSample, plan: GramPlan, num_chosen: int, n: int) -> Features:
    """Memory for the output gradients of ``n`` samples that pass at once; see ``_fill_layers``."""
    return tuple(
        _memory(f, (n, layer.groups, num_chosen, layer.units, layer.positions))
        for layer, order in zip(plan.layers, plan.orders, strict=True)
        if order == "weights"
    )


def _memory(f: PerSample, shape: tuple[int, ...]) -> Tensor:
    """An empty tensor; on a CPU numpy's, which asks the system for huge pages.

    Writing to fresh memory takes several times as long in small ones.
    """
    dtype = reduce(torch.promote_types, (p.dtype for p in f.theta.values()))
    device = next(iter(f.theta.values())).device
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    return (
        torch.from_numpy(np.empty(prod(shape) * dtype.itemsize, np.uint8)).view(dtype).view(shape)
    )


def _samples(tensors: Features, chosen: slice) -> Features:
    return tuple(tensor[chosen] for tensor in tensors)


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
        num_chosen = chosen.stop - chosen.start
        at_once = min(AT_ONCE, max(8, WORKING // (numbers * num_chosen)))
        at_once = ceil(len(x) / ceil(len(x) / at_once))  # as many each time
        working = _working(f, plan, num_chosen, at_once)
        for s in spans(0, len(x), at_once):
            n = s.stop - s.start
            _fill_layers(f, plan, chosen, x[s], _samples(out, s), _samples(working, slice(n)))
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
    out: Features,
    working: Features,
) -> None:
    """Compute what layers tell of samples that pass at once.

    Args:
        working: Memory for the gradients with respect to the outputs of each layer in the order
            "weights".
    """
    evaluation = evaluate(f, {layer.name: layer.module for layer in plan.layers}, x)
    if f.check_batches and chosen.start == 0:  # else it was done with the first outputs
        with torch.no_grad():
            check_no_mixing(f.together(x), evaluation.outputs.detach(), f.eps)
    for layer in plan.layers:
        if not called_alike(layer, evaluation):
            raise ValueError(
                f"{layer.name} is used otherwise by some samples than by others, so no batch of "
                "them has a kernel here: compute those that take one way through the module apart, "
                'or use method="jacobian".'
            )
    places, stacks = iter(out), iter(working)
    matrices: list[tuple[Layer, Tensor, Tensor | None]] = []  # with their memory
    for layer, order in zip(plan.layers, plan.orders, strict=True):
        if order == "weights":
            matrices.append((layer, next(stacks), next(places)))
        elif order == "pairs":
            inputs, gradients = next(places), next(places).permute(0, 2, 3, 4, 1)
            a = inputs_at_positions(layer, evaluation.calls[layer.name])
            inputs[..., : layer.inputs] = a.permute(0, 3, 1, 2)
            inputs[..., layer.inputs :] = 1  # a bias is one more input
            matrices.append((layer, gradients, None))
    vectors = [each for each in zip(plan.layers, plan.orders, strict=True) if _vectors(*each)]
    jacobian = next(places) if vectors else None
    outputs = evaluation.outputs[:, chosen].unbind(1)
    for o, output in enumerate(outputs):  # each pass is read at once: the next uses its memory
        found = output_gradients(evaluation, output, last=o + 1 == len(outputs))
        for layer, gradients, _ in matrices:
            gradients[:, :, o] = gradients_at_positions(layer, found[layer.name])
        if jacobian is not None:
            own = [
                vector_gradients(layer, evaluation.calls[layer.name], found[layer.name])
                for layer, _ in vectors
            ]
            jacobian[:, o] = torch.cat([each for one in own for each in one.values()], 1)
        del found
    for layer, gradients, place in matrices:
        if place is not None:
            a = inputs_at_positions(layer, evaluation.calls[layer.name])
            matrix_gradients(a, gradients, out=place)


def _vectors(layer: Layer, order: Order) -> int:
    """How many numbers a layer adds to the vectors; a bias may be among the pairs."""
    if order == "pairs":
        return 0
    return layer.num_vectors * layer.groups * layer.units
