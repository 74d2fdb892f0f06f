"""Networks of dropout distillation on images: students of other sizes or inputs, and a rival."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from multiview.bench import Bench, Classifier, Method
from multiview.bench.modules import ModuleBench
from multiview.bench.nets import Quick
from multiview.methods import MaskStudent
from multiview.train import ComputeSpec, fit, target_loss
from multiview.train.loop import Loss
from multiview.train.source import LoaderTargets
from multiview.train.stochastic import DropoutSwitch


@dataclass(frozen=True, kw_only=True)
class ImageStudent(MaskStudent):
    """A student of masks that notes ``different_images``, how many it is taught on.

    Attributes:
        net: Of another size, from a start of its own; None: as the teacher.
        on_test: Whether it is taught on test images, without their labels: repeated, or some left
            out, for as many steps as training images give.
    """

    net: Quick | None = None
    on_test: bool = False

    def train(self, bench: Bench) -> Classifier:
        """Train the student."""
        here = image_bench(bench)
        sizes = [len(here.samples.train), *([len(here.samples.test)] if self.on_test else [])]
        return replace(super().train(bench), notes={"different_images": min(sizes)})

    def untrained(self, bench: Bench) -> nn.Module:
        """A student of its own size and start."""
        assert self.start is not None
        return bench.one(self.start) if self.net is None else built(bench, self.net, self.start)

    def inputs(self, bench: Bench) -> Tensor:
        """Training or test images, on which the student is trained."""
        samples = image_bench(bench).samples
        if not self.on_test:
            return samples.train
        return samples.test[torch.arange(len(samples.train)) % len(samples.test)]


@dataclass(frozen=True, kw_only=True)
class OfSize(Method):
    """A network of another size, trained on labels with dropout of its own."""

    net: Quick

    def train(self, bench: Bench) -> Classifier:
        """Train the network."""
        return bench.classifier(bench.fit_one(built(bench, self.net, "members"), order="members"))


@dataclass(frozen=True, kw_only=True)
class ExpectationLinear(Method):
    """A network trained on labels to answer with dropout as without (after Ma et al., ICLR 2017).

    Attributes:
        weight: Of the squared gap of its probabilities; theirs is of hidden layers too.
    """

    weight: float

    def train(self, bench: Bench) -> Classifier:
        """Train the network."""
        net, settings = bench.one("expectation linear"), bench.training("labels", "members")
        loss = expectation_linear(net, bench.labels, self.weight, settings["compute"])
        fit(net, bench.inputs, loss, **settings)
        return Classifier(logits=bench.frozen(net), net=net)


def expectation_linear(net: nn.Module, labels: Tensor, weight: float, compute: ComputeSpec) -> Loss:
    """Cross-entropy plus ``weight`` times the squared gap of what dropout makes of probabilities.

    Args:
        compute: Of the training, so that both answers are rounded alike.
    """
    on_labels = target_loss(labels)
    again = replace(compute, compile=False).prepared(net)

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor | LoaderTargets) -> Tensor:
        with DropoutSwitch(on=False):
            plain = again(inputs)
        difference = (logits.softmax(1) - plain.softmax(1)).square().sum(1).mean()
        return on_labels(logits, inputs, rows) + weight * difference

    return loss


def image_bench(bench: Bench) -> ModuleBench:
    """The bench as one of images.

    Raises:
        TypeError: If it is another.
    """
    if not isinstance(bench, ModuleBench):
        raise TypeError(f"a {type(bench).__name__} holds no images: use an ImageSetting.")
    return bench


def built(bench: Bench, net: Quick, start: str) -> nn.Module:
    """An untrained network of another size than the setting's."""
    samples: Any = image_bench(bench).samples
    return net.build(samples, bench.stream("init", start, 0))
