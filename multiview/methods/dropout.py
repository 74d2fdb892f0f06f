"""Dropout in training, the mean over its masks, and a student of them."""

from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from torch import Tensor, nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting
from multiview.bench.types import Course, DropoutKind
from multiview.data.augment import hide
from multiview.distill import dropout_distillation, monte_carlo
from multiview.methods.networks import optional_count
from multiview.train import OptimSpec
from multiview.train.stochastic import without_dropout


@dataclass(frozen=True, kw_only=True)
class Dropout(Method):
    """A network of the first member's start, trained with dropout and tested without.

    Attributes:
        kind: Which units are dropped: hidden "neuron"s, or whole "patch"es of the input.
        rate: Probability of each to be dropped; None: those of the networks' own layers.
        number: None: one network, (n, k); else as many of the members' starts, (n, number, k).

    Raises:
        ValueError: If there is no such ``kind``, ``rate`` is not in [0, 1), or ``number`` is no
            integer >= 1.
    """

    kind: DropoutKind = "neuron"
    rate: float | None = 0.25
    number: int | None = None

    def __post_init__(self) -> None:
        checks.choice("kind", self.kind, get_args(DropoutKind))
        if self.rate is not None:
            checks.drop_probability("rate", self.rate)
        optional_count("number", self.number, meaning="counts networks")

    def networks(self, setting: Setting) -> int:
        """As many as are asked for."""
        return self.number or 0

    def check(self, setting: Setting) -> None:
        """Refuse dropout that the networks cannot have.

        Raises:
            ValueError: If the networks cannot have it, or are trained without minibatches.
        """
        setting.check_sgd("Dropout")
        setting.check_dropout(self.kind, self.rate)

    def train(self, bench: Bench) -> Classifier:
        """Train the network, or several side by side."""
        net = bench.dropout_net("members", self.kind, self.rate, self.number)
        return bench.classifier(bench.fit_one(net, order="members"))


@dataclass(frozen=True, kw_only=True)
class Masks(Method):
    """The mean probabilities over random masks of a network trained with dropout.

    Attributes:
        of: Of several networks the first is taken.
        number: Of masks, for each input.

    Raises:
        ValueError: If ``number`` is no integer >= 1.
    """

    trains = False
    of: Dropout
    number: int = 50

    def __post_init__(self) -> None:
        checks.count("number", self.number, meaning="counts masks")

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """The mean; nothing is trained."""
        masks = bench.stream("masks", self.of.kind)
        return Classifier(
            logits=monte_carlo(first_of(bench, self.of), self.number, generator=masks)
        )


@dataclass(frozen=True, kw_only=True)
class MaskStudent(Method):
    """A network without dropout, taught by random masks of another (Rota Bulo et al., ICML 2016).

    Attributes:
        of: Of several networks the first is the teacher.
        start: Name of the initial weights; None: the teacher's, once it is trained.
        hidden: Fraction of the patches, or pixels, that are 0 in what it is taught on.
        optim: None: that of all students.
        draw: Students of other draws see the inputs in another order, with other masks.

    Raises:
        ValueError: If ``hidden`` is not in [0, 1), or there is no such ``course``.
    """

    of: Dropout
    start: str | None = None
    hidden: float = 0.0
    course: Course = "students"
    optim: OptimSpec | None = None
    draw: int = 0

    def __post_init__(self) -> None:
        checks.fraction("hidden", self.hidden, "[0, 1)")
        checks.choice("course", self.course, get_args(Course))

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """Train the student."""
        teacher = first_of(bench, self.of)
        student = without_dropout(teacher) if self.start is None else self.untrained(bench)
        bench.fit_once([student], lambda: self._teach(bench, student, teacher))
        return Classifier(logits=bench.frozen(student), net=student)

    def _teach(self, bench: Bench, student: nn.Module, teacher: nn.Module) -> None:
        settings: dict[str, Any] = bench.training(self.course)
        if self.optim is not None:
            settings["spec"] = self.optim
        if self.draw:
            settings["generator"] = bench.stream("draw", self.draw)
        if self.hidden:
            settings["augment"] = partial(hide, fraction=self.hidden)
        dropout_distillation(student, teacher, self.inputs(bench), **settings)

    def untrained(self, bench: Bench) -> nn.Module:
        """A student of a start of its own."""
        assert self.start is not None
        return bench.one(self.start)

    def inputs(self, bench: Bench) -> Tensor:
        """The inputs on which the student is trained."""
        return bench.inputs


def first_of(bench: Bench, method: Dropout) -> nn.Module:
    """The network that a method trained, or the first of several."""
    net = bench.trained(method).net
    assert net is not None
    return net if method.number is None else bench.member(net, 0)
