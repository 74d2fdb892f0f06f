"""Bench: one draw of training samples, and the methods trained on them, each once."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from multiview.bench.method import Classifier, Logits, Method, with_needs
from multiview.bench.nets import NetSpec
from multiview.bench.schedule import groups
from multiview.bench.trainings import Left, Trainings, load_states, states_of
from multiview.bench.types import Context, Course, DropoutKind, Fitted, Gram, SoftTargets
from multiview.distill import KDLoss
from multiview.rng import stream
from multiview.train import frozen
from multiview.train.loop import Loss


class Bench(ABC):
    """One draw of everything random of a setting, on which methods are trained.

    Attributes:
        inputs, labels: The training samples.
        members: K, the number of networks of an ensemble where a method does not say.
        side_by_side: Whether methods that may be trained in one go are.
        minibatches: Whether steps are taken on some of the samples, so many an epoch.
        trainings: What trainings leave; shared with the benches made from this one.
    """

    inputs: Shaped[Tensor, "n ..."]
    labels: Int[Tensor, " n"]
    num_classes: int
    members: int
    side_by_side: bool = False
    minibatches: bool = True

    def __init__(self, setting: Any, seed: int, context: Context) -> None:
        self.seed, self.context = seed, context
        self._done: dict[Method, Classifier] = {}
        self._wanted: list[Method] = []
        self._now: Method | None = None
        self._as_set = True  # the samples are those of the setting
        scratch = context.scratch
        resumed = scratch is not None and any(scratch.glob("*.pt"))
        self.trainings = Trainings(setting, seed, context, resumed)

    def plan(self, methods: Sequence[Method]) -> None:
        """Announce the methods, so that progress counts them and like ones train together."""
        self._wanted = with_needs(methods)

    def trained(self, method: Method) -> Classifier:
        """The classifier that the method trains; equal methods are trained once."""
        for group in groups(method, self._done, self._wanted, self.side_by_side):
            self.train(group)
        return self._done[method]

    def train(self, methods: Sequence[Method]) -> None:
        """Train methods in one go, which all that they need has been trained for."""
        kind, self._now = type(methods[0]), methods[0]
        with self.trainings.of(methods, self._as_set):
            several = bool(methods[1:])
            found = kind.train_together(self, methods) if several else [methods[0].train(self)]
        self._done |= dict(zip(methods, found, strict=True))

    def is_trained(self, method: Method) -> bool:
        """Whether this method, or one equal to it, has been trained here."""
        return method in self._done

    def report(self, message: str, fraction: float) -> None:
        """Progress of the method that is being trained."""
        total = max(1, len(self._wanted))
        done = min(len(self._done) + fraction, total) / total
        self.context.progress(f"{type(self._now).__name__}: {message}", done)

    def on(
        self,
        inputs: Shaped[Tensor, "m ..."],
        labels: Int[Tensor, " m"],
        report: Callable[..., None] | None = None,
        known: Mapping[Method, Classifier] = MappingProxyType({}),
    ) -> "Bench":
        """A bench of this setting with other training samples.

        There are no validation samples, as their classes might be others.

        Args:
            report: ``report(message, fraction)`` of its progress; None: as this bench reports.
            known: What methods have left that count as trained there.
        """
        other: Any = copy.copy(self)
        other.inputs, other.labels = inputs, labels
        other._done, other._wanted, other._as_set = dict(known), [], False
        # Tests of what it trains are asked of this bench, which knows how exact they have to be.
        other.report, other.frozen = report or self.report, self.frozen
        return other

    def copied(self) -> "Bench":
        """A bench that knows what has been trained here, and whose own trainings this does not."""
        other = copy.copy(self)
        other._done, other._as_set = dict(self._done), False
        return other

    def with_samples(self, rows: Int[Tensor, " m"]) -> "Bench":
        """The bench with some of its training samples alone, trained for about as many steps."""
        other = self.copied()
        if self.minibatches:
            rows = rows.repeat(max(1, round(len(self.labels) / len(rows))))
        rows = rows.to(self.labels.device)
        other.inputs, other.labels = self.inputs[rows], self.labels[rows]
        return other

    def stream(self, *names: Any) -> torch.Generator:
        """Generator of this repetition's draws of this name."""
        return stream(self.seed, *names)

    def frozen(self, net: nn.Module) -> Logits:
        """The network as a function of inputs, in eval mode and without gradients."""
        return frozen(net)

    def outputs(
        self, logits: Logits, inputs: Shaped[Tensor, "n ..."]
    ) -> Float[Tensor, "n *networks k"]:
        """Logits of many inputs for a test, some at a time."""
        with torch.no_grad():
            return torch.cat([logits(part) for part in inputs.split(500)])

    @abstractmethod
    def one(self, name: str, index: int = 0) -> nn.Module:
        """An untrained network, (n, ...) -> (n, k); those of another name start elsewhere."""

    @abstractmethod
    def group(self, name: str, number: int) -> nn.Module:
        """As many untrained networks side by side, (n, ...) -> (n, number, k)."""

    @abstractmethod
    def summed(self, name: str, number: int) -> nn.Module:
        """As many untrained networks as one classifier, the sum of their logits (n, k)."""

    @abstractmethod
    def member(self, group: nn.Module, index: int) -> nn.Module:
        """A copy of one network of a group, (n, ...) -> (n, k)."""

    @abstractmethod
    def dropout_net(
        self, name: str, kind: DropoutKind, rate: float | None, number: int | None = None
    ) -> nn.Module:
        """An untrained network with dropout, (n, ...) -> (n, k), or several side by side.

        Args:
            rate: None: those of the networks themselves.
            number: None: one by itself.
        """

    @abstractmethod
    def gated(self, net: nn.Module, dropout: float | tuple[float, ...]) -> nn.Module:
        """A copy of a network with hard-concrete gates.

        Args:
            dropout: Rate at which the gates of all layers start, or of each.
        """

    @abstractmethod
    def pair(
        self, shared: int, boosters: int, start: str, width: int | None
    ) -> tuple[nn.Module, list[nn.Module]]:
        """An untrained light network of the students' start, and its boosters.

        Args:
            shared: How much of the light network is its booster's too.
            start: Name of the boosters' initial weights.
            width: Of the boosters; None: as the light network's.
        """

    @abstractmethod
    def tangent_gram(self, net: nn.Module) -> Gram:
        """The tangent kernel of one network as it is, of pairs of inputs."""

    @abstractmethod
    def kernel_networks(self, number: int, width: int | None, scale: float | None) -> list:
        """Untrained networks whose tangent kernels are taken.

        Args:
            width: Of each; None: as of other networks here.
            scale: Standard deviation of initial weights, likewise.
        """

    def with_net(self, net: NetSpec) -> "Bench":
        """The bench with networks of another kind; what has been trained stays known.

        Raises:
            ValueError: If networks here are of one kind alone.
        """
        raise ValueError(f"net={net}: networks on a {type(self).__name__} are of one kind.")

    @abstractmethod
    def loss(self, soft: SoftTargets | None) -> Loss:
        """Cross-entropy with the labels, and what is taught beside it, as ``fit`` takes it."""

    @abstractmethod
    def training(self, course: Course = "students", order: str = "student") -> dict[str, Any]:
        """Settings of procedures that train by themselves: ``spec``, ``generator`` and so on."""

    @abstractmethod
    def fit(
        self,
        nets: Sequence[nn.Module],
        soft: Sequence[SoftTargets | None],
        course: Course = "labels",
        order: str = "student",
    ) -> list[Fitted]:
        """Train networks, or groups of them, on the labels and what each is taught beside them.

        Args:
            soft: One of each network, None where it learns from labels alone.
            order: Name of the order in which samples are met, where there is one.
        """

    def once(self, train: Callable[[], Left]) -> Left:
        """What a training leaves, which may have been done elsewhere: how methods train.

        Args:
            train: Trains, and returns tensors from which all else follows; its outcome may be taken
                from elsewhere instead.
        """
        return self.trainings.once(train)

    def fit_once(self, nets: Sequence[nn.Module], train: Callable[[], Left | None]) -> Left:
        """Networks in the states in which a training leaves them; they are changed in place.

        Args:
            train: Trains these networks in place; may return what it leaves beside them.
        """

        def trained() -> Left:
            beside = train() or {}
            return {**states_of(nets), **beside}

        left = self.once(trained)
        self.restore(nets, left)
        return left

    def restore(self, nets: Sequence[nn.Module], left: Left) -> None:
        """Give networks the states that ``states_of`` took, if ``left`` is not empty."""
        if left:
            load_states(nets, left)
        for net in nets:
            self.prepare(net)

    def prepare(self, net: nn.Module) -> None:
        """Put a network into the memory format of trainings, which its outputs' rounding shows."""

    def classifier(self, fitted: Fitted) -> Classifier:
        """A network that was trained, as what a method leaves."""
        return Classifier(
            logits=self.frozen(fitted.net),
            net=fitted.net,
            best=fitted.best,
            midway=fitted.midway,
            notes=fitted.notes,
            curve=fitted.curve,
        )

    def fit_one(self, net: nn.Module, soft: SoftTargets | None = None, **settings: Any) -> Fitted:
        """Train one network, or one group, as ``fit`` does."""
        (fitted,) = self.fit([net], [soft], **settings)
        return fitted

    def soft_targets(self, teacher: Method, kd_loss: KDLoss, **settings: Any) -> SoftTargets:
        """Soft targets of a trained method.

        Args:
            settings: Other fields of ``SoftTargets``.
        """
        return SoftTargets(teacher=self.trained(teacher).logits, kd_loss=kd_loss, **settings)
