"""The wall time of another method's training."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting


@dataclass(frozen=True, kw_only=True)
class Timed(Method):
    """Another method, which also notes ``training_seconds``, the wall time of its own training.

    NaN where that cannot be known: if the method was trained before, or the cell goes on from
    checkpoints of an earlier process.
    """

    of: Method

    def needs(self) -> Iterator[Method]:
        """What the other method builds on, whose time does not count."""
        return self.of.needs()

    def networks(self, setting: Setting) -> int | None:
        """As many as the other method leaves."""
        return self.of.networks(setting)

    def check(self, setting: Setting) -> None:
        """Refuse what the other method refuses."""
        self.of.check(setting)

    def train(self, bench: Bench) -> Classifier:
        """What the other method leaves, and the time it took."""
        known = not bench.resumed and not bench.is_trained(self.of)
        begin = time.perf_counter()
        trained = bench.trained_alone(self.of)
        if bench.inputs.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - begin if known else math.nan
        return replace(trained, notes={**trained.notes, "training_seconds": seconds})
