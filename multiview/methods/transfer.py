"""Students without labels, on inputs parts of which may be hidden."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting
from multiview.data.augment import hide
from multiview.distill import Hinton, KDLoss, knowledge_distillation
from multiview.methods.networks import single


@dataclass(frozen=True, kw_only=True)
class UnlabelledStudent(Method):
    """A student of a fresh start, taught by soft targets alone.

    Attributes:
        teacher: Leaves logits (n, k); it sees what the student sees.
        hidden: Fraction of the patches, or pixels, that are 0 in what both see.

    Raises:
        ValueError: If ``hidden`` is not in [0, 1).
    """

    teacher: Method
    kd_loss: KDLoss = Hinton(temperature=1.0)
    hidden: float = 0.0
    start: str = "student"

    def __post_init__(self) -> None:
        checks.fraction("hidden", self.hidden, "[0, 1)")

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def check(self, setting: Setting) -> None:
        """Refuse a trainer without minibatches.

        Raises:
            ValueError: If the setting has one, or ``teacher`` leaves several networks.
        """
        setting.check_sgd("UnlabelledStudent")
        single("teacher", self.teacher, setting)

    def train(self, bench: Bench) -> Classifier:
        """Train the student."""
        student = bench.one(self.start)
        bench.fit_once([student], lambda: self._teach(bench, student))
        return Classifier(logits=bench.frozen(student), net=student)

    def _teach(self, bench: Bench, student: nn.Module) -> None:
        settings: dict[str, Any] = bench.training()
        if self.hidden:
            settings["augment"] = partial(hide, fraction=self.hidden)
        knowledge_distillation(
            student,
            bench.trained(self.teacher).logits,
            bench.inputs,
            kd_loss=self.kd_loss,
            weight=1.0,
            label_weight=0.0,
            **settings,
        )
