"""Inner products of Jacobians, from the Jacobians or from the factors they are made of."""

import itertools
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from multiview.ntk.tiles import spans

Outputs = Literal["full", "per_class", "trace"]
PAIRS = 2**18  # pairs of positions multiplied at a time: they stay in cache
LONG = 512  # parameters from which on outputs are multiplied one by one, which copies nothing
PAIR_COST = 16  # multiplying and adding up one pair, in multiply-adds of a GEMM (measured: 10-20)


def jacobian_products(
    rows: Float[Tensor, "r o parameters"],
    columns: Float[Tensor, "c o parameters"],
    outputs: Outputs,
) -> Float[Tensor, "..."]:
    """Sums over parameters: "trace" (r, c), "per_class" (o, r, c), "full" (o, o, r, c)."""
    if outputs == "trace":
        if rows.shape[2] >= LONG:
            total = rows[:, 0] @ columns[:, 0].T
            for output in range(1, rows.shape[1]):
                total.addmm_(rows[:, output], columns[:, output].T)
            return total
        return rows.flatten(1) @ columns.flatten(1).T
    if outputs == "per_class":
        return rows.transpose(0, 1) @ columns.permute(1, 2, 0)
    product = rows.flatten(0, 1) @ columns.flatten(0, 1).T
    return product.view(*rows.shape[:2], *columns.shape[:2]).permute(1, 3, 0, 2)


def pair_products(
    rows: tuple[Float[Tensor, "r D I"], Float[Tensor, "r D o U"]],
    columns: tuple[Float[Tensor, "c D I"], Float[Tensor, "c D o U"]],
    outputs: Outputs,
) -> Float[Tensor, "..."]:
    """``jacobian_products`` of J_o = sum_p g_op a_p^T, without forming J.

    With a_p the input and g_op the gradient of output o at position p,

        <J_o, J'_o'> = sum_pp' <a_p, a'_p'> <g_op, g'_o'p'>:

    D^2 (I + U) operations a pair of samples in place of I U, after the D I U of each J. The
    products of inputs are shared by all outputs.
    """
    if outputs == "trace":  # sum_o <g_op, g'_op'> is one inner product
        rows, columns = ((a, g.flatten(2).unsqueeze(2)) for a, g in (rows, columns))
    (r, num_positions, num_outputs), c = rows[1].shape[:3], len(columns[0])
    chosen = list(zip(range(num_outputs), range(num_outputs), strict=True))
    if outputs == "full":
        chosen = list(itertools.product(range(num_outputs), repeat=2))
    # Positions before samples: the sum over pairs then adds whole contiguous rows.
    columns_a, columns_g = (tensor.transpose(0, 1).flatten(0, 1) for tensor in columns)
    result = columns_a.new_empty(len(chosen), r, c)
    for span in spans(0, r, max(1, PAIRS // (num_positions**2 * c))):
        rows_a, rows_g = (tensor[span].transpose(0, 1).flatten(0, 1) for tensor in rows)
        inner = rows_a @ columns_a.T  # (D * rows, D * columns)
        for i, (a, b) in enumerate(chosen):
            pairs = (rows_g[:, a] @ columns_g[:, b].T).mul_(inner).view(num_positions, -1).sum(0)
            result[i, span] = pairs.view(-1, num_positions, c).sum(1)
    if outputs == "full":
        return result.view(num_outputs, num_outputs, r, c)
    return result if outputs == "per_class" else result[0]
