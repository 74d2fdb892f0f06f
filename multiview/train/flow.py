"""One step along the gradient flow, at a cost that rises slowly as the start gets smaller.

Two limits compete. While a neuron escapes as w' = w^(q-1), a step may let it grow by a given
fraction, or near ties would be decided otherwise. Once a class has broken out, its neurons are held
at an equilibrium that an explicit step must not overshoot, while slow classes, whose escape takes
a time proportional to 1 / sigma_init^(q-2), still wait: the flow has become stiff. A stabilised
Runge-Kutta-Chebyshev step of s gradients spans a time that grows as s^2 (van der Houwen &
Sommeijer, Z. Angew. Math. Mech. 60, 1980, 479-485), so that waiting costs its square root.
"""

import math
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

DAMPING = 0.15  # of the Chebyshev polynomials: stiff parts shrink at every step
MARGIN = 1.5  # curvature may exceed its estimate, a lower bound, by this factor
MOST_STAGES = 60
REFRESH = 5  # steps between two power iterations for the curvature

Gradients = Callable[[Tensor, Tensor], Tensor]  # (weight of some nets, which nets) -> gradient


class GradientFlow:
    """Steps of networks that do not interact, each at its own rate; remembers the curvature.

    Weights are (nets, neurons, d), so that networks trained as a sum count as one.
    """

    def __init__(self, start: Float[Tensor, "nets neurons d"], growth: float, sigma: float) -> None:
        """Begin at ``start``.

        Args:
            growth: Fraction by which a step may let a neuron grow.
            sigma: Standard deviation of the initial weights, the unit of growth at the start.
        """
        self.start, self.growth, self.sigma = start.clone(), growth, sigma
        self.curvature = torch.zeros(len(start), dtype=start.dtype)
        self.direction: Tensor | None = None  # of the largest curvature, as far as known
        self.before: tuple[Tensor, Tensor] | None = None  # weight and gradient one step ago
        self.age = 0

    def step(
        self,
        weight: Float[Tensor, "nets neurons d"],
        gradient: Float[Tensor, "nets neurons d"],
        gradients: Gradients,
    ) -> tuple[Float[Tensor, "nets neurons d"], Float[Tensor, " nets"], Int[Tensor, " nets"]]:
        """Weights after a step, the flow time it took, and how many more gradients it needed."""
        tiny = torch.finfo(weight.dtype).tiny
        # The largest of a class's projections on its features starts near 1.5 sigma.
        size = 1.5 * self.sigma + (weight - self.start).norm(dim=2)
        pull = gradient.norm(dim=2)
        time = (self.growth * size / pull.clamp(min=tiny)).amin(1)
        time = torch.where(pull.amax(1) > 0, time, 0)  # nothing pulls: stay
        iterate = self.age % REFRESH == 0
        if iterate:
            self._iterate(weight, gradient, gradients)
        self.age += 1
        curvature = MARGIN * torch.maximum(self.curvature, self._secant(weight, gradient))
        curvature = curvature.clamp(min=tiny)
        self.before = weight, gradient
        stages = torch.tensor([fewest_stages(x) for x in (time * curvature).tolist()])
        limit = torch.tensor([chebyshev(s).reach for s in stages.tolist()]).to(time)
        time = torch.minimum(time, limit / curvature)
        after = chebyshev_step(weight, gradient, time, stages, gradients)
        return after, time, stages - 1 + int(iterate)

    def keep(self, nets: Bool[Tensor, " nets"]) -> None:
        """Forget the other networks."""
        self.start, self.curvature = self.start[nets], self.curvature[nets]
        if self.direction is not None:
            self.direction = self.direction[nets]
        if self.before is not None:
            self.before = self.before[0][nets], self.before[1][nets]

    def _iterate(self, weight: Tensor, gradient: Tensor, gradients: Gradients) -> None:
        """One power iteration on the Hessian, by a difference of gradients."""
        along = gradient if self.direction is None else self.direction
        along = torch.where(along.flatten(1).any(1).view(-1, 1, 1), along, gradient)
        along = along / _norm(along)
        # Small beside the weights, so that the Hessian is that of here; large beside rounding in
        # float32. With bfloat16 products the estimate is rough, and the secant stands in.
        distance = 1e-3 * _norm(weight)
        ahead = gradients(weight + distance * along, torch.arange(len(weight)))
        self.direction = (ahead - gradient) / distance
        self.curvature = _norm(self.direction).flatten()

    def _secant(self, weight: Tensor, gradient: Tensor) -> Float[Tensor, " nets"]:
        """Curvature that the step before has met; what breaks out shows here first."""
        if self.before is None:
            return torch.zeros(len(weight), dtype=weight.dtype)
        return (_norm(gradient - self.before[1]) / _norm(weight - self.before[0])).flatten()


def _norm(values: Float[Tensor, "nets neurons d"]) -> Float[Tensor, "nets 1 1"]:
    """Euclidean norm of each network's values, never 0."""
    tiny = torch.finfo(values.dtype).tiny
    return values.flatten(1).norm(dim=1).clamp(min=tiny).view(-1, 1, 1)


class Method(NamedTuple):
    """Coefficients of one Chebyshev step, by stage from 0 on; what a stage does not use is 0.

    Y_j = mu Y_{j-1} + nu Y_{j-2} - pull * time * gradient(Y_{j-1}), Y_0 and Y_s being the weights
    before and after.
    """

    mu: list[float]
    nu: list[float]
    pull: list[float]
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
        pull=[0.0, w1 / w0] + [2 * w1 * value[j - 1] / value[j] for j in range(2, stages + 1)],
        reach=(1 + w0) / w1,
    )


def fewest_stages(product: float) -> int:
    """Stages that a step needs to be stable at this time x curvature, at most ``MOST_STAGES``."""
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
        ahead = of("mu") * now + of("nu") * older[going] - span[going] * of("pull") * slope
        older, newer = newer.clone(), newer.clone()
        older[going], newer[going] = now, ahead
    return newer
