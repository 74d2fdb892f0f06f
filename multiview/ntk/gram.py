"""The empirical neural tangent kernel of any module: the exact reference."""

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from multiview.ntk.jacobian import per_sample

Outputs = Literal["full", "per_class", "trace"]
ROW_BYTES = 2**30  # Jacobians of the rows held at a time, unless chunk_size says otherwise
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

    The Jacobians of the rows are held, those of the columns stream past. For "per_class" and
    "trace" one output is taken at a time, so O times less is held and no cross pair is computed.
    Without ``x2`` only half the products are formed.

    Args:
        module: Maps a batch to (n, O); further output axes are flattened into O.
        x1: Samples of the rows.
        x2: Samples of the columns; those of the rows if None. For K(train, train) and
            K(train, test) in one pass, give ``torch.cat([train, test])`` here.
        outputs: "full" all pairs of outputs; "per_class" the pairs a = b; "trace" their sum.
        chunk_size: Rows held at a time; the columns' Jacobians are computed again for each chunk
            of rows. By default as many as fit in 1 GiB, which for "trace" is 10,000 rows of a
            network of 27,000 parameters.
        dtype: Precision of Jacobians and products, by default the module's. The result, and the
            sum over outputs, are float64 in any case.

    Returns:
        float64: "full" (n1, n2, O, O), K[i, j, a, b] being K_ab(x1[i], x2[j]);
        "per_class" (O, n1, n2); "trace" (n1, n2).

    Raises:
        ValueError: If an argument is out of range, no parameter is trainable, or a layer mixes
            samples (train-mode BatchNorm) or draws at random (active dropout).
    """
    symmetric, x2 = x2 is None, x1 if x2 is None else x2
    if outputs not in get_args(Outputs):
        raise ValueError(f"outputs={outputs!r}: choose one of {get_args(Outputs)}.")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size={chunk_size} counts rows held at a time: use at least 1.")
    if x1.shape[1:] != x2.shape[1:] or not len(x1) or not len(x2):
        raise ValueError(
            f"x1 {tuple(x1.shape)} and x2 {tuple(x2.shape)} must hold samples of one shape, "
            "at least one each."
        )
    f = per_sample(module, dtype)
    if dtype is not None and x1.is_floating_point():
        x1, x2 = x1.to(dtype), x2.to(dtype)
    with torch.no_grad():
        example = f.outputs(f.theta, x1[0])
    n1, n2, num_outputs = len(x1), len(x2), len(example)

    if outputs == "full":
        chosen = [slice(0, num_outputs)]
        shape = (n1, n2, num_outputs, num_outputs)
    else:
        chosen = [slice(a, a + 1) for a in range(num_outputs)]
        shape = (num_outputs, n1, n2) if outputs == "per_class" else (n1, n2)
    kernel = torch.zeros(shape, dtype=torch.float64, device=x1.device)
    row_bytes = len(range(num_outputs)[chosen[0]]) * f.num_parameters * example.element_size()
    chunk_size = chunk_size or max(1, ROW_BYTES // row_bytes)

    for a in chosen:
        # Every case as (rows, columns, outputs, outputs), a view of the result.
        target = kernel if outputs == "full" else kernel[a.start if outputs == "per_class" else ...]
        target = target.view(n1, n2, *[len(range(num_outputs)[a])] * 2)
        for held in _spans(0, n1, chunk_size):
            rows = torch.cat([f.jacobian(x1[s], a) for s in _spans(held.start, held.stop)])
            if not symmetric:
                for s in _spans(0, n2):
                    target[held, s] += _products(rows, f.jacobian(x2[s], a))
                continue
            for s in _spans(held.start, held.stop):  # columns that are among the rows held
                before = slice(held.start, s.start)
                mine = rows[s.start - held.start : s.stop - held.start]
                target[s, s] += _products(mine, mine)
                _add_both(target, before, s, _products(rows[: s.start - held.start], mine))
            for s in _spans(held.stop, n2):
                _add_both(target, held, s, _products(rows, f.jacobian(x1[s], a)))
    return kernel


def _spans(start: int, stop: int, step: int = TOGETHER) -> Iterator[slice]:
    """Consecutive slices of at most ``step``."""
    return (slice(i, min(i + step, stop)) for i in range(start, stop, step))


def _products(
    rows: Float[Tensor, "r a parameters"], columns: Float[Tensor, "c b parameters"]
) -> Float[Tensor, "r c a b"]:
    """Inner products of Jacobians, by one matrix product."""
    product = rows.flatten(0, 1) @ columns.flatten(0, 1).T
    shape = (*rows.shape[:2], *columns.shape[:2])
    return product.view(shape).transpose(1, 2).to(torch.float64)


def _add_both(target: Tensor, rows: slice, columns: slice, block: Tensor) -> None:
    """Add a block above the diagonal and its mirror image below: K_ab(x, x') = K_ba(x', x)."""
    target[rows, columns] += block
    target[columns, rows] += block.transpose(0, 1).transpose(2, 3)
