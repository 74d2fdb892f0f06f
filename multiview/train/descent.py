"""Gradient descent, one gradient a step: at a fixed rate, or at one read off the step before."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview.train.sweep import Sweep, Sweeps

MAX_RISE = 3.0  # a rate is at most this many times the one before


class FixedRate:
    """Euler steps at one rate."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def step(
        self, here: Sweep, sweep: Sweeps
    ) -> tuple[Sweep, Float[Tensor, " nets"], Int[Tensor, " nets"]]:
        """The networks after a step, the flow time it took, and how many more gradients: none."""
        rate = torch.full((len(here.weight),), self.rate, dtype=here.weight.dtype)
        return _euler(here, rate, sweep)

    def keep(self, nets: Bool[Tensor, " nets"]) -> None:
        """Forget the other networks, of which nothing is remembered."""


class AdaptiveDescent:
    """Euler steps at ``relative_step`` over the curvature met, ||dg|| / ||dw||.

    After Malitsky & Mishchenko, arXiv 1910.09529, whose factor is 1/2 and whose limit on the rise
    is tighter. Unlike ``GradientFlow`` it asks nothing of the field but its values, so it also
    suits updates that are no loss's gradient and jump, such as the paper's distillation; the
    classes that leave the power region last cost it every step. Networks do not interact.
    """

    def __init__(self, relative_step: float, first: float) -> None:
        """Remember nothing yet.

        Args:
            relative_step: Step times curvature; below 2 for stability.
            first: Length by which the first step moves the neuron that moves most.
        """
        self.relative_step, self.first = relative_step, first
        self.before: tuple[Tensor, Tensor, Tensor] | None = None  # weight, gradient, rate

    def step(
        self, here: Sweep, sweep: Sweeps
    ) -> tuple[Sweep, Float[Tensor, " nets"], Int[Tensor, " nets"]]:
        """The networks after a step, the flow time it took, and how many more gradients: none."""
        weight, gradient = here.weight, here.gradient
        tiny = torch.finfo(weight.dtype).tiny
        if self.before is None:
            rate = self.first / gradient.norm(dim=2).amax(1).clamp(min=tiny)
        else:
            old_weight, old_gradient, old_rate = self.before
            moved = (weight - old_weight).flatten(1).norm(dim=1)
            turned = (gradient - old_gradient).flatten(1).norm(dim=1)
            # Where nothing moved or turned, as far as rounding shows, only the rise is a limit.
            known = (moved > 0) & (turned > 0)
            limit = torch.where(known, self.relative_step * moved / turned, torch.inf)
            rate = torch.minimum(limit, MAX_RISE * old_rate)
        self.before = weight, gradient, rate
        return _euler(here, rate, sweep)

    def keep(self, nets: Bool[Tensor, " nets"]) -> None:
        """Forget the other networks."""
        if self.before is not None:
            weight, gradient, rate = self.before
            self.before = weight[nets], gradient[nets], rate[nets]


def _euler(
    here: Sweep, rate: Float[Tensor, " nets"], sweep: Sweeps
) -> tuple[Sweep, Float[Tensor, " nets"], Int[Tensor, " nets"]]:
    """One explicit step at each network's rate."""
    after = here.weight - rate.view(-1, 1, 1) * here.gradient
    return sweep(after, torch.arange(len(after))), rate, torch.zeros(len(after), dtype=torch.long)
