"""Networks on labels, their ensemble, and networks trained as their sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Logits, Method
from multiview.bench.setting import Setting
from multiview.bench.types import Course
from multiview.distill import averaged_logits
from multiview.distill.teachers import Average
from multiview.methods.networks import a_method, at_most, optional_count, several, single


@dataclass(frozen=True, kw_only=True)
class Members(Method):
    """K networks on labels, alike but for their initial weights: logits (n, K, k).

    Attributes:
        number: K; None: as many as the setting says.

    Raises:
        ValueError: If ``number`` is no integer >= 1.
    """

    number: int | None = None
    start: str = "members"

    def __post_init__(self) -> None:
        optional_count("number", self.number, meaning="counts networks")

    def networks(self, setting: Setting) -> int:
        """As many as are asked for."""
        return self.number or setting.members

    @classmethod
    def trainings(cls, setting: Setting, methods: Sequence[Method]) -> int:
        """As many networks at once as the setting says."""
        networks = [each.networks(setting) or 0 for each in methods]
        return sum(setting.trainings(number, "labels") for number in networks)

    def train(self, bench: Bench) -> Classifier:
        """The networks, each by itself."""
        nets = bench.group(self.start, self.number or bench.members)
        fitted = bench.fit_one(nets, order="members")
        return bench.classifier(fitted)


@dataclass(frozen=True, kw_only=True)
class Member(Method):
    """One of several networks by itself.

    Attributes:
        index: Its place among them, from 0.
        of: A method that leaves logits (n, K, k) and the networks.

    Raises:
        ValueError: If ``of`` is no method, or ``index`` no integer >= 0.
    """

    trains = False
    index: int = 0
    of: Method = Members()

    def __post_init__(self) -> None:
        a_method("of", self.of)
        checks.count("index", self.index, 0, meaning="is the place of a network")

    def check(self, setting: Setting) -> None:
        """Refuse a place where there is no network.

        Raises:
            ValueError: If there is none at ``index``, or the other method leaves a single network.
        """
        number = several("of", self.of, setting)
        if number is not None and self.index >= number:
            raise ValueError(
                f"index={self.index} of {number} networks: use 0 to {number - 1}, or more networks."
            )

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """A copy of that network; nothing is trained.

        Raises:
            ValueError: If the other method leaves no networks.
        """
        members = bench.trained(self.of)
        if members.net is None:
            raise ValueError(f"of={self.of} leaves no networks: name a method such as Members().")
        net, best = bench.member(members.net, self.index), members.best
        return Classifier(
            logits=bench.frozen(net),
            net=net,
            best=None if best is None else lambda inputs: best(inputs)[:, self.index],
        )


@dataclass(frozen=True, kw_only=True)
class Labels(Method):
    """A network of the students' start on labels alone, for as many steps as students take.

    Attributes:
        course: Settings of the trainer; "labels": those of networks that teach.

    Raises:
        ValueError: If there is no such ``course``.
    """

    start: str = "student"
    course: Course = "students"

    def __post_init__(self) -> None:
        checks.choice("course", self.course, get_args(Course))

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """Train the network."""
        return bench.classifier(bench.fit_one(bench.one(self.start), course=self.course))


@dataclass(frozen=True, kw_only=True)
class Ensemble(Method):
    """The mean of several networks' logits, or the logits of their mean probabilities.

    Attributes:
        of: A method that leaves logits (n, K, k).
        size: Of the first so many networks, 1 to K; None: of all.
        average: Which mean is taken.
        temperature: T of the probabilities, which for a teacher is that of the student's loss.

    Raises:
        ValueError: If ``of`` is no method, ``size`` is no integer >= 1, there is no such
            ``average``, or ``temperature`` is not from 1e-6 to 1e6.
    """

    trains = False
    of: Method = Members()
    size: int | None = None
    average: Average = "logits"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        a_method("of", self.of)
        optional_count("size", self.size, meaning="counts networks of an ensemble")
        checks.choice("average", self.average, get_args(Average))
        checks.temperature("temperature", self.temperature)

    def check(self, setting: Setting) -> None:
        """Refuse a mean over one network, and one over more networks than there are.

        Raises:
            ValueError: If the mean is one of these.
        """
        at_most(self.size, several("of", self.of, setting))

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """The mean; nothing is trained."""
        members = bench.trained(self.of)
        best = None if members.best is None else partial(self._mean, members.best)
        return Classifier(logits=partial(self._mean, members.logits), best=best)

    def _mean(self, members: Logits, inputs: Tensor) -> Float[Tensor, "n k"]:
        """The mean over the networks."""
        return averaged_logits(members(inputs)[:, : self.size], self.average, self.temperature)


@dataclass(frozen=True, kw_only=True)
class Neighbours(Method):
    """For each of several networks the next one, the first for the last: logits (n, K, k).

    The teachers of self-distillation in which every network is taught by another.
    """

    trains = False
    of: Method = Members()

    def check(self, setting: Setting) -> None:
        """Refuse one network, which has no neighbour.

        Raises:
            ValueError: If the other method leaves a single network.
        """
        several("of", self.of, setting)

    def networks(self, setting: Setting) -> int | None:
        """As many as there are."""
        return self.of.networks(setting)

    def train(self, bench: Bench) -> Classifier:
        """The same networks in another order; nothing is trained."""
        members = bench.trained(self.of).logits
        return Classifier(logits=lambda inputs: members(inputs).roll(-1, dims=1))


@dataclass(frozen=True, kw_only=True)
class Summed(Method):
    """Networks that are trained as one, by the gradient of the sum of their logits: (n, k).

    Attributes:
        number: Of the networks; None: as many as the setting says.

    Raises:
        ValueError: If ``number`` is no integer >= 1.
    """

    number: int | None = None

    def __post_init__(self) -> None:
        optional_count("number", self.number, meaning="counts networks")

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """Train the sum as one network."""
        nets = bench.summed("sum", self.number or bench.members)
        fitted = bench.fit_one(nets, order="sum")
        return bench.classifier(fitted)


@dataclass(frozen=True, kw_only=True)
class Group(Method):
    """Several methods, logits (n, k) each, as the networks of a group: logits (n, number, k).

    Of their notes those that are numbers are averaged.

    Raises:
        ValueError: If ``of`` is no tuple, or empty.
    """

    trains = False
    of: tuple[Method, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.of, tuple) or not self.of:
            raise ValueError(f"of={self.of!r} holds the methods of a group: use a tuple of some.")

    def check(self, setting: Setting) -> None:
        """Refuse a method that leaves several networks.

        Raises:
            ValueError: If one of the methods does.
        """
        for i, each in enumerate(self.of):
            single(f"of[{i}]", each, setting)

    def networks(self, setting: Setting) -> int:
        """One of each method."""
        return len(self.of)

    def train(self, bench: Bench) -> Classifier:
        """The group; nothing more is trained."""
        parts = [bench.trained(each) for each in self.of]
        notes = {
            name: sum(part.notes[name] for part in parts) / len(parts)
            for name, value in parts[0].notes.items()
            if isinstance(value, int | float)
        }
        return Classifier(
            logits=lambda inputs: torch.stack([part.logits(inputs) for part in parts], 1),
            notes=notes,
        )


@dataclass(frozen=True, kw_only=True)
class RingEnsembles(Method):
    """Ensembles of a size: each of K networks with those that follow it, the first after the last.

    Logits (n, K, k). Every network is in equally many of them, so that their mean error costs K
    averages instead of one for each choice of networks.

    Attributes:
        of: A method that leaves logits (n, K, k).
        size: Of each ensemble, 1 to K.

    Raises:
        ValueError: If ``size`` is no integer >= 1.
    """

    trains = False
    of: Method = Members()
    size: int = 2

    def __post_init__(self) -> None:
        checks.count("size", self.size, meaning="counts networks of an ensemble")

    def check(self, setting: Setting) -> None:
        """Refuse ensembles of one network, and of more networks than there are.

        Raises:
            ValueError: If the ensembles are such.
        """
        at_most(self.size, several("of", self.of, setting))

    def networks(self, setting: Setting) -> int | None:
        """As many ensembles as networks."""
        return self.of.networks(setting)

    def train(self, bench: Bench) -> Classifier:
        """The means; nothing is trained."""
        members = bench.trained(self.of)

        def means(inputs: Tensor) -> Float[Tensor, "n K k"]:
            logits = members.logits(inputs)
            at_most(self.size, logits.shape[1])
            return torch.stack([logits.roll(-i, 1) for i in range(self.size)]).mean(0)

        return Classifier(logits=means)
