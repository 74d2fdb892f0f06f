"""OptimSpec: minibatch SGD or Adam, the learning rate's schedule, and what is left undecayed."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, get_args

import torch

Schedule = Literal["linear", "steps"]
Algorithm = Literal["sgd", "adam"]


class Undecayed(torch.nn.Parameter):
    """A parameter that ``weight_decay`` leaves alone, copies of it too: a gate's logit, say."""

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return Undecayed, (self.data, self.requires_grad)  # torch's own makes it a Parameter


@dataclass(frozen=True, kw_only=True)
class OptimSpec:
    """How ``fit`` trains: the rate rises linearly to its peak, then falls to 0 or in steps."""

    epochs: int = 40
    batch_size: int = 50
    algorithm: Algorithm = "sgd"
    learning_rate: float = 0.05  # at the peak
    warmup: float = 0.15  # fraction of the steps before the peak
    momentum: float = 0.9  # Nesterov's where positive; of adam its first beta, the second is 0.999
    weight_decay: float = 5e-4  # on every parameter but Undecayed; of adam added to the gradient
    max_norm: float | None = None  # longest incoming weight vector of a unit or filter
    schedule: Schedule = "linear"  # how the rate falls: evenly to 0, or at the milestones
    milestones: tuple[float, ...] = (0.3, 0.6, 0.8)  # fractions of the steps
    drop: float = 0.2  # the rate's factor at each; 60, 120 and 160 of 200 epochs: arXiv 1605.07146

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} counts at least 1.")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate={self.learning_rate} must be positive and finite.")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup={self.warmup} is a fraction of the steps in [0, 1).")
        for name, kinds in (("schedule", Schedule), ("algorithm", Algorithm)):
            if getattr(self, name) not in get_args(kinds):
                raise ValueError(
                    f"{name}={getattr(self, name)!r}: choose one of {get_args(kinds)}."
                )
        if not all(0 < a < b < 1 for a, b in pairwise((1e-9, *self.milestones))):
            raise ValueError(f"milestones={self.milestones} must rise within (0, 1).")
        if not 0 < self.drop <= 1:
            raise ValueError(f"drop={self.drop} is a factor in (0, 1].")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum} must be in [0, 1): use 0 for none.")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise ValueError(f"weight_decay={self.weight_decay} must be >= 0 and finite.")
        if self.max_norm is not None and not self.max_norm > 0:
            raise ValueError(f"max_norm={self.max_norm} is a length: use > 0, or None for any.")

    def rate(self, step: int, total: int) -> float:
        """Learning rate of ``step`` (0, 1, ...) out of ``total``; positive at every one."""
        rising = (step + 1) / max(1.0, self.warmup * total)
        if self.schedule == "steps":
            passed = bisect_right(self.milestones, step / total)
            return self.learning_rate * min(1.0, rising) * self.drop**passed
        falling = (total - step) / max(1.0, (1 - self.warmup) * total)
        return self.learning_rate * min(1.0, rising, falling)

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser, its rate not yet set; it keeps weights within ``max_norm`` itself."""
        every = list(parameters)
        free = [each for each in every if isinstance(each, Undecayed)]
        groups: list[dict[str, Any]] = [
            {"params": [each for each in every if not isinstance(each, Undecayed)]}
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
            optimizer.register_step_post_hook(partial(_shorten, longest=self.max_norm))
        return optimizer


def _shorten(optimizer: torch.optim.Optimizer, *call: Any, longest: float) -> None:
    """Rescale each unit's incoming weights to at most this length (arXiv 1207.0580, Section 2)."""
    with torch.no_grad():
        for group in optimizer.param_groups:
            for weight in group["params"]:
                # Not biases, nor scales of norms, nor what is not trained.
                trained = weight.grad is not None and not isinstance(weight, Undecayed)
                if weight.dim() > 1 and trained:
                    torch.renorm(weight, 2, 0, longest, out=weight)
