"""Kernel ridge regression: one factorisation a kernel, any number of targets."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from numpy.linalg import LinAlgError
from torch import Tensor

from multiview import checks
from multiview.ntk.arguments import check_tensor
from multiview.ntk.layout import Kernel, matrices, square, symmetric
from multiview.ntk.predict import DualModel

FIRST_JITTER, LAST_JITTER = 1e-12, 1e-4  # relative to the mean diagonal


@dataclass(frozen=True, kw_only=True)
class Solution(DualModel):
    """Dual coefficients of ridge regressions, and how they were found."""

    scale: Float[Tensor, " kernels"]  # mean diagonal each kernel was divided by
    jitter: Float[Tensor, " kernels"]  # added to the ridge because factorisation failed; 0 is usual
    ridge: float | tuple[float, ...]  # many: one for each index of dual's first axis


def solve(kernel: Kernel, targets: Float[Tensor, "*sets n k"], ridge: float = 1e-3) -> Solution:
    """Fit f_i = K_i(., train) alpha_i with alpha_i = (K_i + (ridge + jitter) scale_i)^-1 targets_i.

    ``scale_i`` is the mean diagonal of K_i, so ``ridge`` means the same for every class and every
    initialisation, and predictions do not change if a kernel is multiplied by a number. Where the
    float64 Cholesky factorisation fails, jitter is added, ten times more at each failure, and
    reported. The intercept is zero: the model is the linear part of the expansion at
    initialisation, <W - W_0, grad f(W_0, x)>, without f(W_0, x).

    Args:
        kernel: (k, n, n), the class's own kernel for each output (``patch_net_gram``, ``gram``
            with "per_class"); (n, n), one for all outputs ("trace"); or (n, n, k, k), coupling
            the outputs ("full"): then alpha is the one solution of all n k equations.
        targets: One column an output. Leading axes are further regressions on the same kernels
            (hard labels, an ensemble's outputs), solved with the same factors.
        ridge: Relative to the mean diagonal, >= 0.

    Raises:
        ValueError: If shapes disagree, an entry is not finite, or a kernel's diagonal is not
            positive.
        numpy.linalg.LinAlgError: If a kernel is not positive definite even with the last jitter.
    """
    check_tensor("kernel", kernel)
    layout = square(kernel)
    layout.check(targets)
    ridge = check_ridge("ridge", ridge)
    system = symmetric(matrices(kernel, copy=True))
    scale = mean_diagonal(system)
    system /= scale[:, None, None]
    factor, jitter = _factor(system, ridge)
    dual = torch.cholesky_solve(layout.columns(targets), factor) / scale[:, None, None]
    return Solution(
        dual=layout.targets(dual, targets.shape),
        layout=layout,
        scale=scale,
        jitter=jitter,
        ridge=ridge,
    )


def check_ridge(name: str, value: Any) -> float:
    """A ridge, refusing what is negative, infinite or NaN.

    Raises:
        ValueError: As said.
    """
    return checks.number(name, value, "[0, inf)", meaning="is relative to the mean diagonal")


def mean_diagonal(kernels: Float[Tensor, "B m m"]) -> Float[Tensor, " B"]:
    """What ridge, jitter and eigenvalues are measured in.

    Raises:
        ValueError: If it is not positive.
    """
    scale = kernels.diagonal(dim1=1, dim2=2).mean(1)
    if not (scale > 0).all():
        dead = (scale <= 0).nonzero().flatten().tolist()
        raise ValueError(
            f"kernel {dead} has mean diagonal <= 0: no parameter moves that output on the "
            "training samples (every neuron dead, or float underflow: compute it in float64)."
        )
    return scale


def centred_one_hot(labels: Int[Tensor, " n"], num_classes: int) -> Float[Tensor, "n k"]:
    """Regression targets of a classifier: 1 - 1/k in the label's column, -1/k elsewhere.

    Their mean is 0, so a model without intercept has no constant to fit; they are also minus the
    gradient of the cross-entropy at zero output. With one kernel for all outputs, predictions
    differ from those of a plain one-hot by the same amount in every class and the argmax is the
    same; with a kernel for each class it can differ.

    Raises:
        ValueError: If a label is no class.
    """
    check_tensor("labels", labels)
    num_classes = checks.count("num_classes", num_classes)
    if labels.is_floating_point() or labels.dim() != 1:
        raise ValueError(
            f"labels {tuple(labels.shape)} of {labels.dtype} must be whole numbers, one a sample."
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ValueError(
            f"labels lie from {int(labels.min())} to {int(labels.max())}: num_classes="
            f"{num_classes} takes those from 0 to {num_classes - 1}."
        )
    hard = torch.nn.functional.one_hot(labels.long(), num_classes).to(torch.float64)
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
