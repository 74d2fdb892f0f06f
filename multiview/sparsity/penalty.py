"""L0Spec and its penalty: the expected number of weights behind open gates, and their decay."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.sparsity.hard_concrete import open_probability
from multiview.sparsity.layers import Gated, layers_with_gates
from multiview.train.optim import Undecayed


@dataclass(frozen=True, kw_only=True)
class L0Spec:
    """How hard gates are pushed shut.

    The penalty stands beside the mean loss of N training samples:

        (1/N) sum over gates g of pi_g lambda_g |g| + (wd/2) (sum pi_g ||theta_g||^2 + ||rest||^2)

    with pi_g the probability that g is open, |g| the weights behind it and theta_g these weights
    (Louizos, Welling & Kingma, ICLR 2018, Sections 2.1 and 2.3). Near a critical lambda a few
    percent decide between all and almost no gates; ``target`` asks for a share of weights instead:

        m |e| + (stiffness/2) e^2,  e = expected share of the gated weights - target,

    where m grows at each of T steps by ``ascent`` |e| / T: an augmented Lagrangian, on the expected
    share, not the sampled one. With ``signed`` it is m e, and m grows by ``ascent`` e / T: it may
    overshoot, and comes back.
    """

    strength: float | tuple[float, ...] = (
        0.1  # lambda, of all gates or of each gated layer in order
    )
    weight_decay: float = 0.0  # wd, of every weight
    delay: float = 0.0  # fraction of the steps before there is any penalty
    warmup: float = 0.0  # fraction over which, then, it rises evenly; the target falls from 1
    target: float | None = None  # share of the gated weights to be left; strength is unused
    stiffness: float = 100.0
    ascent: float = 2000.0
    signed: bool = False
    averaging: float | None = None  # decay of the weights' moving average; None: the last weights

    def __post_init__(self) -> None:
        each = (self.strength,) if isinstance(self.strength, int | float) else self.strength
        if not each or not all(value >= 0 and math.isfinite(value) for value in each):
            raise ValueError(f"strength={self.strength} is one lambda >= 0, or one for each layer.")
        for name in ("weight_decay", "stiffness", "ascent"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name}={value} must be >= 0 and finite.")
        if not (self.delay >= 0 and self.warmup >= 0 and self.delay + self.warmup <= 1):
            raise ValueError(
                f"delay={self.delay} and warmup={self.warmup} are fractions of the steps: use >= 0 "
                "and a sum of at most 1."
            )
        if self.target is not None and not 0 <= self.target < 1:
            raise ValueError(f"target={self.target} is a share of weights: use [0, 1), or None.")
        if self.averaging is not None and not 0 <= self.averaging < 1:
            raise ValueError(f"averaging={self.averaging} is a decay: use [0, 1), or None.")

    def share(self, done: int, total: int) -> float:
        """How much of the penalty acts on the step after ``done`` of ``total``: 0 to 1."""
        past = done / total - self.delay
        if past < 0:
            return 0.0
        return min(1.0, past / self.warmup) if self.warmup else 1.0

    def strengths(self, layers: int) -> tuple[float, ...]:
        """lambda of each gated layer.

        Raises:
            ValueError: If there are neither one nor as many as layers.
        """
        if isinstance(self.strength, int | float):
            return (float(self.strength),) * layers
        if len(self.strength) != layers:
            raise ValueError(
                f"strength={self.strength} for {layers} gated layers: give one lambda, or one for "
                "each in order."
            )
        return self.strength


def expected_l0(layers: Iterable[Gated]) -> list[Float[Tensor, ""]]:
    """Expected number of weights behind open gates, of each layer: sum of pi_g |g|."""
    return [open_probability(each.gates.log_alpha).sum() * each.weights_per_gate for each in layers]


def expected_share(module: nn.Module) -> Float[Tensor, ""]:
    """Expected share of the gated weights that are behind open gates."""
    layers = layers_with_gates(module)
    everything = sum(each.gates.log_alpha.numel() * each.weights_per_gate for each in layers)
    return torch.stack(expected_l0(layers)).sum() / everything


def decayed_squares(module: nn.Module) -> Float[Tensor, ""]:
    """Sum of pi_g ||theta_g||^2 over gates and of the squares of all weights without a gate."""
    layers = layers_with_gates(module)
    total = torch.zeros((), device=layers[0].gates.log_alpha.device)
    for each in layers:
        pi = open_probability(each.gates.log_alpha).flatten()
        # What stands behind no gate is what is left of all squares.
        total = total + ((pi - 1) * each.squares()).sum()
    for parameter in module.parameters():
        if not isinstance(parameter, Undecayed):
            total = total + parameter.square().sum()
    return total


def l0_penalty(
    module: nn.Module,
    spec: L0Spec,
    num_samples: int,
    share: Tensor | float = 1.0,
    multiplier: Tensor | float = 0.0,
) -> Float[Tensor, ""]:
    """The penalty of ``L0Spec`` as it stands.

    Args:
        num_samples: N.
        share: Of the penalty that acts now; weight decay always does.
        multiplier: m, where there is a target.

    Raises:
        ValueError: If there are no gates, or fewer than 1 sample.
    """
    layers = layers_with_gates(module)
    if num_samples < 1:
        raise ValueError(f"num_samples={num_samples} counts the training samples: use >= 1.")
    if spec.target is None:
        strengths = spec.strengths(len(layers))
        norms = expected_l0(layers)
        gates = (
            sum(s * norm for s, norm in zip(strengths, norms, strict=True)) * share / num_samples
        )
    else:
        gap = target_gap(module, spec, share)
        force = gap if spec.signed else gap.abs()
        acts = torch.as_tensor(share) > 0
        gates = acts * (multiplier * force + spec.stiffness / 2 * gap.square())
    if not spec.weight_decay:
        return torch.as_tensor(gates)
    return gates + spec.weight_decay / 2 * decayed_squares(module)


def target_gap(module: nn.Module, spec: L0Spec, share: Tensor | float) -> Float[Tensor, ""]:
    """e: the expected share of weights minus that asked for now, which falls from 1."""
    assert spec.target is not None
    return expected_share(module) - (1 - share * (1 - spec.target))
