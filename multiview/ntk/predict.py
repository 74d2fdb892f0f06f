"""Predictions of a fitted kernel model."""

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.ntk.solve import Solution


def predict(
    k_test_train: Float[Tensor, "*kernels t n"], solution: Solution
) -> Float[Tensor, "*sets t k"]:
    """f(x) = K(x, train) @ dual, one set of predictions for each set of targets fitted.

    Args:
        k_test_train: Kernels between test rows and training columns, (k, t, n) or (t, n) as in the
            fit and not scaled; ``.mT`` of the kernels between training rows and test columns.

    Raises:
        ValueError: If shapes disagree with the fit.
    """
    n, k = solution.dual.shape[-2:]
    own = [(k,)] if len(solution.scale) == k else []  # the fit had a kernel for each output
    shared = [()] if len(solution.scale) == 1 else []
    shape = k_test_train.shape
    if len(shape) < 2 or shape[-1] != n or shape[:-2] not in own + shared:
        raise ValueError(
            f"k_test_train {tuple(shape)} must be (t, n) or (k, t, n), as in the fit, "
            f"which has n={n}, k={k} and {len(solution.scale)} kernel(s); a kernel with training "
            "rows needs .mT."
        )
    if k_test_train.dim() == 2:
        return k_test_train.to(torch.float64) @ solution.dual
    return torch.einsum("ktn,...nk->...tk", k_test_train.to(torch.float64), solution.dual)
