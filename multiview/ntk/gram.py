"""The empirical neural tangent kernel of any module: the exact reference."""

from functools import partial
from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from multiview.ntk.jacobian import per_sample
from multiview.ntk.tiles import gram_tiles

Outputs = Literal["full", "per_class", "trace"]
HELD_BYTES = 2**30  # Jacobians of the rows held at a time, unless chunk_size says otherwise
TOGETHER = 64  # samples differentiated together: many more leave the cache, fewer idle the cores


def gram(
    module: nn.Module,
    x1: Shaped[Tensor, "n1 ..."],
    x2: Shaped[Tensor, "n2 ..."] | None = None,
    outputs: Outputs = "full",
    *,
    chunk_size: int | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "..."]:
    """Empirical NTK K_ab(x, x') = <d f_a(x) / d theta, d f_b(x') / d theta>.

    The inner product runs over every parameter that requires a gradient, with no factor; the trace
    is the plain sum over outputs (as in the torch.func tutorial; neural-tangents divides by O).
    The kernel of a sum of networks is the sum of their kernels.

    For "per_class" and "trace" one output is taken at a time, so O times less is held and no cross
    pair is computed. Without ``x2`` about half the products are formed.

    Args:
        module: Maps a batch to (n, O); further output axes are flattened into O.
        x1: Samples of the rows. Their Jacobians are held, so let the smaller set be the rows.
        x2: Samples of the columns; those of the rows if None.
        outputs: "full" all pairs of outputs; "per_class" the pairs a = b; "trace" their sum.
        chunk_size: Rows held at a time; the columns' Jacobians are computed again for each chunk.
            By default as many as fit in 1 GiB: for "trace", 10,000 rows of 27,000 parameters.
        dtype: Precision of Jacobians and products, by default the module's. The sum over outputs
            and the result are float64 in any case.

    Returns:
        float64: "full" (n1, n2, O, O), K[i, j, a, b] being K_ab(x1[i], x2[j]);
        "per_class" (O, n1, n2); "trace" (n1, n2).

    Raises:
        ValueError: If an argument is out of range, no parameter is trainable, or a layer mixes
            samples (train-mode BatchNorm) or draws at random (active dropout).
    """
    if outputs not in get_args(Outputs):
        raise ValueError(f"outputs={outputs!r}: choose one of {get_args(Outputs)}.")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size={chunk_size} counts rows held at a time: use at least 1.")
    columns = x1 if x2 is None else x2
    if x1.shape[1:] != columns.shape[1:] or not len(x1) or not len(columns):
        raise ValueError(
            f"x1 {tuple(x1.shape)} and x2 {tuple(columns.shape)} must hold samples of one shape, "
            "at least one each."
        )
    f = per_sample(module, dtype)
    if dtype is not None and x1.is_floating_point():
        x1, x2 = x1.to(dtype), None if x2 is None else x2.to(dtype)
    with torch.no_grad():
        example = f.outputs(f.theta, x1[0])
    n1, n2, num_outputs = len(x1), len(columns), len(example)

    if outputs == "full":
        shape, groups = (n1, n2, num_outputs, num_outputs), [slice(0, num_outputs)]
    else:
        shape = (num_outputs, n1, n2) if outputs == "per_class" else (n1, n2)
        groups = [slice(a, a + 1) for a in range(num_outputs)]
    kernel = torch.zeros(shape, dtype=torch.float64, device=x1.device)
    together = num_outputs if outputs == "full" else 1
    row_bytes = together * f.num_parameters * example.element_size()
    held = chunk_size or max(1, HELD_BYTES // row_bytes)

    for group in groups:
        # The part of the result this group adds to, as (rows, columns, outputs, outputs).
        part = kernel[group] if outputs == "per_class" else kernel
        part = part.view(n1, n2, together, together)
        features = partial(f.jacobian, chosen=group)
        step = min(held, TOGETHER)
        for rows, cols, tile in gram_tiles(x1, x2, features, _products, held=held, step=step):
            part[rows, cols] += tile
            if x2 is None and rows != cols:  # K_ab(x, x') = K_ba(x', x)
                part[cols, rows] += tile.transpose(0, 1).transpose(2, 3)
    return kernel


def _products(
    rows: Float[Tensor, "r a parameters"], columns: Float[Tensor, "c b parameters"]
) -> Float[Tensor, "r c a b"]:
    """Inner products of Jacobians, by one matrix product."""
    product = rows.flatten(0, 1) @ columns.flatten(0, 1).T
    shape = (*rows.shape[:2], *columns.shape[:2])
    return product.view(shape).transpose(1, 2).to(torch.float64)
