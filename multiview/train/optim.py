"""OptimSpec: minibatch SGD or Adam, the learning rate's schedule, and what is left undecayed."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, get_args

import torch

from multiview import checks

Schedule = Literal["linear", "steps"]
Algorithm = Literal["sgd", "adam"]


class NoDecay(torch.nn.Parameter):
    """A parameter that ``weight_decay`` leaves alone, copies of it too: a gate's logit, say."""

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return NoDecay, (self.data, self.requires_grad)  # torch's own makes it a Parameter


@dataclass(frozen=True, kw_only=True)
class OptimSpec:
    """How ``fit`` trains: the rate rises linearly to its peak, then falls to 0 or in steps.

    Raises:
        ValueError: If a field is out of range, there is no such ``algorithm`` or ``schedule``, or
            the milestones do not rise.
    """

    epochs: int = 40
    batch_size: int = 50
    algorithm: Algorithm = "sgd"
    learning_rate: float = 0.05  # at the peak
    warmup: float = 0.15  # fraction of the steps before the peak
    momentum: float = 0.9  # Nesterov's where positive; of adam its first beta, the second is 0.999
    weight_decay: float = 5e-4  # on every parameter but NoDecay; of adam added to the gradient
    max_norm: float | None = None  # longest incoming weight vector of a unit or filter
    schedule: Schedule = "linear"  # how the rate falls: evenly to 0, or at the milestones
    milestones: tuple[float, ...] = (0.3, 0.6, 0.8)  # fractions of the steps
    drop: float = 0.2  # the rate's factor at each; 60, 120 and 160 of 200 epochs: arXiv 1605.07146

    def __post_init__(self) -> None:
        each: dict[str, Any] = {}
        each |= {name: checks.count(name, getattr(self, name)) for name in ("epochs", "batch_size")}
        for name, check in {
            "learning_rate": checks.positive,
            "warmup": partial(checks.fraction, interval="[0, 1)"),
            "momentum": partial(checks.fraction, interval="[0, 1)"),
            "weight_decay": checks.not_negative,
            "drop": partial(checks.fraction, interval="(0, 1]"),
        }.items():
            each[name] = check(name, getattr(self, name))
        checks.choice("schedule", self.schedule, get_args(Schedule))
        checks.choice("algorithm", self.algorithm, get_args(Algorithm))
        if self.max_norm is not None:
            meaning = "is a length (None: any)"
            each["max_norm"] = checks.number("max_norm", self.max_norm, "(0, inf)", meaning=meaning)
        each["milestones"] = _rising(self.milestones)
        for name, value in each.items():
            object.__setattr__(self, name, value)

    def rate(self, step: int, total: int) -> float:
        """Learning rate of ``step`` (0, 1, ...) out of ``total``; positive at every one."""
        rising = (step + 1) / max(1.0, self.warmup * total)
        if self.schedule == "steps":
            passed = bisect_right(self.milestones, step / total)
            return self.learning_rate * min(1.0, rising) * self.drop**passed
        falling = (total - step) / max(1.0, (1 - self.warmup) * total)
        return self.learning_rate * min(1.0, rising, falling)

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser, its rate not yet set; it keeps weights within ``max_norm`` itself.

        Raises:
            ValueError: If no parameter requires a gradient.
        """
        every = list(parameters)
        if not any(each.requires_grad for each in every):
            raise ValueError(
                "no parameter of the module requires a gradient, so nothing can be trained: use "
                "module.requires_grad_()."
            )
        free = [each for each in every if isinstance(each, NoDecay)]
        groups: list[dict[str, Any]] = [
            {"params": [each for each in every if not isinstance(each, NoDecay)]}
        ]
        if free:
            groups.append({"params": free, "weight_decay": 0.0})
        common: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        if self.algorithm == "adam":
            optimizer = torch.optim.Adam(groups, betas=(self.momentum, 0.999), **common)
        else:
            nesterov = self.momentum > 0
            optimizer = torch.optim.SGD(groups, momentum=self.momentum, nesterov=nesterov, **common)
        if self.max_norm is not None:
            optimizer.register_step_post_hook(partial(clip_max_norm, longest=self.max_norm))
        return optimizer


def _rising(milestones: Any) -> tuple:
    listed = checks.items("milestones", milestones)
    every = tuple(checks.fraction(f"milestones[{i}]", x, "(0, 1)") for i, x in enumerate(listed))
    if not all(a < b for a, b in pairwise(every)):
        raise ValueError(f"milestones={milestones} must rise: sort them, each once.")
    return every


def clip_max_norm(optimizer: torch.optim.Optimizer, *call: Any, longest: float) -> None:
    """Rescale each unit's incoming weights to at most this length (arXiv 1207.0580, Section 2)."""
    with torch.no_grad():
        for group in optimizer.param_groups:
            for weight in group["params"]:
                # Not biases, nor scales of norms, nor what is not trained.
                trained = weight.grad is not None and not isinstance(weight, NoDecay)
                if weight.dim() > 1 and trained:
                    torch.renorm(weight, 2, 0, longest, out=weight)
