"""Tangent kernels of networks at their start: one model, the ensemble, the sum, and students."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from torch import Tensor

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting
from multiview.bench.types import Gram
from multiview.methods.networks import optional_count
from multiview.ntk import FittedKernels, centred_one_hot, fit_kernels
from multiview.ntk.last_layer import last_layer_gram


class MemberKernels:
    """The kernels of several networks between any inputs and the training samples."""

    def __init__(self, grams: Sequence[Gram], inputs: Tensor) -> None:
        self.grams, self.inputs = grams, inputs
        self.own = [gram(inputs) for gram in grams]
        self.last: tuple[Tensor, list[Tensor]] | None = None

    def __call__(self, inputs: Tensor) -> list[Tensor]:
        """Kernels (one a network) of the inputs, kept for the next call on the same inputs."""
        if self.last is None or self.last[0] is not inputs:
            self.last = inputs, [gram(inputs, self.inputs) for gram in self.grams]
        return self.last[1]


@dataclass(frozen=True, eq=False)
class KernelLogits:
    """Outputs of kernel models, as a function of inputs."""

    fitted: FittedKernels
    kernels: MemberKernels

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs (n, K, k), or (n, k) of models that are one."""
        return self.fitted(self.kernels(inputs))


@dataclass(frozen=True, kw_only=True)
class Kernels(Method):
    """Ridge regression on the tangent kernel of each of K networks at its start: (n, K, k).

    It notes ``jitter``, the largest that a fit needed.

    Attributes:
        width: Of these networks; None: as of the others. At the others' own start few neurons of a
            patch net carry the kernel, and a larger ``sigma_init`` spreads it.
        ridge: Relative to each kernel's mean diagonal.
        features: Of "all" layers, or of the "last" linear layer alone.

    Raises:
        ValueError: If ``number`` or ``width`` is no integer >= 1, ``sigma_init`` is not positive
            and finite, ``ridge`` is negative or not finite, or there are no such ``features``.
    """

    trains = False
    number: int | None = None
    width: int | None = None
    sigma_init: float | None = None
    ridge: float = 1e-3
    features: Literal["all", "last"] = "all"

    def __post_init__(self) -> None:
        optional_count("number", self.number, meaning="counts networks")
        optional_count("width", self.width, meaning="counts neurons")
        if self.sigma_init is not None:
            checks.positive("sigma_init", self.sigma_init)
        checks.not_negative("ridge", self.ridge)
        checks.choice("features", self.features, ("all", "last"))

    def networks(self, setting: Setting) -> int:
        """As many as are asked for."""
        return self.number or setting.members

    def check(self, setting: Setting) -> None:
        """Refuse kernels that would not fit.

        Raises:
            ValueError: If the setting has too many samples for them, or does not say how many.
        """
        setting.check_kernels()

    def train(self, bench: Bench) -> Classifier:
        """The kernel models, each by itself."""
        number = self.number or bench.members
        nets = bench.kernel_networks(number, self.width, self.sigma_init)
        last = self.features == "last"
        grams = [partial(last_layer_gram, net) if last else bench.tangent_gram(net) for net in nets]
        kernels = MemberKernels(grams, bench.inputs)
        fitted = fit_kernels("single", kernels.own, targets(bench), self.ridge)
        return classifier(KernelLogits(fitted, kernels))


@dataclass(frozen=True, kw_only=True)
class KernelModel(Method):
    """The ensemble of kernel models, one model trained as their sum, or students of the ensemble.

    Of ``kind`` "students" each has the features of one network and is fit to the ensemble's
    outputs: (n, K, k); "distilled" is the first of them.

    Attributes:
        student_ridge: Of students, whose targets the members' ridge has shrunk already; None: as
            of the members.

    Raises:
        ValueError: If there is no such ``kind``, or ``student_ridge`` is negative or not finite.
    """

    trains = False
    kind: Literal["ensemble", "summed", "distilled", "students"]
    of: Kernels = Kernels()
    student_ridge: float | None = None

    def __post_init__(self) -> None:
        checks.choice("kind", self.kind, ("ensemble", "summed", "distilled", "students"))
        if self.student_ridge is not None:
            checks.not_negative("student_ridge", self.student_ridge)

    def networks(self, setting: Setting) -> int | None:
        """As many students as members, or one model."""
        return self.of.networks(setting) if self.kind == "students" else 0

    def train(self, bench: Bench) -> Classifier:
        """Fit the kernel model."""
        members = bench.trained(self.of).logits
        assert isinstance(members, KernelLogits)
        kernels = members.kernels
        if self.kind == "ensemble":
            return classifier(KernelLogits(replace(members.fitted, kind="ensemble"), kernels))
        kind = "summed" if self.kind == "summed" else "distilled"
        fitted = fit_kernels(
            kind, kernels.own, targets(bench), self.of.ridge, student_ridge=self.student_ridge
        )
        logits = KernelLogits(fitted, kernels)
        if self.kind == "distilled":
            return replace(classifier(logits), logits=lambda inputs: logits(inputs)[:, 0])
        return classifier(logits)


def classifier(logits: KernelLogits) -> Classifier:
    """Kernel models as what a method leaves."""
    return Classifier(logits=logits, notes={"jitter": logits.fitted.jitter})


def targets(bench: Bench) -> Tensor:
    """What kernel models of labels are fit to, (n, k)."""
    return centred_one_hot(bench.labels, bench.num_classes)
