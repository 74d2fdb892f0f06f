"""One eigendecomposition of a kernel: every ridge and every time of gradient flow."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Float
from numpy.linalg import LinAlgError
from torch import Tensor

from multiview import checks
from multiview.ntk.arguments import check_numbers, check_tensor
from multiview.ntk.chebyshev import flow_by_products
from multiview.ntk.layout import Kernel, Layout, Operator, matrices, product_with, square, symmetric
from multiview.ntk.predict import DualModel
from multiview.ntk.solve import LAST_JITTER, Solution, mean_diagonal

EIGH_LIMIT = 32_766  # rows above which LAPACK's eigh with vectors overflows its 32-bit workspace


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Eigenvalues and eigenvectors of each of a kernel's matrices."""

    values: Float[Tensor, "B m"]  # ascending, none below zero
    vectors: Float[Tensor, "B m m"]  # in columns
    scale: Float[Tensor, " B"]  # mean diagonals
    # Most negative eigenvalue / scale before it was set to 0; 0: none.
    negative: Float[Tensor, " B"]
    layout: Layout

    @property
    def noise(self) -> Float[Tensor, " B"]:
        """Eigenvalues up to this cannot be told from 0: rounding's, or as large as a negative."""
        rounding = self.values.shape[1] * torch.finfo(torch.float64).eps * self.values[:, -1]
        return torch.maximum(rounding, -self.negative * self.scale)


@dataclass(frozen=True, kw_only=True)
class FlowModel(DualModel):
    """Dual coefficients along gradient flow, their first axis running over the times."""

    times: tuple[float, ...]


def decompose(kernel: Kernel) -> Spectrum:
    """Eigendecomposition in float64, in any of the three layouts.

    Negative eigenvalues, which only rounding gives a Gram matrix, are set to 0 and the worst is
    reported in the units of ``Solution.jitter``.

    Raises:
        ValueError: If the kernel is not square, not finite, has a mean diagonal <= 0 or more than
            EIGH_LIMIT rows.
        numpy.linalg.LinAlgError: If it has an eigenvalue below -LAST_JITTER of its mean diagonal.
    """
    check_tensor("kernel", kernel)
    layout = square(kernel)
    if layout.size > EIGH_LIMIT:
        raise ValueError(
            f"kernel {tuple(kernel.shape)} makes matrices of {layout.size} rows, and eigh takes at "
            f"most {EIGH_LIMIT}: give the kernel itself to gradient_flow, or solve each ridge."
        )
    system = symmetric(matrices(kernel))
    scale = mean_diagonal(system)
    values, vectors = torch.linalg.eigh(system)
    negative = (values[:, 0] / scale).clamp(max=0.0)
    if (negative < -LAST_JITTER).any():
        raise LinAlgError(
            f"kernel {(negative < -LAST_JITTER).nonzero().flatten().tolist()} is not positive "
            f"semi-definite: an eigenvalue is {float(negative.min()):.1e} of its mean diagonal, "
            f"and {-LAST_JITTER} can be rounding. Compute the kernel in float64."
        )
    return Spectrum(
        values=values.clamp(min=0.0), vectors=vectors, scale=scale, negative=negative, layout=layout
    )


def ridge_path(
    spectrum: Spectrum, targets: Float[Tensor, "*sets n k"], ridges: Sequence[float]
) -> Solution:
    """What ``solve`` finds for each ridge, from one eigendecomposition.

    Where ``solve`` would need jitter, none is added: at ridge 0 directions without signal
    (``Spectrum.noise``) are left out of the solution, as in a pseudo-inverse.

    Args:
        targets: As in ``solve``.
        ridges: Each >= 0, relative to the mean diagonals.

    Returns:
        A Solution with ``dual`` (ridges, ..., n, k).

    Raises:
        ValueError: If there is no ridge, one is negative, or the targets do not suit the kernel.
    """
    checks.instance("spectrum", spectrum, Spectrum, "make one by decompose(kernel)")
    numbers = check_numbers("ridges", ridges, meaning="is relative to the mean diagonal")
    filters = []
    for ridge in numbers:
        shifted = spectrum.values + ridge * spectrum.scale[:, None]
        dead = (spectrum.values <= spectrum.noise[:, None]) & (ridge == 0)
        filters.append(torch.where(dead, 0.0, 1 / shifted))
    return Solution(
        dual=_filtered(spectrum, targets, filters),
        layout=spectrum.layout,
        scale=spectrum.scale,
        jitter=torch.zeros_like(spectrum.scale),
        ridge=numbers,
    )


def gradient_flow(
    kernel: Spectrum | Kernel | Operator,
    targets: Float[Tensor, "*sets n k"],
    times: Sequence[float],
    start: Float[Tensor, "..."] | None = None,
) -> FlowModel:
    """Gradient flow on the squared loss (1 / 2n) sum_i |f(x_i) - y_i|^2, at given times.

    The loss is a mean over samples and a sum over outputs, so that a time is learning rate times
    steps of the linearised network trained on it in small steps. With K on the training samples,
    the dual coefficients at time t are (1 - exp(-K t / n)) / K (y - f_0); at an eigenvalue 0 that
    is t / n, and at t = inf the pseudo-inverse, whose null directions are those that
    ``Spectrum.noise`` cannot tell from 0.

    A kernel with matrices of more than EIGH_LIMIT rows, or one not held in memory, is only
    multiplied by (``chebyshev``), which agrees to about 1e-8.

    Args:
        kernel: A kernel, or its Spectrum where it serves more than one call.
        targets: (..., n, k); leading axes are further regressions.
        times: Each >= 0, finite or ``math.inf``.
        start: Outputs f_0 on the training samples before training, broadcast to the targets; zero
            if None. Predictions are then f_0 at the test samples plus ``predict``'s.

    Returns:
        The flow, with ``dual`` (times, ..., n, k).

    Raises:
        ValueError: If a time is out of range or too long for products, shapes disagree, or the
            kernel is refused by ``decompose``.
        numpy.linalg.LinAlgError: As ``decompose``.
    """
    times = check_numbers("times", times, meaning="is a time, at most math.inf", infinite=True)
    if not isinstance(kernel, Spectrum):
        layout = square(kernel)
        if isinstance(kernel, Tensor) and layout.size <= EIGH_LIMIT:
            kernel = decompose(kernel)
    layout = kernel.layout if isinstance(kernel, Spectrum) else square(kernel)
    layout.check(targets)
    targets = targets.to(torch.float64)
    residual = targets if start is None else targets - checked_start(layout, start, targets)
    if isinstance(kernel, Spectrum):
        filters = [_flow_filter(kernel, time / layout.n) for time in times]
        dual = _filtered(kernel, residual, filters)
    else:
        layout, product = product_with(kernel)
        columns = flow_by_products(product, layout, layout.columns(residual), times)
        dual = torch.stack([layout.targets(c, targets.shape) for c in columns])
    return FlowModel(dual=dual, layout=layout, times=times)


def checked_start(layout: Layout, start: Tensor, targets: Tensor) -> Tensor:
    """Outputs before training in float64, broadcast to the targets.

    Raises:
        ValueError: If they cannot be, or are not finite.
    """
    layout.check(start, "start")
    try:
        return start.to(torch.float64).expand(targets.shape)
    except RuntimeError:
        raise ValueError(
            f"start {tuple(start.shape)} does not broadcast to targets {tuple(targets.shape)}."
        ) from None


def _flow_filter(spectrum: Spectrum, speed: float) -> Float[Tensor, "B m"]:
    """(1 - exp(-lambda speed)) / lambda at every eigenvalue, without cancellation."""
    values = spectrum.values
    if speed == inf:
        return torch.where(values > spectrum.noise[:, None], 1 / values, 0.0)
    x = values * speed
    return speed * torch.where(x > 0, -torch.expm1(-x) / x, 1.0)


def _filtered(
    spectrum: Spectrum,
    targets: Float[Tensor, "*sets n k"],
    filters: Sequence[Float[Tensor, "B m"]],
) -> Float[Tensor, "filters *sets n k"]:
    """Functions of the kernel applied to targets: V filter V^T targets, stacked."""
    layout = spectrum.layout
    layout.check(targets)
    turned = spectrum.vectors.mT @ layout.columns(targets)
    return torch.stack(
        [
            layout.targets(spectrum.vectors @ (values[:, :, None] * turned), targets.shape)
            for values in filters
        ]
    )
