"""Rocket launching: a light network that learns beside its booster and gets hints from it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from multiview.bench.bench import Bench, Setting
from multiview.bench.method import Classifier, Method
from multiview.distill import Hinton, KDLoss, rocket_launching
from multiview.distill.rocket_loss import HINT_WEIGHT
from multiview.ensemble import mean_logits


@dataclass(frozen=True, kw_only=True)
class Rocket(Method):
    """The light network of a rocket (Zhou et al., arXiv 1708.04106).

    Attributes:
        shared: How much of the light network is its booster's too: neurons of a class, on patches.
        boosters: Their number; None: as many as members. The mean of their logits is the hint.
        boosters_start: Name of their initial weights.
        width: Of the boosters; None: as the light network's.
        weight: Of the hint, the squared distance of logits.
        block: Whether the hint moves the light network alone.
        delay: Fraction of the steps before the hint acts.
        teacher: A method that teaches the light network too, by ``kd_loss``.
    """

    shared: int = 0
    boosters: int | None = 1
    boosters_start: str = "booster"
    width: int | None = None
    weight: float = HINT_WEIGHT
    block: bool = True
    delay: float = 0.0
    teacher: Method | None = None
    kd_loss: KDLoss = Hinton()
    teacher_weight: float = 1.0

    def check(self, setting: Setting) -> None:
        """Refuse what networks here cannot share."""
        setting.check_sgd("Rocket")
        setting.check_shared(self.shared)

    def train(self, bench: Bench) -> Classifier:
        """The light network; its boosters are its companion."""
        number = self.boosters or bench.members
        light, boosters = bench.pair(self.shared, number, self.boosters_start, self.width)
        taught = {}
        if self.teacher is not None:
            taught = {
                "teacher": bench.trained(self.teacher).logits,
                "teacher_weight": self.teacher_weight,
                "kd_loss": self.kd_loss,
            }
        result = rocket_launching(
            light,
            boosters,
            bench.inputs,
            bench.labels,
            weight=self.weight,
            block=self.block,
            delay=self.delay,
            **taught,
            **bench.training(),
        )
        each = [bench.frozen(booster) for booster in result.boosters]

        def mean(inputs: Tensor) -> Tensor:
            return mean_logits(torch.stack([booster(inputs) for booster in each], 1))

        return Classifier(
            logits=bench.frozen(result.light),
            net=result.light,
            companion=mean if each[1:] else each[0],
        )


@dataclass(frozen=True, kw_only=True)
class Booster(Method):
    """The booster of a rocket, or the mean logits of its boosters."""

    of: Rocket = Rocket()

    def train(self, bench: Bench) -> Classifier:
        """The booster; nothing is trained."""
        booster = bench.trained(self.of).companion
        assert booster is not None
        return Classifier(logits=booster)
