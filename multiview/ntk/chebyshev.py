"""Gradient flow by products with the kernel alone: a Chebyshev expansion of the flow."""

from collections.abc import Sequence
from math import inf

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import ive
from torch import Tensor

from multiview.ntk.lanczos import largest_eigenvalue
from multiview.ntk.layout import Layout, Product

LONGEST = 1e7  # time in units of n / lambda_max, which takes a degree of 18,230
TAIL = 1e-10  # of the coefficients dropped, relative to how far the outputs have moved


def flow_by_products(
    product: Product,
    layout: Layout,
    columns: Float[Tensor, "B m s"],
    times: Sequence[float],
) -> list[Float[Tensor, "B m s"]]:
    """(1 - exp(-K t / n)) / K applied to columns, for every t from the same products.

    About 5.8 sqrt(x) + 10 products, where x = lambda_max max(times) / n, with the largest
    eigenvalue of all kernels; besides them only columns are held, one set for each time. Negative
    eigenvalues are not clipped, but move as the flow moves them: those a kernel has from rounding
    do no harm while much smaller than n / t.

    Raises:
        ValueError: If a time is infinite or beyond LONGEST.
    """
    if max(times) == inf:
        raise ValueError(
            f"times={list(times)} has inf, which no product with the kernel reaches: give a finite "
            "time, or use solve(kernel, targets, ridge) with a small ridge."
        )
    bound = largest_eigenvalue(product, layout, columns.device)
    longest = bound * max(times) / layout.n
    if longest > LONGEST:
        raise ValueError(
            f"times={list(times)} reach {longest:.1e} n / lambda_max; a Chebyshev expansion takes "
            f"5.8 products with the kernel for the square root of that, and at most {LONGEST:.0e} "
            "is allowed: shorten the times, or use solve(kernel, targets, ridge) with a small "
            "ridge, whose fit they are near."
        )
    # One interval [0, bound] serves kernels of any size: what is dropped from phi is below TAIL
    # times its value at bound, where phi is smallest.
    series = [coefficients(bound, time / layout.n) for time in times]
    to_unit = 2 / bound if bound > 0 else 0.0  # y = to_unit K - 1
    results = [columns * c[0] for c in series]
    before, now = torch.zeros_like(columns), columns
    for j in range(1, max(len(c) for c in series)):  # T_j = 2 y T_{j-1} - T_{j-2}, and T_1 = y T_0
        before, now = now, (1 if j == 1 else 2) * (to_unit * product(now) - now) - before
        for result, c in zip(results, series, strict=True):
            if j < len(c):
                result.add_(now, alpha=c[j])
    return results


def coefficients(bound: float, speed: float) -> np.ndarray:
    """Chebyshev coefficients on [0, bound] of phi(lambda) = (1 - exp(-lambda speed)) / lambda.

    With z = bound speed / 2 and lambda = bound (1 + y) / 2, phi = (2 / bound) times the integral
    of exp(-s (1 + y)) over s from 0 to z; and exp(-s (1 + y)) = e^-s (I_0(s) - 2 I_1(s) T_1(y) +
    2 I_2(s) T_2(y) - ...). The integrals A_j of e^-s I_j(s) follow from
    A_{j-1} - 2 A_j + A_{j+1} = 2 e^-z I_j(z) for j >= 1, which is the derivative of I_j written
    with its neighbours. Summed from the top all terms are positive, so each coefficient is exact
    to rounding, and so is the size of the tail that is left out.

    Returns:
        Enough of them that bound times the rest, and so the error of lambda phi, is below TAIL
        times the largest lambda phi, which is about min(1, bound speed).
    """
    z = bound * speed / 2
    if z == 0:
        return np.array([speed])
    length = int(12 * z**0.5 + 60)  # e^-z I_j(z) ~ exp(-j^2 / 2z), or falls like z^j / j!
    scaled = ive(np.arange(length), z)
    differences = 2 * _sums_from(scaled)  # A_{j-1} - A_j, at j
    integrals = np.append(_sums_from(differences)[1:], 0.0)  # A_j
    series = 4 / bound * integrals * (-1.0) ** np.arange(length)
    series[0] /= 2
    tails = bound * _sums_from(np.abs(series))  # what is lost from each on
    return series[: max(1, int((tails > TAIL * min(1.0, 2 * z)).sum()))]


def _sums_from(terms: np.ndarray) -> np.ndarray:
    """Sums of the terms from each j to the end."""
    return np.cumsum(terms[::-1])[::-1]
