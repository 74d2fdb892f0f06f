"""Kernel ridge regression: one factorisation a kernel, any number of targets."""

from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Float, Int
from numpy.linalg import LinAlgError
from torch import Tensor

FIRST_JITTER, LAST_JITTER = 1e-12, 1e-4  # relative to the mean diagonal


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Dual coefficients of one regression, f(x) = K(x, train) @ dual, and how they were found."""

    dual: Float[Tensor, "*sets n k"]
    scale: Float[Tensor, " kernels"]  # mean diagonal each kernel was divided by
    jitter: Float[Tensor, " kernels"]  # added to the ridge because factorisation failed; 0 is usual
    ridge: float


def solve(
    kernel: Float[Tensor, "*kernels n n"], targets: Float[Tensor, "*sets n k"], ridge: float = 1e-3
) -> Solution:
    """Fit f_i = K_i(., train) alpha_i with alpha_i = (K_i + (ridge + jitter) scale_i)^-1 targets_i.

    ``scale_i`` is the mean diagonal of K_i, so ``ridge`` means the same for every class and every
    initialisation, and predictions do not change if a kernel is multiplied by a number. Where the
    float64 Cholesky factorisation fails, jitter is added, ten times more at each failure, and
    reported. The intercept is zero: the model is the linear part of the expansion at
    initialisation, <W - W_0, grad f(W_0, x)>, without f(W_0, x).

    Args:
        kernel: (k, n, n), the class's own kernel for each output (``patch_net_gram``, ``gram``
            with "per_class"), or (n, n), one for all outputs ("trace").
        targets: One column an output. Leading axes are further regressions on the same kernels
            (hard labels, an ensemble's outputs), solved with the same factors.
        ridge: Relative to the mean diagonal, >= 0.

    Raises:
        ValueError: If shapes disagree, an entry is not finite, or a kernel's diagonal is not
            positive.
        numpy.linalg.LinAlgError: If a kernel is not positive definite even with the last jitter.
    """
    if kernel.dim() not in (2, 3) or kernel.shape[-1] != kernel.shape[-2]:
        raise ValueError(f"kernel {tuple(kernel.shape)} must be (n, n) or (k, n, n).")
    kernels, n = kernel.reshape(-1, *kernel.shape[-2:]).to(torch.float64), kernel.shape[-1]
    own = kernel.dim() == 3  # each output has its own kernel
    if targets.dim() < 2 or targets.shape[-2] != n or (own and targets.shape[-1] != len(kernels)):
        raise ValueError(
            f"targets {tuple(targets.shape)} must be (..., n, k) for the kernel "
            f"{tuple(kernel.shape)}: n={n} rows" + (f", k={len(kernels)} columns." if own else ".")
        )
    if not 0 <= ridge < inf:
        raise ValueError(f"ridge={ridge} is relative to the mean diagonal: use 0 or a bit more.")
    for name, values in (("kernel", kernels), ("targets", targets)):
        if not values.isfinite().all():
            raise ValueError(f"{name} has entries that are NaN or infinite.")
    scale = kernels.diagonal(dim1=1, dim2=2).mean(1)
    if not (scale > 0).all():
        dead = (scale <= 0).nonzero().flatten().tolist()
        raise ValueError(
            f"kernel {dead} has mean diagonal <= 0: no parameter moves that output on the "
            "training samples (every neuron dead, or float underflow: compute it in float64)."
        )
    factor, jitter = _factor(kernels / scale[:, None, None], ridge)
    # One column a regression: (k, n, sets) with own kernels, (1, n, sets * k) with one for all.
    columns = targets.to(torch.float64).reshape(-1, *targets.shape[-2:]).permute(2, 1, 0)
    shape = columns.shape
    columns = columns if own else columns.transpose(0, 1).reshape(1, n, -1)
    dual = torch.cholesky_solve(columns, factor) / scale[:, None, None]
    dual = dual if own else dual.view(n, shape[0], shape[2]).transpose(0, 1)
    return Solution(
        dual=dual.permute(2, 1, 0).reshape(targets.shape), scale=scale, jitter=jitter, ridge=ridge
    )


def centred_one_hot(labels: Int[Tensor, " n"], num_classes: int) -> Float[Tensor, "n k"]:
    """Regression targets of a classifier: 1 - 1/k in the label's column, -1/k elsewhere.

    Their mean is 0, so a model without intercept has no constant to fit; they are also minus the
    gradient of the cross-entropy at zero output. With one kernel for all outputs, predictions
    differ from those of a plain one-hot by the same amount in every class and the argmax is the
    same; with a kernel for each class it can differ.
    """
    hard = torch.nn.functional.one_hot(labels, num_classes).to(torch.float64)
    return hard - 1 / num_classes


def _factor(
    system: Float[Tensor, "k n n"], ridge: float
) -> tuple[Float[Tensor, "k n n"], Float[Tensor, " k"]]:
    """Cholesky factors of ``system`` + (ridge + jitter), and the jitter each needed."""
    diagonal = system.diagonal(dim1=1, dim2=2)
    diagonal += ridge
    jitter = torch.zeros(len(system), dtype=torch.float64, device=system.device)
    while True:
        factor, info = torch.linalg.cholesky_ex(system)
        failed = info > 0
        if not failed.any():
            return factor, jitter
        if (jitter[failed] >= LAST_JITTER).any():
            raise LinAlgError(
                f"kernel {failed.nonzero().flatten().tolist()} is not positive definite with "
                f"ridge={ridge} and jitter={LAST_JITTER} of its mean diagonal: give a larger "
                "ridge, or compute the kernel in float64."
            )
        more = torch.where(failed, (10 * jitter).clamp(FIRST_JITTER, LAST_JITTER), jitter)
        diagonal += (more - jitter)[:, None]
        jitter = more
