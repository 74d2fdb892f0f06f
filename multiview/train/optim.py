"""OptimSpec: minibatch SGD with Nesterov momentum and its learning-rate schedule."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class OptimSpec:
    """How ``fit`` trains: the rate rises linearly to its peak, then falls linearly to 0."""

    epochs: int = 40
    batch_size: int = 50
    learning_rate: float = 0.05  # at the peak
    warmup: float = 0.15  # fraction of the steps before the peak
    momentum: float = 0.9  # Nesterov's where positive
    weight_decay: float = 5e-4  # on every parameter

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} counts at least 1.")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate={self.learning_rate} must be positive and finite.")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup={self.warmup} is a fraction of the steps in [0, 1).")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum} must be in [0, 1): use 0 for none.")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise ValueError(f"weight_decay={self.weight_decay} must be >= 0 and finite.")

    def rate(self, step: int, total: int) -> float:
        """Learning rate of ``step`` (0, 1, ...) out of ``total``; positive at every one."""
        rising = (step + 1) / max(1.0, self.warmup * total)
        falling = (total - step) / max(1.0, (1 - self.warmup) * total)
        return self.learning_rate * min(1.0, rising, falling)

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.SGD:
        """The optimiser, its rate not yet set."""
        return torch.optim.SGD(
            parameters,
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.momentum > 0,
            weight_decay=self.weight_decay,
        )
