"""Curve: tests of networks along their training, on fresh samples."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.bench.trainings import Left
from multiview.data import MultiViewSpec, PatchBatch, sample_patches
from multiview.models import PatchNet
from multiview.train import TrainResult
from multiview.train.metrics import wrong


@dataclass(frozen=True, kw_only=True)
class Curve:
    """When networks are tested in their training, and on how many samples.

    Attributes:
        every: Sweeps over the training samples between two tests; the networks that training
            begins with and those that it leaves are tested, too.
        num_test: Number of single-view and of multi-view test samples, each.

    Raises:
        ValueError: If ``every`` or ``num_test`` is no integer >= 1.
    """

    every: int
    num_test: int

    def __post_init__(self) -> None:
        checks.count("every", self.every, meaning="counts sweeps between two tests")
        checks.count("num_test", self.num_test, meaning="counts samples of each kind")


class Tested:
    """An observer of a training that keeps the errors of its networks.

    Attributes:
        time: Flow times of each test, (networks,) each.
        single, multi: Fractions of single-view and of multi-view samples that are wrong, likewise.
    """

    def __init__(self, curve: Curve, single: PatchBatch, multi: PatchBatch) -> None:
        self.curve, self.samples, self.sweep = curve, (single, multi), 0
        self.time: list[Float[Tensor, " networks"]] = []
        self.single: list[Float[Tensor, " networks"]] = []
        self.multi: list[Float[Tensor, " networks"]] = []

    def __call__(self, time: Float[Tensor, " networks"], net: PatchNet) -> None:
        """Test the networks if it is their turn."""
        if self.sweep % self.curve.every == 0:
            self._test(time, net)
        self.sweep += 1

    def left(self, result: TrainResult) -> Left:
        """What was found along the training and at its end, (tests, networks) each."""
        self._test(result.flow_time, result.net)
        found = {"time": self.time, "single": self.single, "multi": self.multi}
        return {f"curve_{name}": torch.stack(values) for name, values in found.items()}

    @torch.no_grad()
    def _test(self, time: Float[Tensor, " networks"], net: PatchNet) -> None:
        self.time.append(time.double())
        for batch, found in zip(self.samples, (self.single, self.multi), strict=True):
            logits = net(batch.patches)
            if len(time) < logits.shape[1]:  # networks that are trained as their sum
                logits = logits.sum(1, keepdim=True)
            found.append(wrong(logits, batch.labels).double().mean(0))


def tested_along(
    curve: Curve | None,
    spec: MultiViewSpec,
    features: Float[Tensor, "k L d"],
    stream: Callable[..., torch.Generator],
) -> Tested | None:
    """What tests networks along a training, on the same samples in each; None without a curve.

    Args:
        stream: ``stream("curve", kind)`` draws the samples of a kind.
    """
    if curve is None:
        return None
    drawn = partial(sample_patches, spec, features, curve.num_test)
    return Tested(
        curve,
        single=drawn(stream("curve", "single"), "single"),
        multi=drawn(stream("curve", "multi"), "multi"),
    )
