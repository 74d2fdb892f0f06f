"""L0Spec and its penalty: the expected number of weights behind open gates, and their decay."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.sparsity.hard_concrete import open_probability
from multiview.sparsity.layers import Gated, layers_with_gates
from multiview.train.optim import NoDecay


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

    Raises:
        ValueError: If a field is out of range, ``strength`` is empty, or ``delay`` and ``warmup``
            add up to more than 1.
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
        several = isinstance(self.strength, tuple | list)
        given: Any = self.strength if several else (self.strength,)
        meaning = f"in strength={self.strength} is one lambda of all layers, or one for each"
        each = tuple(checks.number("strength", x, "[0, inf)", meaning=meaning) for x in given)
        if not each:
            raise ValueError(f"strength={self.strength} is one lambda >= 0, or one for each layer.")
        checked: dict[str, Any] = {"strength": each if several else each[0]}
        for name in ("weight_decay", "stiffness", "ascent"):
            checked[name] = checks.not_negative(name, getattr(self, name))
        for name in ("delay", "warmup"):
            meaning = "is a fraction of the steps"
            checked[name] = checks.number(name, getattr(self, name), "[0, 1]", meaning=meaning)
        checked["signed"] = checks.flag("signed", self.signed)
        if self.delay + self.warmup > 1:
            raise ValueError(
                f"delay={self.delay} and warmup={self.warmup} are fractions of the steps: use >= 0 "
                "and a sum of at most 1."
            )
        for name, meaning in (("target", "is a share of weights"), ("averaging", "is a decay")):
            if getattr(self, name) is not None:
                checked[name] = checks.number(name, getattr(self, name), "[0, 1)", meaning=meaning)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

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
    """Expected number of weights behind open gates, of each layer: sum of pi_g |g|.

    Raises:
        ValueError: If ``layers`` is no sequence of layers with gates.
    """
    every = checks.items("layers", layers)
    for i, each in enumerate(every):
        checks.instance(f"layers[{i}]", each, Gated, "give those of gated_layers(module).values()")
    return [open_probability(each.gates.log_alpha).sum() * each.weights_per_gate for each in every]


def expected_share(module: nn.Module) -> Float[Tensor, ""]:
    """Expected share of the gated weights that are behind open gates.

    Raises:
        ValueError: If ``module`` has no gates.
    """
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
        if not isinstance(parameter, NoDecay):
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
    checks.instance("spec", spec, L0Spec)
    layers = layers_with_gates(module)
    num_samples = checks.count("num_samples", num_samples, meaning="counts the training samples")
    if not isinstance(share, Tensor):  # of tensors no value is looked at: a GPU would wait
        share = checks.fraction("share", share)
    if not isinstance(multiplier, Tensor):
        multiplier = checks.number("multiplier", multiplier, "(-inf, inf)")
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
