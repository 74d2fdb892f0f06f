"""Networks on labels, their ensemble, and networks trained as their sum."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Logits, Method
from multiview.bench.types import Course
from multiview.distill import averaged_logits
from multiview.distill.teachers import Average
from multiview.ensemble import mean_logits


@dataclass(frozen=True, kw_only=True)
class Members(Method):
    """K networks on labels, alike but for their initial weights: logits (n, K, k).

    Attributes:
        number: K; None: as many as the setting says.
    """

    number: int | None = None
    start: str = "members"

    def train(self, bench: Bench) -> Classifier:
        """The networks, each by itself."""
        nets = bench.group(self.start, self.number or bench.members)
        fitted = bench.fit_one(nets, order="members")
        return bench.classifier(fitted)


@dataclass(frozen=True, kw_only=True)
class Member(Method):
    """One of several networks by itself."""

    index: int = 0
    of: Method = Members()

    def train(self, bench: Bench) -> Classifier:
        """A copy of that network; nothing is trained."""
        members = bench.trained(self.of)
        assert members.net is not None
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
    """

    start: str = "student"
    course: Course = "students"

    def train(self, bench: Bench) -> Classifier:
        """Train the network."""
        return bench.classifier(bench.fit_one(bench.one(self.start), course=self.course))


@dataclass(frozen=True, kw_only=True)
class Ensemble(Method):
    """The mean of several networks' logits, or the logits of their mean probabilities.

    Attributes:
        of: A method that leaves logits (n, K, k).
        size: Of the first so many networks; None: of all.
        average: Which mean is taken.
        temperature: T of the probabilities, which for a teacher is that of the student's loss.
    """

    of: Method = Members()
    size: int | None = None
    average: Average = "logits"
    temperature: float = 1.0

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

    of: Method = Members()

    def train(self, bench: Bench) -> Classifier:
        """The same networks in another order; nothing is trained."""
        members = bench.trained(self.of).logits
        return Classifier(logits=lambda inputs: members(inputs).roll(-1, dims=1))


@dataclass(frozen=True, kw_only=True)
class Summed(Method):
    """As many networks as members, trained as one by the gradient of the sum of their logits."""

    number: int | None = None

    def train(self, bench: Bench) -> Classifier:
        """Train the sum as one network."""
        nets = bench.summed("sum", self.number or bench.members)
        fitted = bench.fit_one(nets, order="sum")
        return bench.classifier(fitted)


@dataclass(frozen=True, kw_only=True)
class MeanOf(Method):
    """The mean of the logits of several methods, (n, k) each."""

    of: tuple[Method, ...]

    def train(self, bench: Bench) -> Classifier:
        """The mean; nothing is trained."""
        parts = [bench.trained(each).logits for each in self.of]
        return Classifier(
            logits=lambda inputs: mean_logits(torch.stack([part(inputs) for part in parts], 1))
        )


@dataclass(frozen=True, kw_only=True)
class Group(Method):
    """Several methods, logits (n, k) each, as the networks of a group: logits (n, number, k).

    Of their notes those that are numbers are averaged.
    """

    of: tuple[Method, ...]

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
    """

    of: Method = Members()
    size: int = 2

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size={self.size} counts networks of an ensemble: use at least 1.")

    def train(self, bench: Bench) -> Classifier:
        """The means; nothing is trained."""
        members = bench.trained(self.of)

        def means(inputs: Tensor) -> Float[Tensor, "n K k"]:
            logits = members.logits(inputs)
            if self.size > logits.shape[1]:
                raise ValueError(
                    f"size={self.size}: there are {logits.shape[1]} networks, use at most as many."
                )
            return torch.stack([logits.roll(-i, 1) for i in range(self.size)]).mean(0)

        return Classifier(logits=means)
