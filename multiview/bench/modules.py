"""Networks of any kind on samples of any kind: the bench of images and of a user's own data."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.bench.bench import Bench
from multiview.bench.best_states import BestState, best_states, left_by
from multiview.bench.method import Logits
from multiview.bench.module_setting import ModuleSetting
from multiview.bench.nets import NetSpec
from multiview.bench.side_by_side import (
    Learner,
    draws,
    side_by_side_loss,
    single_networks,
    teacher_of,
    together,
)
from multiview.bench.trainings import Left, part_of, slices
from multiview.bench.types import (
    Context,
    Course,
    DropoutKind,
    Fitted,
    Gram,
    SoftTargets,
    check_strays,
)
from multiview.data.splits import Samples, Splits
from multiview.distill.distillation_loss import Teacher
from multiview.models import SideBySide, SumOfNets
from multiview.ntk import gram
from multiview.sparsity import with_gates
from multiview.train import (
    Checkpoint,
    ComputeSpec,
    error_score,
    fit,
    frozen,
)
from multiview.train.loop import Loss

Build = Callable[[torch.Generator], nn.Module]
# From how much is shared and initial weights to a light network and its booster.
BuildPair = Callable[[int, torch.Generator], tuple[nn.Module, nn.Module]]


class ModuleBench(Bench):
    """One draw of samples, and networks that a function builds.

    Attributes:
        samples: To train, to choose and to test on.
        build: From a generator of initial weights to an untrained network, (n, ...) -> (n, k).
        build_pair: The same of networks that come with a booster, which may share layers.
    """

    def __init__(
        self,
        setting: ModuleSetting,
        samples: Samples,
        build: Build,
        seed: int,
        context: Context,
        build_pair: BuildPair | None = None,
    ) -> None:
        super().__init__(setting, seed, context)
        self.build_pair = build_pair
        self.setting, self.samples, self.build = setting, samples, build
        self.inputs, self.labels = samples.train, samples.train_labels
        self.num_classes, self.members = samples.num_classes, setting.members
        self.side_by_side = setting.side_by_side
        self._arithmetic = SimpleNamespace(exact=False)  # shared by benches made from this one

    def on(self, inputs: Tensor, labels: Tensor, *how: Any, **given: Any) -> "ModuleBench":
        """A bench of this setting with other training samples and no validation samples."""
        other: Any = super().on(inputs, labels, *how, **given)  # of this class
        other.samples = replace(
            self.samples,
            train=inputs,
            train_labels=labels,
            validation=self.samples.validation[:0],
            validation_labels=self.samples.validation_labels[:0],
        )
        return other

    def frozen(self, net: nn.Module) -> Logits:
        """The network's outputs: as fast as training has them for students, exact in tests.

        Rounded to bfloat16 the two best of 100 logits are equal in 2% of images, and a tie counts
        as an error.
        """
        compute = self.setting.recipe.compute
        fast, exact = frozen(net, compute), frozen(net, exact_arithmetic(compute))
        return lambda inputs: (exact if self._arithmetic.exact else fast)(inputs)

    def outputs(self, logits: Logits, inputs: Tensor) -> Tensor:
        """Logits in float32, on the CPU."""
        before, self._arithmetic.exact = self._arithmetic.exact, True
        try:
            return super().outputs(logits, inputs).cpu()
        finally:
            self._arithmetic.exact = before

    def with_net(self, net: NetSpec) -> "ModuleBench":
        """The bench with networks of this kind, which images allow."""
        if not isinstance(self.samples, Splits):
            raise ValueError(f"net={net} is one for images: use an ImageSetting.")
        other: Any = self.copied()  # of this class
        other.build = partial(net.build, self.samples)
        return other

    def one(self, name: str, index: int = 0) -> nn.Module:
        """One untrained network, the ``index``-th of its name."""
        return self.build(self.stream("init", name, index))

    def group(self, name: str, number: int) -> nn.Module:
        """Untrained networks side by side."""
        return SideBySide([self.one(name, i) for i in range(number)])

    def summed(self, name: str, number: int) -> nn.Module:
        """Untrained networks as one module, their sum."""
        return SumOfNets([self.one(name, i) for i in range(number)])

    def member(self, group: nn.Module, index: int) -> nn.Module:
        """A copy of one network of a group."""
        assert isinstance(group, SideBySide)
        return copy.deepcopy(group.nets[index])

    def dropout_net(
        self, name: str, kind: DropoutKind, rate: float | None, number: int | None = None
    ) -> nn.Module:
        """Networks whose own dropout layers have this rate.

        Raises:
            ValueError: If they have none.
        """
        net = self.one(name) if number is None else self.group(name, number)
        layers = [each for each in net.modules() if isinstance(each, nn.Dropout)]
        if not layers:
            raise ValueError(
                f"{type(single_networks(net)[0]).__name__} has no dropout layer: choose a network "
                "that has one, such as Quick or Dense."
            )
        for each in layers:
            each.p = each.p if rate is None else rate
        return net

    def gated(self, net: nn.Module, dropout: float | tuple[float, ...]) -> nn.Module:
        """A copy with gates on its layers, or in the blocks of a WideResNet."""
        return with_gates(net, dropout, self.stream("gates"))

    def pair(
        self, shared: int, boosters: int, start: str, width: int | None
    ) -> tuple[nn.Module, list[nn.Module]]:
        """A light network and boosters; they share nothing but where networks come as a pair.

        All weights of a pair follow from the students' start, and ``start`` is not looked at.

        Raises:
            ValueError: If several boosters are asked of a pair.
        """
        if self.build_pair is not None:
            if boosters != 1:
                raise ValueError(
                    f"boosters={boosters}: a pair has one, with which it shares layers: use "
                    "boosters=1, or a network that is no pair."
                )
            light, booster = self.build_pair(shared, self.stream("init", "student", 0))
            return light, [booster]
        return self.one("student"), [self.one(start, i) for i in range(boosters)]

    def tangent_gram(self, net: nn.Module) -> Gram:
        """One kernel for all classes: the trace over outputs."""
        return lambda *inputs: gram(net, *inputs, outputs="trace").cpu()

    def kernel_networks(self, number: int, width: int | None, scale: float | None) -> list:
        """The members' networks, untrained."""
        return [self.one("members", i).eval() for i in range(number)]

    def loss(self, soft: SoftTargets | None) -> Loss:
        """Loss of one network: of the labels, and of a teacher on the inputs that it sees."""
        teacher = None if soft is None else soft.teacher
        return side_by_side_loss(self.labels, [soft], teacher, self.setting.recipe.smoothing)

    def training(self, course: Course = "students", order: str = "student") -> dict[str, Any]:
        """Optimiser, order, augmentation, arithmetic, checkpoint and progress."""
        recipe = self.setting.of_course(course)
        return {
            "spec": recipe.optim,
            "generator": self.stream("images", "order"),
            "augment": recipe.augment if recipe.augments else None,
            "compute": recipe.compute,
            "progress": self.report,
            "checkpoint": self._checkpoint(),
        }

    def fit(
        self,
        nets: Sequence[nn.Module],
        soft: Sequence[SoftTargets | None],
        course: Course = "labels",
        order: str = "student",
    ) -> list[Fitted]:
        """Train networks in place, several at once as the recipe says.

        All see the same inputs in the same order and differ in their initial weights alone, as in
        the paper's definition of an ensemble; one beside another changes it by rounding at most.
        """
        check_strays(soft)
        recipe = self.setting.of_course(course)
        learners = [
            Learner(one, own, i)
            for net, own in zip(nets, soft, strict=True)
            for i, one in enumerate(single_networks(net))
        ]
        # What a network draws by itself would depend on those that draw beside it.
        most = 1 if any(draws(each.net) for each in learners) else recipe.together
        best: list[BestState] = []
        before = 0
        for part in together(learners, most):
            train = partial(self._fit, part, before, len(learners), course)
            left = self.fit_once([each.net for each in part], train)
            best += best_states(left, len(part))
            before += len(part)
        sizes = [len(single_networks(net)) for net in nets]
        return [
            self._fitted(net, best[which]) for net, which in zip(nets, slices(sizes), strict=True)
        ]

    def prepare(self, net: nn.Module) -> None:
        """Channels last, where the recipe says so."""
        exact_arithmetic(self.setting.recipe.compute).prepared(net)

    def _fitted(self, net: nn.Module, best: Sequence[BestState]) -> Fitted:
        """A network, or a group, with its best states, where known, and their mean epoch."""
        if not all(best):
            return Fitted(net=net.eval())
        return Fitted(
            net=net.eval(),
            best=partial(self._in_states, net, [part_of(each, "state") for each in best]),
            notes={"epoch": sum(int(each["epoch"]) for each in best) / len(best)},
        )

    def _fit(self, part: Sequence[Learner], before: int, total: int, course: Course) -> Left:
        """Train some of all networks side by side, after so many others; their best states."""
        settings, samples = self.training(course), self.samples
        if len(samples.validation):
            validation = samples.validation, samples.validation_labels
            settings["score"] = error_score(*validation, settings["compute"])
        teacher: Teacher | None = teacher_of(part)
        if teacher is not None and settings["augment"] is None:  # what it gives is known at once
            teacher = self.outputs(teacher, self.inputs).to(self.labels.device)
        soft = [each.soft for each in part]
        loss = side_by_side_loss(self.labels, soft, teacher, self.setting.recipe.smoothing)
        settings["progress"] = partial(self._share, len(part), before, total)
        nets = SideBySide([each.net for each in part])
        return left_by(fit(nets, self.inputs, loss, **settings))

    def _share(self, size: int, before: int, total: int, message: str, fraction: float) -> None:
        """Report progress of a part of the networks."""
        label = f"{before + 1}-{before + size} of {total}: {message}"
        self.report(label, (before + fraction * size) / total)

    def _in_states(
        self, net: nn.Module, states: Sequence[dict[str, Tensor]], inputs: Tensor
    ) -> Float[Tensor, "n *networks k"]:
        """The outputs of a network, or of a group, in other states; it is left as it was."""
        nets = single_networks(net)
        last = [copy.deepcopy(each.state_dict()) for each in nets]
        for each, state in zip(nets, states, strict=True):
            each.load_state_dict(state)
        try:
            return self.frozen(net)(inputs)
        finally:
            for each, state in zip(nets, last, strict=True):
                each.load_state_dict(state)

    def _checkpoint(self) -> Checkpoint | None:
        """Checkpoint of the training that comes."""
        number = self.trainings.file()
        if self.context.scratch is None:
            return None
        name = hashlib.sha256(repr(self._now).encode()).hexdigest()[:12]
        # Another machine may round filters or channels otherwise: a cell does not stop for that.
        path = self.context.scratch / f"{type(self._now).__name__}-{name}-{number}.pt"
        return Checkpoint(path=path, strict=False)


def exact_arithmetic(compute: ComputeSpec) -> ComputeSpec:
    """The choices without rounding to bfloat16, and without compilation."""
    return replace(compute, bfloat16=False, compile=False)
