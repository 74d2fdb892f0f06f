"""Specialists beside a generalist (Hinton, Vinyals & Dean, arXiv 1503.02531, Section 5)."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Logits, Method
from multiview.bench.setting import Setting
from multiview.bench.types import Fitted
from multiview.distill.combination import Specialist, combine
from multiview.distill.specialists import (
    corrected,
    specialist_from,
    specialist_labels,
    specialist_rows,
)
from multiview.methods.averaging import Member
from multiview.methods.class_sets import ClassSets
from multiview.methods.networks import optional_count
from multiview.models import PatchNet, SingleMember


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedSpecialist:
    """A specialist after training.

    Attributes:
        logits: Of its classes and, last, its dustbin.
        oversampling: By which factor the odds of its classes exceeded the natural ones.
    """

    classes: list[int]
    logits: Logits
    oversampling: float


class Answers:
    """Trained specialists by themselves, as a function of inputs."""

    def __init__(self, specialists: Sequence[TrainedSpecialist], num_classes: int) -> None:
        self.specialists, self.num_classes = specialists, num_classes

    def each(self, ask: Callable[[Logits], Tensor]) -> list[Specialist]:
        """The classes and corrected logits of each.

        Args:
            ask: From a function of inputs to its logits on the inputs that all are asked about.
        """
        return [
            (one.classes, corrected(ask(one.logits), one.oversampling)) for one in self.specialists
        ]

    def __call__(self, inputs: Tensor) -> Float[Tensor, "n k"]:
        """The logits of their classes above their dustbins'; 0 of a class that none of them has."""
        logits = inputs.new_zeros(len(inputs), self.num_classes)
        for classes, answer in self.each(lambda ask: ask(inputs)):
            logits[:, classes] = (answer[:, :-1] - answer[:, -1:]).to(logits)
        return logits


class Combined:
    """A generalist with specialists, as a function of inputs."""

    def __init__(self, generalist: Logits, answers: Answers, top: int) -> None:
        self.generalist, self.answers, self.top = generalist, answers, top

    def __call__(self, inputs: Tensor) -> Float[Tensor, "n k"]:
        """The logits that fit all whose classes hold one of the generalist's ``top`` best."""
        answers = self.answers.each(lambda ask: ask(inputs))
        return combine(self.generalist(inputs), answers, self.top)


@dataclass(frozen=True, kw_only=True)
class Specialists(Method):
    """Networks that each tell a few classes apart, from one another and from all the rest.

    They leave the logits of their classes above their dustbins', and note how many they are.

    Attributes:
        of: The generalist.
        smallest: Sets of fewer classes have no specialist.
        fresh: Whether they start anew, and are then trained as generalists are; else they start
            from the generalist and take the steps of students.

    Raises:
        ValueError: If ``smallest`` is no integer >= 0, or ``fresh`` neither True nor False.
    """

    of: Member = Member()
    sets: ClassSets
    smallest: int = 1
    fresh: bool = False

    def __post_init__(self) -> None:
        checks.count("smallest", self.smallest, 0, meaning="counts classes of a set")
        checks.flag("fresh", self.fresh)

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def check(self, setting: Setting) -> None:
        """Refuse sets of classes that the setting does not have.

        Raises:
            ValueError: If the setting does not have them.
        """
        self.sets.check(setting)

    def chosen(self, bench: Bench) -> list[list[int]]:
        """The sets that have a specialist."""
        return [each for each in self.sets.of(bench, self.of) if len(each) >= self.smallest]

    def train(self, bench: Bench) -> Classifier:
        """The specialists, one after the other."""
        sets = self.chosen(bench)
        found = [self._specialist(bench, classes, i, len(sets)) for i, classes in enumerate(sets)]
        answers = Answers([one for one, _ in found], bench.num_classes)
        notes = {"specialists": len(sets), **averaged([fitted.notes for _, fitted in found])}
        return Classifier(logits=answers, notes=notes)

    def _specialist(
        self, bench: Bench, classes: list[int], i: int, number: int
    ) -> tuple[TrainedSpecialist, Fitted]:
        """Train the ``i``-th specialist on samples of its classes and as many others."""
        k, member = bench.num_classes, self.of.index
        drawn = bench.stream("specialist rows", member, i)
        taken = specialist_rows(bench.labels, classes, k, drawn)
        labels = specialist_labels(bench.labels[taken.rows], classes, k)

        def report(message: str, fraction: float) -> None:
            bench.report(f"specialist {i + 1} of {number}: {message}", (i + fraction) / number)

        own = bench.on(bench.inputs[taken.rows], labels, report)
        if self.fresh:
            start = with_fewer_classes(bench.one(f"specialist {member} {i}"), classes)
        else:
            generalist = bench.trained(self.of).net
            assert generalist is not None
            start = specialist_of(generalist, classes)
        fitted = own.fit_one(start, course="labels" if self.fresh else "students")
        logits = bench.frozen(fitted.net)
        specialist = TrainedSpecialist(
            classes=classes, logits=logits, oversampling=taken.oversampling
        )
        return specialist, fitted


@dataclass(frozen=True, kw_only=True)
class WithSpecialists(Method):
    """A generalist with its specialists, combined as in Section 5.4.

    Attributes:
        top: Consulted are those whose classes hold one of the generalist's so many best; None: all.

    Raises:
        ValueError: If ``top`` is no integer >= 1.
    """

    trains = False
    of: Specialists
    top: int | None = 1

    def __post_init__(self) -> None:
        optional_count("top", self.top, meaning="counts the generalist's best classes")

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """The combination; nothing is trained."""
        answers = bench.trained(self.of)
        assert isinstance(answers.logits, Answers)
        generalist = bench.trained(self.of.of).logits
        top = self.top or bench.num_classes
        return Classifier(
            logits=Combined(generalist, answers.logits, top),
            notes={"specialists": answers.notes["specialists"]},
        )


def averaged(notes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number that trainings noted."""
    names = notes[0] if notes else {}
    return {name: sum(each[name] for each in notes) / len(notes) for name in names}


def specialist_of(generalist: nn.Module, classes: Sequence[int]) -> nn.Module:
    """A network that starts from a generalist: an output for each of the classes and a dustbin.

    Args:
        generalist: A single patch network, or a module whose last linear layer gives the logits.
    """
    if isinstance(generalist, SingleMember) and isinstance(generalist.net, PatchNet):
        return patch_specialist_from(generalist.net, classes).single()
    copied = copy.deepcopy(generalist)
    head = [part for part in copied.modules() if isinstance(part, nn.Linear)][-1]
    return specialist_from(copied, head, classes)


def with_fewer_classes(net: nn.Module, classes: Sequence[int]) -> nn.Module:
    """An untrained network with outputs for the classes and a dustbin alone."""
    if isinstance(net, SingleMember) and isinstance(net.net, PatchNet):
        return net.net.with_weight(net.net.weight[:, : len(classes) + 1]).single()
    return specialist_of(net, classes)


def patch_specialist_from(generalist: PatchNet, classes: Sequence[int]) -> PatchNet:
    """A PatchNet whose last class, the dustbin, has neurons of all classes but ``classes``.

    As many as any class has: the largest neuron of each such class, those of the largest first,
    then the second largest, and so on.

    Args:
        generalist: One network.
    """
    (weight,) = generalist.weight.detach()  # (k, m, d)
    rest = [i for i in range(len(weight)) if i not in classes]
    size = weight[rest].norm(dim=-1)  # (rest, m)
    rank = size.argsort(1, descending=True)
    ranked = weight[rest].take_along_dim(rank.unsqueeze(-1), 1)
    by_size = size.amax(1).argsort(descending=True)
    neurons = ranked[by_size].transpose(0, 1).flatten(0, 1)[: weight.shape[1]]
    chosen = torch.cat([weight[list(classes)], neurons.unsqueeze(0)])
    return generalist.with_weight(chosen.unsqueeze(0))
