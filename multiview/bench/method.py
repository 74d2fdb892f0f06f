"""What a method is, what it leaves, and what a measure makes of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from torch import Tensor, nn

# Those of ``bench`` and ``setting``, which import this module; subclasses name them.
Bench = Any
Setting = Any
# From inputs (n, ...) to logits (n, k), or (n, networks, k) of several networks alike.
Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False, kw_only=True)
class Classifier:
    """What a method leaves.

    Attributes:
        logits: In eval mode and without gradients.
        net: The network behind it, for methods that go on from it, which copy it first. None where
            there is no single module, as of a mean over dropout masks.
        best: The logits of the networks as they were when best on validation samples.
        midway: The logits of the networks as they were after half of the steps.
        companion: What was trained beside it, such as the boosters of a rocket.
        notes: What training alone knows, such as its ``steps``; it joins what is measured.
        curve: Tests along the training, (tests, networks) each: the ``time`` along the flow and the
            errors ``single`` and ``multi``; empty where there were none.
    """

    logits: Logits
    net: nn.Module | None = None
    best: Logits | None = None
    midway: Logits | None = None
    companion: "Classifier | None" = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    curve: Mapping[str, Tensor] = field(default_factory=dict)


class Method(ABC):
    """One way to come from training samples to a classifier: a frozen dataclass of its settings.

    What it builds on stands in its fields as methods, by value; a bench trains equal methods once.

    Attributes:
        trains: Whether it trains networks, by ``Bench.once``; else all it takes is done again
            wherever it is asked for.
    """

    trains: ClassVar[bool] = True

    @abstractmethod
    def train(self, bench: Bench) -> Classifier:
        """The classifier, trained on the samples of the bench.

        Methods of its fields are trained already: ``bench.trained`` gives what they left, which
        this must not change in place.
        """

    def check(self, setting: Setting) -> None:
        """Refuse a setting in which the method cannot be trained.

        Raises:
            ValueError: If it cannot; the message says what is possible.
        """

    def needs(self) -> Iterator["Method"]:
        """The methods that this one builds on: those among its fields."""
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Method):
                    yield part

    def alone(self) -> Iterator["Method"]:
        """Methods that are to be trained before this one, each by itself; it needs what they do."""
        yield from ()

    def networks(self, setting: Setting) -> int | None:
        """The number K of networks whose logits (n, K, k) it leaves; 0 of one network: (n, k).

        None where that is not known before training, and so nothing is refused for it.
        """
        return None

    def beside(self, other: "Method") -> bool:
        """Whether both can be trained in one go, as ``train_together`` does."""
        return False

    @classmethod
    def train_together(cls, bench: Bench, methods: Sequence["Method"]) -> list[Classifier]:
        """Train methods that are ``beside`` one another."""
        return [each.train(bench) for each in methods]

    @classmethod
    def trainings(cls, setting: Setting, methods: Sequence["Method"]) -> int:
        """Into how many trainings, none of which waits for another, these fall in one go."""
        return len(methods) if cls.trains else 0


class Measure(ABC):
    """What is measured of trained methods: a frozen dataclass of its settings."""

    @abstractmethod
    def of(
        self, bench: Bench, trained: Mapping[str, Classifier]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Values by method and measure, as the row of a run holds them.

        Args:
            trained: Classifiers by the names of their methods.
        """

    def check(self, setting: Setting) -> None:
        """Refuse a setting in which this cannot be measured.

        Raises:
            ValueError: If it cannot.
        """


def with_needs(methods: Sequence[Method]) -> list[Method]:
    """The methods and all that they build on, each once, what is built on first."""
    found: dict[Method, None] = {}
    for method in methods:
        found |= dict.fromkeys(with_needs(list(method.needs())))
        found[method] = None
    return list(found)
