"""Hard-concrete gates: random numbers in [0, 1] that are 0 or 1 with positive probability.

Louizos, Welling & Kingma, Learning Sparse Neural Networks through L0 Regularization (ICLR 2018).
A binary concrete variable s is stretched to (GAMMA, ZETA) and cut to [0, 1]; its one parameter is
the logit log a.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.train.optim import NoDecay

GAMMA, ZETA = -0.1, 1.1  # ends of the stretched interval
BETA = 2 / 3  # temperature
EPSILON = 1e-6  # of u, so that no logarithm is infinite
LOWEST, HIGHEST = math.log(0.01), math.log(100)  # where log a is kept: beyond, gradients vanish


def sampled_gates(
    log_alpha: Float[Tensor, "*groups"], u: Float[Tensor, "*draws"]
) -> Float[Tensor, "*draws"]:
    """Gates as they are in training, from uniform numbers ``u`` in [0, 1].

    Args:
        u: One number a gate, or with further axes in front, several.

    Raises:
        ValueError: If one is no tensor of floating-point numbers, or the last axes of ``u`` are not
            those of ``log_alpha``.
    """
    shapes.fit(log_alpha=(log_alpha, "float *groups"), u=(u, "float *draws"))
    if u.shape[u.dim() - log_alpha.dim() :] != log_alpha.shape or u.dim() < log_alpha.dim():
        raise ValueError(
            f"u has shape {tuple(u.shape)} for log_alpha of shape {tuple(log_alpha.shape)}: give "
            "one number a gate, with further axes only in front."
        )
    u = u.clamp(EPSILON, 1 - EPSILON)
    s = ((u.log() - (-u).log1p() + log_alpha) / BETA).sigmoid()
    return _cut(s)


def eval_gates(log_alpha: Float[Tensor, "*groups"]) -> Float[Tensor, "*groups"]:
    """Gates at test time: sigmoid(log a), without the temperature, stretched and cut.

    0 for log a <= -log 11 = -2.398 and 1 from 2.398 on. Not 0 wherever ``open_probability`` is
    above 0.31: the expected L0 norm is not the number of units that are left.

    Raises:
        ValueError: If ``log_alpha`` is no tensor of floating-point numbers.
    """
    _check_kind(log_alpha)
    return _cut(log_alpha.sigmoid())


def median_gates(log_alpha: Float[Tensor, "*groups"]) -> Float[Tensor, "*groups"]:
    """The median of the random gate: ``sampled_gates`` at u = 1/2; 0 where it is open too rarely.

    It is 0 from ``open_probability`` 1/2 down (log a <= -1.599), where the paper's test gate is
    still up to 0.10.

    Raises:
        ValueError: If ``log_alpha`` is no tensor of floating-point numbers.
    """
    _check_kind(log_alpha)
    return _cut((log_alpha / BETA).sigmoid())


def open_probability(log_alpha: Float[Tensor, "*groups"]) -> Float[Tensor, "*groups"]:
    """pi = P(z != 0) = sigmoid(log a - BETA log(-GAMMA / ZETA)), the gate's expected L0 norm.

    Raises:
        ValueError: If ``log_alpha`` is no tensor of floating-point numbers.
    """
    _check_kind(log_alpha)
    return (log_alpha - BETA * math.log(-GAMMA / ZETA)).sigmoid()


def full_probability(log_alpha: Float[Tensor, "*groups"]) -> Float[Tensor, "*groups"]:
    """P(z = 1) = sigmoid(log a - BETA log((1 - GAMMA) / (ZETA - 1))).

    Raises:
        ValueError: If ``log_alpha`` is no tensor of floating-point numbers.
    """
    _check_kind(log_alpha)
    return (log_alpha - BETA * math.log((1 - GAMMA) / (ZETA - 1))).sigmoid()


def mean_gates(log_alpha: Float[Tensor, "*groups"]) -> Float[Tensor, "*groups"]:
    """E z, the integral of P(z > t) over t in [0, 1], by Gauss-Legendre quadrature.

    Raises:
        ValueError: If ``log_alpha`` is no tensor of floating-point numbers.
    """
    _check_kind(log_alpha)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    t = torch.as_tensor((nodes + 1) / 2).to(log_alpha)
    s = (t - GAMMA) / (ZETA - GAMMA)
    above = (log_alpha.unsqueeze(-1) - BETA * (s.log() - (-s).log1p())).sigmoid()
    return (above * torch.as_tensor(weights / 2).to(log_alpha)).sum(-1)


def _check_kind(log_alpha: Any) -> None:
    shapes.fit(log_alpha=(log_alpha, "float *groups"))


def _cut(s: Tensor) -> Tensor:
    return (s * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


class HardConcrete(nn.Module):
    """Gates of groups of weights: random in train mode, ``eval_gates`` in eval mode.

    Numbers come from torch's global generator, as those of dropout layers. Everything is computed
    in float32, under autocast too, and no weight decay touches log a.

    Args:
        shape: Of the gates.
        dropout: d, at which log a starts: N(log((1 - d) / d), 0.01^2).
        per_sample: Draw gates for each sample of a batch instead of one for all.
        generator: Sole source of the start; advanced in place.

    Raises:
        ValueError: If ``dropout`` is not in (0, 1) or there are no gates.
    """

    log_alpha: NoDecay

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        dropout: float = 0.5,
        per_sample: bool = False,
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        meaning = "starts gates half open at 0.5 and small open"
        dropout = checks.number("dropout", dropout, "(0, 1)", meaning=meaning)
        per_sample = checks.flag("per_sample", per_sample)
        generator = checks.generator("generator", generator, "gates")
        several = isinstance(shape, tuple | list | torch.Size)
        sizes = checks.counts("shape", shape) if several else (checks.count("shape", shape),)
        if not sizes:
            raise ValueError(f"shape={shape} holds no gates: use at least 1.")
        start = math.log((1 - dropout) / dropout)
        self.log_alpha = NoDecay(start + 0.01 * torch.randn(sizes, generator=generator))
        self.per_sample = per_sample

    def forward(self, samples: int = 1) -> Float[Tensor, "_ *groups"]:
        """The gates with an axis of samples in front, of length 1 where all share them.

        Raises:
            ValueError: If ``samples`` is no integer >= 0.
        """
        samples = checks.count("samples", samples, 0)
        with torch.autocast(self.log_alpha.device.type, enabled=False):
            log_alpha = self.log_alpha.float()
            if not self.training:
                return eval_gates(log_alpha).unsqueeze(0)
            size = (samples if self.per_sample else 1, *log_alpha.shape)
            return sampled_gates(log_alpha, torch.rand(size, device=log_alpha.device))

    def clamp(self) -> None:
        """Take log a back to where its gradient does not vanish; for after each step."""
        with torch.no_grad():
            self.log_alpha.clamp_(LOWEST, HIGHEST)
