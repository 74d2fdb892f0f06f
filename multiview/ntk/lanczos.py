"""The largest eigenvalue of kernels that are only multiplied by."""

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.ntk.layout import Layout, Product
from multiview.rng import stream

MAX_STEPS = 60
ENOUGH = 1e-3  # residual, relative to the eigenvalue
MARGIN = 1.01


def largest_eigenvalue(
    product: Product, layout: Layout, device: torch.device | str = "cpu"
) -> Float[Tensor, " B"]:
    """A bound just above the largest eigenvalue of each kernel, by Lanczos iteration.

    The largest Ritz value plus its residual bounds the eigenvalue from above as soon as the
    iteration has found it, which is first (Zhou & Li, Linear Algebra Appl. 435, 2011); a margin of
    one percent is added. The start is random but always the same.

    Args:
        product: Columns (B, m, 1) to K @ columns, all kernels at once; symmetric, float64.

    Raises:
        ValueError: If a product is not finite, or v K v < 0 for the start v.
    """
    start = torch.randn(layout.size, generator=stream(0, "lanczos"), dtype=torch.float64)
    v = start.to(device).expand(layout.matrices, -1)
    v = v / v.norm(dim=1, keepdim=True)
    basis, diagonal, beside = [v], [], []
    while True:
        w = product(basis[-1][:, :, None])[:, :, 0]
        if not w.isfinite().all():
            raise ValueError("the kernel's product with a vector is NaN or infinite.")
        diagonal.append((w * basis[-1]).sum(1))
        if (diagonal[0] < 0).any():
            raise ValueError("v K v < 0 for a vector v: the kernel is no Gram matrix.")
        held = torch.stack(basis, 1)  # (B, steps, m)
        for _ in range(2):  # once leaves rounding errors, which would bring back what was found
            w = w - torch.einsum("bsm,bs->bm", held, torch.einsum("bsm,bm->bs", held, w))
        rest = w.norm(dim=1)
        tridiagonal = torch.diag_embed(torch.stack(diagonal, 1))
        if beside:
            off = torch.diag_embed(torch.stack(beside, 1), offset=1)
            tridiagonal = tridiagonal + off + off.mT
        values, vectors = torch.linalg.eigh(tridiagonal)
        top, residual = values[:, -1], rest * vectors[:, -1, -1].abs()
        done = residual <= ENOUGH * top
        if done.all() or len(basis) in (MAX_STEPS, layout.size):
            return MARGIN * (top + residual)
        # A kernel that is done goes on with a zero vector: its later Ritz values are no larger.
        go_on = rest > 1e-12 * top.abs()
        beside.append(torch.where(go_on, rest, 0.0))
        basis.append(torch.where(go_on[:, None], w / rest[:, None].clamp_min(1e-300), 0.0))
