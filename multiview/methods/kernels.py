"""Tangent kernels of networks at their start: one model, the ensemble, the sum, and a student."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from multiview.bench.bench import Bench, Gram, Setting
from multiview.bench.method import Classifier, Method
from multiview.ntk import KernelOutputs, centred_one_hot, kernel_methods


class KernelModels:
    """The kernel models of several networks, as a function of inputs."""

    def __init__(
        self, grams: Sequence[Gram], inputs: Tensor, targets: Tensor, ridge: float
    ) -> None:
        self.grams, self.inputs, self.targets, self.ridge = grams, inputs, targets, ridge
        self.own = [gram(inputs) for gram in grams]
        self.last: tuple[Tensor, KernelOutputs] | None = None

    def outputs(self, inputs: Tensor) -> KernelOutputs:
        """Outputs of all four models, kept for the next call, which asks for another of them."""
        if self.last is None or self.last[0] is not inputs:
            pairs = (
                (own, gram(inputs, self.inputs))
                for own, gram in zip(self.own, self.grams, strict=True)
            )
            self.last = inputs, kernel_methods(pairs, self.targets, self.ridge)
        return self.last[1]

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs (n, K, k) of the single models."""
        return self.outputs(inputs).single


@dataclass(frozen=True, kw_only=True)
class Kernels(Method):
    """Ridge regression on the tangent kernel of each of K networks at its start: (n, K, k).

    Attributes:
        width: Of these networks; None: as of the others. At the others' own start few neurons of a
            patch net carry the kernel, and a larger ``sigma_init`` spreads it.
        ridge: Relative to each kernel's mean diagonal.
    """

    number: int | None = None
    width: int | None = None
    sigma_init: float | None = None
    ridge: float = 1e-3

    def check(self, setting: Setting) -> None:
        """Refuse kernels that would not fit."""
        setting.check_kernels()

    def train(self, bench: Bench) -> Classifier:
        """The kernel models, each by itself."""
        number = self.number or bench.members
        nets = bench.kernel_networks(number, self.width, self.sigma_init)
        targets = centred_one_hot(bench.labels, bench.num_classes)
        grams = [bench.tangent_gram(net) for net in nets]
        return Classifier(logits=KernelModels(grams, bench.inputs, targets, self.ridge))


@dataclass(frozen=True, kw_only=True)
class KernelModel(Method):
    """The ensemble of kernel models, one model trained as their sum, or a student of the ensemble.

    The student has the features of the first network and is fit to the ensemble's outputs.
    """

    kind: Literal["ensemble", "summed", "distilled"]
    of: Kernels = Kernels()

    def train(self, bench: Bench) -> Classifier:
        """The model."""
        models, kind = bench.trained(self.of).logits, self.kind
        assert isinstance(models, KernelModels)
        return Classifier(logits=lambda inputs: getattr(models.outputs(inputs), kind))
