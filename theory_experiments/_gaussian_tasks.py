"""Tasks of the negative control: inputs, target networks that label them, and label noise."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import stream
from multiview.data import sample_patches
from multiview.models import SingleMember
from multiview.train import OptimSpec, TrainSpec
from theory_experiments._learners import FAMILIES, Networks
from theory_experiments._patch_nets import KINDS, NetCell, draw_features, draw_train

Inputs = Literal["gaussian", "mixture", "multi-view"]
PILOT = 10_000  # inputs that standardise a target network's logits


@dataclass(frozen=True, kw_only=True)
class TaskCell(NetCell):
    """All learners on one task; everything random depends on ``seed``.

    The settings were chosen on the seeds 1000 and 1001, which no preset uses: without label noise
    the residual and nearly the fully connected learners reach a training error of 0. The smoothed
    ReLU keeps the width and the start that show the theorem on multi-view patches.
    """

    inputs: Inputs = "gaussian"
    target: str = "linear"  # the family that labels the inputs; "views" label multi-view patches
    label_noise: float = 0.0  # fraction of the training labels
    num_patches: int = 3  # of Gaussian-like inputs; those of multi-view ones stand in spec
    patch_dim: int = 10
    num_train: int = 1000
    num_test: int = 5000  # of multi-view patches: of each kind, single-view and multi-view
    target_width: int = 30
    hidden: int = 50  # width of the learners with plain ReLUs
    optim: OptimSpec = field(  # and their training
        default_factory=lambda: OptimSpec(
            epochs=20, batch_size=100, learning_rate=0.15, weight_decay=0.0
        )
    )
    train: TrainSpec = field(
        default_factory=lambda: TrainSpec(method="adaptive", max_steps=70, loss_bound=0.05)
    )
    draws: int = 10  # surrogate members a test sample

    def __post_init__(self) -> None:
        if self.inputs not in get_args(Inputs):
            raise ValueError(f"inputs={self.inputs!r} is not one of {get_args(Inputs)}.")
        targets = ("views",) if self.inputs == "multi-view" else FAMILIES
        if self.target not in targets:
            raise ValueError(
                f"target={self.target!r} does not label {self.inputs} inputs: use one of {targets}."
            )
        if not 0 <= self.label_noise < 1:
            raise ValueError(f"label_noise={self.label_noise} is a fraction: use [0, 1).")
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")
        for name in ("num_patches", "patch_dim", "num_train", "num_test", "draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} counts at least 1.")


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Inputs (n, P, d) and their labels."""

    patches: Float[Tensor, "n P d"]
    labels: Int[Tensor, " n"]


def draw_inputs(cell: TaskCell, number: int, name: str) -> Float[Tensor, "n P d"]:
    """Gaussian inputs of variance 1, or a mixture of k such of variance 1/2 around random means."""
    generator = stream(cell.seed, cell.inputs, name)
    shape = (cell.num_patches, cell.patch_dim)
    x = torch.randn(number, *shape, generator=generator)
    if cell.inputs == "gaussian":
        return x
    components = cell.spec.num_classes
    means = torch.randn(components, *shape, generator=stream(cell.seed, "components"))
    chosen = torch.randint(components, (number,), generator=generator)
    return (x + means[chosen]) * 0.5**0.5


def draw_targets(cell: TaskCell, *inputs: Float[Tensor, "n P d"]) -> list[Int[Tensor, " n"]]:
    """Labels of the inputs: the largest logit of a random network, standardised class by class.

    Without that, a class whose logit has a large mean or spread would take most samples.
    """
    generator = stream(cell.seed, "target", cell.target)
    net = SingleMember(new_networks(cell, cell.target, 1, cell.target_width, generator))

    def logits(x: Tensor) -> Float[Tensor, "n k"]:
        with torch.no_grad():
            return net(x)

    std, mean = torch.std_mean(logits(draw_inputs(cell, PILOT, "pilot")), 0)
    return [((logits(x) - mean) / std).argmax(1) for x in inputs]


def noisy_labels(
    labels: Int[Tensor, " n"], fraction: float, num_classes: int, generator: torch.Generator
) -> Int[Tensor, " n"]:
    """Labels of which ``fraction`` (rounded to whole samples) became another class, any alike."""
    chosen = torch.randperm(len(labels), generator=generator)[: round(fraction * len(labels))]
    noisy = labels.clone()
    noisy[chosen] += torch.randint(1, num_classes, (len(chosen),), generator=generator)
    return noisy % num_classes


def draw_samples(cell: TaskCell) -> tuple[Samples, dict[str, Samples]]:
    """Training samples, and test samples by what the method's name ends in; claims judge ""."""
    if cell.inputs == "multi-view":
        features = draw_features(cell)
        train = draw_train(cell, features)
        tests = {
            ending: sample_patches(
                cell.spec, features, cell.num_test, stream(cell.seed, "test", kind), kind
            )
            for ending, kind in zip(("", "_multi"), KINDS, strict=True)
        }
    else:
        x = draw_inputs(cell, cell.num_train, "train")
        test_x = draw_inputs(cell, cell.num_test, "test")
        labels, test_labels = draw_targets(cell, x, test_x)
        train = Samples(patches=x, labels=labels)
        tests = {"": Samples(patches=test_x, labels=test_labels)}
    noise = stream(cell.seed, "label noise")
    labels = noisy_labels(train.labels, cell.label_noise, cell.spec.num_classes, noise)
    return Samples(patches=train.patches, labels=labels), {
        ending: Samples(patches=test.patches, labels=test.labels) for ending, test in tests.items()
    }


def new_networks(
    cell: TaskCell, family: str, members: int, width: int, generator: torch.Generator
) -> Networks:
    """Untrained networks of a family, for the inputs of the cell."""
    shape = cell.spec if cell.inputs == "multi-view" else cell
    return Networks(
        family,
        members=members,
        num_patches=shape.num_patches,
        patch_dim=shape.patch_dim,
        num_classes=cell.spec.num_classes,
        width=width,
        generator=generator,
    )
