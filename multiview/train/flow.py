"""One step along the gradient flow, at a cost that rises slowly as the start gets smaller.

Two limits compete. While a neuron is in the power region, where w' = w^(q-1), a step may let it
grow by a given fraction, or near ties would be decided otherwise. Once a class has left that
region, its neurons are at an equilibrium that an explicit step must not overshoot, while other
classes, which take a time proportional to 1 / sigma_init^(q-2), are still in it: the flow has
become stiff. A step of several gradients (``multiview.train.chebyshev``) makes waiting cost its
square root.

Both limits are read off the start of a step, but a neuron that leaves the power region late changes
them within it. Along the exact flow the loss never rises; so a step after which it did, or in which
a neuron grew far beyond its limit, is refused and taken again over a shorter time.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview.train.chebyshev import chebyshev, chebyshev_step, fewest_stages
from multiview.train.errors import Diverged
from multiview.train.sweep import Sweep, Sweeps

MARGIN = 1.5  # curvature may exceed its estimate, a lower bound, by this factor
REFRESH = 5  # steps between two power iterations for the curvature
SLACK = 2.0  # a step is refused if it moved a neuron farther than this times what it may grow
SHORTER = 0.25  # the time of a step taken again, in that of the step refused
MOST_TRIES = 12  # of a step: the last is shorter by 4^11
LONGER = 2.0  # by how much each step after a refused one may be longer than the last


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
        self.before: Sweep | None = None  # one step ago
        self.lowest = torch.full((len(start),), torch.inf, dtype=torch.float64)  # loss, so far
        self.longest = torch.full_like(self.curvature, torch.inf)  # time of the next step
        self.age = 0

    def step(
        self, here: Sweep, sweep: Sweeps
    ) -> tuple[Sweep, Float[Tensor, " nets"], Int[Tensor, " nets"]]:
        """The networks after a step, the flow time it took, and how many more gradients it needed.

        The gradient ``here`` is given; that at the end of the step is counted by the next one.

        Raises:
            Diverged: If a network's loss rises however short the step, or by a way along which its
                gradient says that it falls: the objective's derivative is not that of its loss.
        """
        time, spent = self._time(here), torch.zeros(len(here.loss), dtype=torch.long)
        bounded = time > self.longest
        time = torch.minimum(time, self.longest)
        if self.age % REFRESH == 0:
            self._iterate(here, sweep)
            spent += 1
        self.age += 1
        curvature = MARGIN * torch.maximum(self.curvature, self._secant(here))
        self.before = here
        self.lowest = torch.minimum(self.lowest, here.loss)
        there, taken, trying = here, time, torch.arange(len(time))
        for tried in range(MOST_TRIES):
            found, span, more = _stable_step(
                here.of(trying), time[trying], curvature[trying], _among(sweep, trying)
            )
            there, taken = there.replaced(trying, found), taken.index_copy(0, trying, span)
            spent[trying] += more + int(tried > 0)
            refused = self._refused(here, there)[trying]
            trying = trying[refused]
            if not len(trying):
                self.longest = torch.where(bounded, LONGER * taken, torch.inf)
                return there, taken, spent
            bounded[trying] = True
            time[trying] = SHORTER * span[refused]
            curvature[trying] = torch.fmax(curvature, MARGIN * _turn(here, there))[trying]
            if _contradicted(here.of(trying), there.of(trying)).any():
                break
        raise Diverged(
            f"the loss {here.loss[trying].tolist()} rises along the flow however short the step "
            f"(last to {there.loss[trying].tolist()} in a time of {taken[trying].tolist()}): check "
            "that the objective's derivative is that of its loss"
        )

    def keep(self, nets: Bool[Tensor, " nets"]) -> None:
        """Forget the other networks."""
        self.start, self.curvature = self.start[nets], self.curvature[nets]
        self.lowest, self.longest = self.lowest[nets], self.longest[nets]
        if self.direction is not None:
            self.direction = self.direction[nets]
        if self.before is not None:
            self.before = self.before.of(nets)

    def _refused(self, here: Sweep, there: Sweep) -> Bool[Tensor, " nets"]:
        """Networks whose loss rose beyond rounding, or of which a neuron grew too far."""
        grew = ((there.weight - here.weight).norm(dim=2) / self._size(here)).amax(1)
        fell = there.loss <= self.lowest + here.rounding
        return ~(fell & (grew <= SLACK * self.growth))  # written so that NaN is refused

    def _time(self, here: Sweep) -> Float[Tensor, " nets"]:
        """How long the neuron that grows fastest takes to grow by the fraction a step may."""
        size = self._size(here)
        speed = here.gradient.norm(dim=2)
        time = (self.growth * size / speed.clamp(min=torch.finfo(speed.dtype).tiny)).amin(1)
        return torch.where(speed.amax(1) > 0, time, 0)  # without a gradient: stay

    def _size(self, here: Sweep) -> Float[Tensor, "nets neurons"]:
        """The unit of each neuron's growth."""
        # The largest of a class's projections on its features starts near 1.5 sigma.
        return 1.5 * self.sigma + (here.weight - self.start).norm(dim=2)

    def _iterate(self, here: Sweep, sweep: Sweeps) -> None:
        """One power iteration on the Hessian, by a difference of gradients."""
        along = here.gradient if self.direction is None else self.direction
        along = torch.where(along.flatten(1).any(1).view(-1, 1, 1), along, here.gradient)
        along = along / _norm(along)
        # Small beside the weights, so that the Hessian is that of here; large beside rounding in
        # float32. With bfloat16 products the estimate is rough, and the secant stands in.
        distance = 1e-3 * _norm(here.weight)
        ahead = sweep(here.weight + distance * along, torch.arange(len(here.weight))).gradient
        self.direction = (ahead - here.gradient) / distance
        self.curvature = _norm(self.direction).flatten()

    def _secant(self, here: Sweep) -> Float[Tensor, " nets"]:
        """Curvature met by the last step, where a class leaving the power region shows first."""
        if self.before is None:
            return torch.zeros_like(self.curvature)
        return _turn(self.before, here)


def _stable_step(
    here: Sweep,
    time: Float[Tensor, " nets"],
    curvature: Float[Tensor, " nets"],
    sweep: Sweeps,
) -> tuple[Sweep, Float[Tensor, " nets"], Int[Tensor, " nets"]]:
    """A step over ``time``, or over as much of it as is stable; its time and further gradients."""
    curvature = curvature.clamp(min=torch.finfo(curvature.dtype).tiny)
    stages = torch.tensor([fewest_stages(x) for x in (time * curvature).tolist()])
    limit = torch.tensor([chebyshev(s).reach for s in stages.tolist()]).to(time)
    time = torch.minimum(time, limit / curvature)
    after = chebyshev_step(
        here.weight, here.gradient, time, stages, lambda weight, nets: sweep(weight, nets).gradient
    )
    return sweep(after, torch.arange(len(after))), time, stages - 1


def _among(sweep: Sweeps, some: Int[Tensor, " some"]) -> Sweeps:
    """The sweep of networks numbered as they stand in ``some``."""
    return lambda weight, nets: sweep(weight, some[nets])


def _turn(before: Sweep, after: Sweep) -> Float[Tensor, " nets"]:
    """Curvature between two points: how far the gradient turned over how far the weights moved."""
    return (_norm(after.gradient - before.gradient) / _norm(after.weight - before.weight)).flatten()


def _contradicted(here: Sweep, there: Sweep) -> Bool[Tensor, " nets"]:
    """Whether the loss changed otherwise than a gradient predicts that hardly turned on the way."""
    way = there.weight - here.weight
    straight = (_norm(there.gradient - here.gradient) < 0.1 * _norm(here.gradient)).flatten()
    predicted = (here.gradient * way).flatten(1).sum(1)
    most = (_norm(here.gradient) * _norm(way)).flatten()
    off = (there.loss - here.loss - predicted).abs()
    return straight & (off > most / 2) & (off > 10 * here.rounding)


def _norm(values: Float[Tensor, "nets neurons d"]) -> Float[Tensor, "nets 1 1"]:
    """Euclidean norm of each network's values, never 0."""
    tiny = torch.finfo(values.dtype).tiny
    return values.flatten(1).norm(dim=1).clamp(min=tiny).view(-1, 1, 1)
