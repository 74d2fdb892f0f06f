"""Rocket launching: a light network that learns beside its booster and gets hints from it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting
from multiview.bench.trainings import Left, states_of
from multiview.distill import Hinton, KDLoss, rocket_launching, sequential_rocket_launching
from multiview.distill.rocket_loss import HINT_WEIGHT, Hint
from multiview.ensemble import mean_logits
from multiview.methods.networks import optional_count, single


@dataclass(frozen=True, kw_only=True)
class Rocket(Method):
    """The light network of a rocket (Zhou et al., arXiv 1708.04106).

    Attributes:
        shared: How much of the light network is its booster's too: neurons of a class on patches,
            convolutions of a ``WidePair``.
        boosters: Their number; None: as many as members. The mean of their logits is the hint.
        boosters_start: Name of their initial weights.
        width: Of the boosters; None: as the light network's.
        hint: How the distance of logits is measured, as in ``hint_loss``.
        weight: Of the hint.
        block: Whether the hint moves the light network alone.
        joint: Whether both learn at once; else the boosters first, and then the light network.
        delay: Fraction of the steps before the hint acts.
        teacher: A method that teaches the light network too, by ``kd_loss``.

    Raises:
        ValueError: If a field is out of range, or there is a ``delay`` or no ``block`` where
            ``joint`` is False.
    """

    shared: int = 0
    boosters: int | None = 1
    boosters_start: str = "booster"
    width: int | None = None
    hint: Hint = "logits"
    weight: float = HINT_WEIGHT
    block: bool = True
    joint: bool = True
    delay: float = 0.0
    teacher: Method | None = None
    kd_loss: KDLoss = Hinton()
    teacher_weight: float = 1.0

    def __post_init__(self) -> None:
        checks.count("shared", self.shared, 0, meaning="counts what both networks share")
        optional_count("boosters", self.boosters, meaning="counts boosters")
        optional_count("width", self.width, meaning="counts neurons")
        checks.choice("hint", self.hint, get_args(Hint))
        checks.not_negative("weight", self.weight)
        checks.not_negative("teacher_weight", self.teacher_weight)
        checks.fraction("delay", self.delay, "[0, 1)")
        checks.flag("block", self.block)
        checks.flag("joint", self.joint)
        if not self.joint and (self.delay or not self.block):
            raise ValueError(
                f"joint=False with delay={self.delay} and block={self.block}: the boosters are "
                "trained when their hints begin, so use delay=0 and block=True."
            )

    def check(self, setting: Setting) -> None:
        """Refuse what networks here cannot share.

        Raises:
            ValueError: If they cannot share so much, are trained without minibatches, or
                ``teacher`` leaves several networks.
        """
        setting.check_sgd("Rocket")
        setting.check_shared(self.shared)
        single("teacher", self.teacher, setting)

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """The light network; its boosters are its companion."""
        number = self.boosters or bench.members
        light, boosters = bench.pair(self.shared, number, self.boosters_start, self.width)
        # One after the other, the light network ends as a copy that shares nothing any more.
        own = light if self.joint else copy.deepcopy(light)
        nets = [own, *boosters]
        bench.restore(nets, bench.once(lambda: self._launch(bench, light, boosters)))
        return Classifier(logits=bench.frozen(own), net=own, companion=_together(bench, boosters))

    def _launch(self, bench: Bench, light: nn.Module, boosters: Sequence[nn.Module]) -> Left:
        """Train all of them; the states of the light network, first, and of the boosters."""
        settings: dict[str, Any] = {"hint": self.hint, "weight": self.weight}
        if self.teacher is not None:
            settings |= {
                "teacher": bench.trained(self.teacher).logits,
                "teacher_weight": self.teacher_weight,
                "kd_loss": self.kd_loss,
            }
        launch = sequential_rocket_launching
        if self.joint:
            launch = rocket_launching
            settings |= {"block": self.block, "delay": self.delay}
        result = launch(light, boosters, bench.inputs, bench.labels, **settings, **bench.training())
        return states_of([result.light, *result.boosters])


def _together(bench: Bench, boosters: Sequence[nn.Module]) -> Classifier:
    """One booster, or the mean of several, which is no single module."""
    each = [bench.frozen(booster) for booster in boosters]
    if len(each) == 1:
        return Classifier(logits=each[0], net=boosters[0])

    def mean(inputs: Tensor) -> Tensor:
        return mean_logits(torch.stack([booster(inputs) for booster in each], 1))

    return Classifier(logits=mean)


@dataclass(frozen=True, kw_only=True)
class Booster(Method):
    """The booster of a rocket, or the mean logits of its boosters."""

    trains = False
    of: Rocket = Rocket()

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """The booster; nothing is trained."""
        booster = bench.trained(self.of).companion
        assert booster is not None
        return booster
