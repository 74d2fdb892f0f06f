"""The largest eigenvalue of kernels that are only multiplied by."""

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh

from multiview.ntk.layout import Layout, Product
from multiview.rng import stream

ENOUGH = 1e-3  # residual, relative to the eigenvalue
MARGIN = 1.01  # more than a residual of ENOUGH hides


def largest_eigenvalue(
    product: Product, layout: Layout, device: torch.device | str = "cpu"
) -> float:
    """A bound just above every eigenvalue of all the kernels, by Lanczos iteration.

    The kernels are the blocks of one matrix. The start is random but always the same.

    Args:
        product: Columns (B, m, 1) to K @ columns, all kernels at once; symmetric, float64.

    Raises:
        ValueError: If a product is not finite, or v K v < 0 for a kernel K and the start v.
        scipy.sparse.linalg.ArpackNoConvergence: If the iteration does not end.
    """
    shape = (layout.matrices, layout.size, 1)
    size = layout.matrices * layout.size

    def times(v: np.ndarray) -> np.ndarray:
        moved = product(torch.from_numpy(v).view(shape).to(device)).flatten().cpu().numpy()
        if not np.isfinite(moved).all():
            raise ValueError("the kernel's product with a vector is NaN or infinite.")
        return moved

    start = torch.randn(size, generator=stream(0, "lanczos"), dtype=torch.float64).numpy()
    moved = times(start)
    if ((start * moved).reshape(shape).sum(1) < 0).any():
        raise ValueError("v K v < 0 for a vector v: the kernel is no Gram matrix.")
    scale = float(np.linalg.norm(moved) / np.linalg.norm(start))
    if scale == 0 or size == 1:  # neither of which ARPACK takes
        return MARGIN * scale
    # ARPACK's tolerance is absolute below 4e-11, so eigenvalues are brought to 1 or above.
    unit = LinearOperator((size, size), matvec=lambda v: times(v) / scale, dtype=np.float64)  # type: ignore[call-arg]
    settings = {"v0": moved / scale, "tol": ENOUGH, "return_eigenvectors": False}
    return MARGIN * scale * float(eigsh(unit, k=1, which="LA", **settings)[0])
