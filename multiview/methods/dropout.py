"""Dropout in training, the mean over its masks, and a student of them."""

from dataclasses import dataclass

from torch import nn

from multiview.bench.bench import Bench, DropoutKind, Setting
from multiview.bench.method import Classifier, Method
from multiview.distill import dropout_distillation, monte_carlo
from multiview.train.stochastic import without_dropout


@dataclass(frozen=True, kw_only=True)
class Dropout(Method):
    """A network of the first member's start, trained with dropout and tested without.

    Attributes:
        kind: Which units are dropped: hidden "neuron"s, or whole "patch"es of the input.
        rate: Probability of each to be dropped.
    """

    kind: DropoutKind = "neuron"
    rate: float = 0.25

    def check(self, setting: Setting) -> None:
        """Refuse dropout that the networks cannot have."""
        setting.check_sgd("Dropout")
        setting.check_dropout(self.kind)

    def train(self, bench: Bench) -> Classifier:
        """The network."""
        net = bench.dropout_net("members", self.kind, self.rate)
        fitted = bench.fit_one(net, order="members")
        return bench.classifier(fitted)


@dataclass(frozen=True, kw_only=True)
class Masks(Method):
    """The mean probabilities over random masks of a network trained with dropout."""

    of: Dropout
    number: int = 50

    def train(self, bench: Bench) -> Classifier:
        """The mean; nothing is trained."""
        masks = bench.stream("masks", self.of.kind)
        return Classifier(logits=monte_carlo(_net(bench, self.of), self.number, generator=masks))


@dataclass(frozen=True, kw_only=True)
class MaskStudent(Method):
    """A copy of that network without dropout, taught by its masks (Rota Bulo et al., ICML 2016)."""

    of: Dropout

    def train(self, bench: Bench) -> Classifier:
        """The student."""
        teacher = _net(bench, self.of)
        student = without_dropout(teacher)
        dropout_distillation(student, teacher, bench.inputs, **bench.training())
        return Classifier(logits=bench.frozen(student), net=student)


def _net(bench: Bench, method: Dropout) -> nn.Module:
    net = bench.trained(method).net
    assert net is not None
    return net
