"""The wall time of another method's training."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting


@dataclass(frozen=True, kw_only=True)
class Timed(Method):
    """Another method, which also notes ``training_seconds``, the wall time of its own training.

    NaN where that cannot be known: if the method was trained in one go with others before, or went
    on from checkpoints of an earlier process.
    """

    trains = False
    of: Method

    def needs(self) -> Iterator[Method]:
        """What the other method builds on, whose time does not count."""
        return self.of.needs()

    def alone(self) -> Iterator[Method]:
        """The other method, whose time is taken."""
        yield self.of

    def networks(self, setting: Setting) -> int | None:
        """As many as the other method leaves."""
        return self.of.networks(setting)

    def check(self, setting: Setting) -> None:
        """Refuse what the other method refuses."""
        self.of.check(setting)

    def train(self, bench: Bench) -> Classifier:
        """What the other method left, and the time it took."""
        trained, seconds = bench.trained(self.of), bench.trainings.seconds(self.of)
        return replace(trained, notes={**trained.notes, "training_seconds": seconds})
