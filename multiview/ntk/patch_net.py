"""The tangent kernels of the patch network, in closed form."""

from math import isqrt, prod
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks, shapes
from multiview.models import smoothed_relu_slope
from multiview.ntk.arguments import check_precision, check_tensor
from multiview.ntk.contract import PAIR_COST, PAIRS, jacobian_products, pair_products
from multiview.ntk.tiles import Features, gram_tiles

Order = Literal["auto", "features", "patches"]
HELD_BYTES = 2**26  # features of the rows held at a time
TILE = 256  # columns of a tile: few enough to skip most of a triangle, many enough for GEMM


def patch_net_gram(
    weight: Float[Tensor, "*members k m d"],
    x1: Float[Tensor, "n1 P d"],
    x2: Float[Tensor, "n2 P d"] | None = None,
    *,
    q: float,
    relu_knee: float,
    order: Order = "auto",
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, "*members k n1 n2"]:
    """NTK of F_i(X) = sum_r sum_p sReLU(<w_ir, x_p>), one kernel for each class.

    Outputs share no weights, so the full kernel is these k blocks and zero elsewhere:

        K_i(X, X') = sum_r <phi_ir(X), phi_ir(X')>,  phi_ir(X) = sum_p s'(<w_ir, x_p>) x_p
                   = sum_pp' <x_p, x'_p'> sum_r s'_irp s'_irp'.

    The first line is the order "features" (n1 n2 m d multiply-adds a class), the second "patches"
    (n1 n2 P^2 m a class, after the n1 n2 P^2 d inner products that all classes and members share).
    Neither holds more than a bounded part of the features; without ``x2`` half is computed.

    Args:
        weight: One network, or several along a leading axis of members; ``net.weight`` of a
            PatchNet. The kernel of the sum F = sum_e F_e is the sum of the members' kernels.
        x1: Patches of the rows.
        x2: Patches of the columns; those of the rows if None.
        q: Power of the smoothed ReLU.
        relu_knee: Its knee.
        order: "features" or "patches"; "auto" takes the one with fewer operations.
        dtype: Precision of the products. The result is float64 in any case; entries from float32
            products are wrong by about 1e-6 of the diagonal.

    Returns:
        float64 kernels, not scaled: near initialisation they are of order
        (sigma_init |x| / relu_knee)^(2q - 2), so scale them before a ridge is added (as ``solve``
        does).

    Raises:
        ValueError: If shapes disagree, an entry is not finite, or a number is out of range.
    """
    checks.choice("order", order, get_args(Order))
    columns = x1 if x2 is None else x2
    for name, given in (("weight", weight), ("x1", x1), ("x2", columns)):
        check_tensor(name, given)
        shapes.finite(**{name: given})
        if not given.numel():
            raise ValueError(f"{name} {tuple(given.shape)} is empty: give at least one of each.")
    relu_knee = checks.positive("relu_knee", relu_knee)
    q = checks.number("q", q, "[1, inf)", meaning="is the power of the smoothed ReLU")
    check_precision("dtype", dtype)
    if x1.dim() != 3:
        raise ValueError(f"x1 {tuple(x1.shape)} must be (n, patches, d).")
    if not 3 <= weight.dim() <= 4 or weight.shape[-1] != x1.shape[-1]:
        raise ValueError(
            f"weight {tuple(weight.shape)} must be (k, m, d) or (members, k, m, d), with d = "
            f"{x1.shape[-1]} as in x1."
        )
    if x1.shape[1:] != columns.shape[1:]:
        raise ValueError(
            f"x1 {tuple(x1.shape)} and x2 {tuple(columns.shape)} differ in their patches."
        )
    (n1, num_patches), n2 = x1.shape[:2], len(columns)
    m, d = weight.shape[-2:]
    flat = weight.detach().to(dtype).reshape(-1, d)  # neurons of all members and classes
    num_kernels = len(flat) // m
    if order == "auto":
        order = cheaper_order(n1, n2, num_patches, d, m, num_kernels)
    if order == "features":
        sizes, product = [(num_kernels, m * d)], _feature_products
        step = TILE
    else:
        sizes, product = [(num_patches, d), (num_patches, num_kernels, m)], _pair_products
        step = max(1, isqrt(PAIRS) // num_patches)
    width = sum(map(prod, sizes))
    held = max(step, HELD_BYTES // (width * flat.element_size()))

    def empty(n: int) -> Features:
        return tuple(flat.new_empty(n, *shape) for shape in sizes)

    def fill(x: Float[Tensor, "n P d"], out: Features) -> None:
        slope = smoothed_relu_slope(x @ flat.T, q, relu_knee)  # (n, P, neurons)
        if order == "features":
            torch.bmm(slope.mT, x, out=out[0].view(len(x), len(flat), d))
        else:
            out[0].copy_(x)
            out[1].copy_(slope.view_as(out[1]))

    x1, x2 = x1.to(dtype), None if x2 is None else x2.to(dtype)
    kernel = torch.empty((num_kernels, n1, n2), dtype=torch.float64, device=x1.device)
    for rows, cols, tile in gram_tiles(x1, x2, empty, fill, product, held=held, step=step):
        kernel[:, rows, cols] = tile
        if x2 is None and rows != cols:
            kernel[:, cols, rows] = tile.mT
    return kernel.view(*weight.shape[:-2], n1, n2)


def cheaper_order(n1: int, n2: int, num_patches: int, d: int, m: int, num_kernels: int) -> Order:
    """The order with fewer multiply-adds, for ``num_kernels`` = members x classes at once."""
    slopes = (n1 + n2) * num_patches * num_kernels * m * d
    features = 2 * slopes + n1 * n2 * num_kernels * m * d
    patches = slopes + n1 * n2 * num_patches**2 * (d + num_kernels * (m + PAIR_COST))
    return "features" if features <= patches else "patches"


def _feature_products(rows: Features, columns: Features) -> Float[Tensor, "c r s"]:
    return jacobian_products(rows[0], columns[0], "per_class")


def _pair_products(rows: Features, columns: Features) -> Float[Tensor, "c r s"]:
    return pair_products((rows[0], rows[1]), (columns[0], columns[1]), "per_class")
