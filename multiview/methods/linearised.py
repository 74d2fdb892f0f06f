"""Linearised networks: the features of tangent kernels, trained by descent of the cross-entropy."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting
from multiview.ensemble import mean_logits
from multiview.methods.kernels import KernelLogits, Kernels, MemberKernels, targets
from multiview.ntk import FittedKernels, predict
from multiview.ntk.members import predict_each, summed_kernel
from multiview.ntk.methods import descended


@dataclass(frozen=True, kw_only=True)
class Linearised(Method):
    """K linearised networks after full-batch descents from zero output: (n, K, k).

    Attributes:
        of: Kernel models of the same features.
        steps: Of each descent.
        relative_rate: Of the learning rate to the safe one of ``descend``.

    Raises:
        ValueError: If ``steps`` is no integer >= 1, or ``relative_rate`` is not positive and
            finite.
    """

    trains = False
    of: Kernels
    steps: int
    relative_rate: float = 1.0

    def __post_init__(self) -> None:
        checks.count("steps", self.steps, meaning="counts steps of descent")
        checks.positive("relative_rate", self.relative_rate)

    def networks(self, setting: Setting) -> int | None:
        """As many as kernel models."""
        return self.of.networks(setting)

    def train(self, bench: Bench) -> Classifier:
        """The networks, each by itself."""
        kernels = kernels_of(bench, self.of)
        settings = {"steps": self.steps, "relative_rate": self.relative_rate}
        models = [descended(own, one_hot(bench), **settings) for own in kernels.own]
        return Classifier(
            logits=KernelLogits(FittedKernels(kind="single", models=tuple(models)), kernels)
        )


@dataclass(frozen=True, kw_only=True)
class LinearisedModel(Method):
    """The ensemble of linearised networks, one trained as their sum, or a student of the ensemble.

    The student has the features of the first network and minimises Hinton's loss alone.

    Attributes:
        student_steps: Of the student, whose targets are smoother.
        temperature: Of Hinton's loss.

    Raises:
        ValueError: If there is no such ``kind``, ``student_steps`` is no integer >= 1, or
            ``temperature`` is not from 1e-6 to 1e6.
    """

    trains = False
    kind: Literal["ensemble", "summed", "distilled"]
    of: Linearised
    student_steps: int
    temperature: float = 1.0

    def __post_init__(self) -> None:
        checks.choice("kind", self.kind, ("ensemble", "summed", "distilled"))
        checks.count("student_steps", self.student_steps, meaning="counts steps of descent")
        checks.temperature("temperature", self.temperature)

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """Fit the linearised model."""
        members = bench.trained(self.of).logits
        assert isinstance(members, KernelLogits)
        kernels, models = members.kernels, members.fitted.models
        if self.kind == "ensemble":
            return Classifier(logits=lambda inputs: mean_logits(members(inputs)))
        rate = self.of.relative_rate
        if self.kind == "summed":
            total = summed_kernel(kernels.own)
            model = descended(total, one_hot(bench), steps=self.of.steps, relative_rate=rate)
            fitted = FittedKernels(kind="summed", models=(model,))
            return Classifier(logits=KernelLogits(fitted, kernels))
        taught = (mean_logits(predict_each(kernels.own, models)) / self.temperature).softmax(-1)
        student = descended(
            kernels.own[0],
            taught,
            steps=self.student_steps,
            relative_rate=rate,
            scale=self.temperature,
        )
        return Classifier(logits=lambda inputs: predict(kernels(inputs)[0], student))


def kernels_of(bench: Bench, method: Kernels) -> MemberKernels:
    """The kernels that kernel models were fit on."""
    logits = bench.trained(method).logits
    assert isinstance(logits, KernelLogits)
    return logits.kernels


def one_hot(bench: Bench) -> Tensor:
    """The labels as probabilities, (n, k)."""
    return targets(bench) + 1 / bench.num_classes
