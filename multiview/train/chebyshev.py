"""Stabilised Runge-Kutta-Chebyshev steps along a gradient field.

A step of s gradients is stable over a time that grows as s^2 (van der Houwen & Sommeijer, Z. Angew.
Math. Mech. 60, 1980, 479-485), where s explicit Euler steps reach a time that grows as s.
"""

import math
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

DAMPING = 0.15  # of the Chebyshev polynomials: stiff parts shrink at every step
MOST_STAGES = 60

Gradients = Callable[[Tensor, Tensor], Tensor]  # (weight of some nets, which nets) -> gradient


class Method(NamedTuple):
    """Coefficients of one Chebyshev step, by stage from 0 on; what a stage does not use is 0.

    Y_j = mu Y_{j-1} + nu Y_{j-2} - mu_tilde * time * gradient(Y_{j-1}); Y_0 and Y_s are the weights
    before and after.
    """

    mu: list[float]
    nu: list[float]
    mu_tilde: list[float]
    reach: float  # the product of time and curvature up to which a step is stable


@cache
def chebyshev(stages: int) -> Method:
    """The first-order method of this many stages; one stage is Euler's step."""
    w0 = 1 + DAMPING / stages**2
    value, slope = [1.0, w0], [0.0, 1.0]  # T_j and its derivative at w0
    for _ in range(2, stages + 1):
        slope.append(2 * value[-1] + 2 * w0 * slope[-1] - slope[-2])
        value.append(2 * w0 * value[-1] - value[-2])
    w1 = value[stages] / slope[stages]
    return Method(
        mu=[0.0, 1.0] + [2 * w0 * value[j - 1] / value[j] for j in range(2, stages + 1)],
        nu=[0.0, 0.0] + [-value[j - 2] / value[j] for j in range(2, stages + 1)],
        mu_tilde=[0.0, w1 / w0] + [2 * w1 * value[j - 1] / value[j] for j in range(2, stages + 1)],
        reach=(1 + w0) / w1,
    )


def fewest_stages(product: float) -> int:
    """Stages that keep a step stable at this time x curvature; ``MOST_STAGES`` if none do."""
    if not math.isfinite(product):
        return MOST_STAGES
    # The reach is below 2 s^2, so the search begins there.
    stages = max(1, min(math.ceil(math.sqrt(product / 2)), MOST_STAGES))
    while stages < MOST_STAGES and chebyshev(stages).reach < product:
        stages += 1
    return stages


def chebyshev_step(
    weight: Float[Tensor, "nets neurons d"],
    gradient: Float[Tensor, "nets neurons d"],
    time: Float[Tensor, " nets"],
    stages: Int[Tensor, " nets"],
    gradients: Gradients,
) -> Float[Tensor, "nets neurons d"]:
    """Each network's weights after its ``time``, by the method of its number of stages."""
    methods = [chebyshev(s) for s in stages.tolist()]

    def coefficient(name: str, j: int, nets: list[int]) -> Float[Tensor, "some 1 1"]:
        values = [getattr(methods[e], name)[j] for e in nets]
        return torch.tensor(values, dtype=weight.dtype).view(-1, 1, 1)

    span, older, newer = time.to(weight.dtype).view(-1, 1, 1), weight, weight
    for j in range(1, int(stages.max()) + 1):
        going = (stages >= j).nonzero().flatten()
        of = partial(coefficient, j=j, nets=going.tolist())
        now = newer[going]
        slope = gradient if j == 1 else gradients(now, going)
        ahead = of("mu") * now + of("nu") * older[going] - span[going] * of("mu_tilde") * slope
        older, newer = newer.clone(), newer.clone()
        older[going], newer[going] = now, ahead
    return newer
