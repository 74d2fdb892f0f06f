"""Tasks of the negative control: inputs, target networks that label them, and label noise."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench import Bench, Classifier, Context, Method, PatchBench, PatchSetting
from multiview.data import sample_patches
from multiview.data.provenance import Kind
from multiview.models import PatchNet, SingleMember
from multiview.models.families import FAMILIES, FamilyNets
from multiview.train import OptimSpec, fit
from multiview.train.loop import Loss

Inputs = Literal["gaussian", "mixture", "multi-view"]
KINDS: dict[str, Kind] = {
    "": "single",
    "_multi": "multi",
}  # of multi-view test samples, by a method's ending
PILOT = 10_000  # inputs that standardise a target network's logits


@dataclass(frozen=True, kw_only=True)
class TaskSetting(PatchSetting):
    """Samples of one task: Gaussian-like inputs that a network labels, or multi-view patches.

    Attributes:
        target: The family that labels the inputs; "views" label multi-view patches.
        label_noise: Fraction of the training labels.
        num_patches, patch_dim: Of Gaussian-like inputs; those of multi-view ones stand in spec.
        num_test: Of multi-view patches: of each kind, single-view and multi-view.
        target_width: Of the target network.
    """

    inputs: Inputs = "gaussian"
    target: str = "linear"
    label_noise: float = 0.0
    num_patches: int = 3
    patch_dim: int = 10
    num_test: int = 5000
    target_width: int = 30

    def __post_init__(self) -> None:
        super().__post_init__()
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
        for name in ("num_patches", "patch_dim", "num_train", "num_test"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} counts at least 1.")

    def bench(self, seed: int, context: Context) -> "TaskBench":
        """The bench of one repetition."""
        return TaskBench(self, seed, context)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Inputs (n, P, d) and their labels."""

    patches: Float[Tensor, "n P d"]
    labels: Int[Tensor, " n"]


class TaskBench(PatchBench):
    """One draw of a task, and networks for its inputs.

    Attributes:
        tests: Test samples by what the method's name ends in; claims are about "".
    """

    setting: TaskSetting

    @cached_property
    def drawn(self) -> dict[str, Samples]:
        """Samples with the labels of the target: those of ``tests``, and "train"."""
        setting, spec = self.setting, self.setting.spec
        if setting.inputs == "multi-view":
            batches = {"train": self.batch} | {
                ending: sample_patches(
                    spec, self.features, setting.num_test, self.stream("test", kind), kind
                )
                for ending, kind in KINDS.items()
            }
            return {
                name: Samples(patches=batch.patches, labels=batch.labels)
                for name, batch in batches.items()
            }
        inputs = {
            "train": self.gaussian_inputs(setting.num_train, "train"),
            "": self.gaussian_inputs(setting.num_test, "test"),
        }
        labels = self.target_labels(*inputs.values())
        return {
            name: Samples(patches=x, labels=y)
            for (name, x), y in zip(inputs.items(), labels, strict=True)
        }

    @property
    def tests(self) -> dict[str, Samples]:
        """Test samples."""
        return {name: samples for name, samples in self.drawn.items() if name != "train"}

    @cached_property
    def inputs(self) -> Float[Tensor, "n P d"]:
        """The training inputs."""
        return self.drawn["train"].patches

    @cached_property
    def labels(self) -> Int[Tensor, " n"]:
        """The training labels, with their noise."""
        noise, labels = self.stream("label noise"), self.drawn["train"].labels
        return noisy_labels(labels, self.setting.label_noise, self.num_classes, noise)

    def gaussian_inputs(self, number: int, name: str) -> Float[Tensor, "n P d"]:
        """Gaussian inputs of variance 1, or a mixture of k such of variance 1/2."""
        setting = self.setting
        generator = self.stream(setting.inputs, name)
        shape = (setting.num_patches, setting.patch_dim)
        x = torch.randn(number, *shape, generator=generator)
        if setting.inputs == "gaussian":
            return x
        means = torch.randn(self.num_classes, *shape, generator=self.stream("components"))
        chosen = torch.randint(self.num_classes, (number,), generator=generator)
        return (x + means[chosen]) * 0.5**0.5

    def target_labels(self, *inputs: Float[Tensor, "n P d"]) -> list[Int[Tensor, " n"]]:
        """Labels of the inputs: the largest logit of a random network, standardised by class.

        Without that, a class whose logit has a large mean or spread would take most samples.
        """
        family = self.setting.target
        drawn = self.stream("target", family)
        target = new_nets(family, inputs[0], self.num_classes, 1, self.setting.target_width, drawn)
        logits = self.frozen(SingleMember(target))
        return standardised_labels(
            [logits(x) for x in inputs], logits(self.gaussian_inputs(PILOT, "pilot"))
        )

    def nets(self, name: str, number: int = 1, **other: Any) -> PatchNet:
        """Networks of Section 3 for these inputs."""
        return super().nets(name, number, **{"patch_dim": self.inputs.shape[2], **other})


def standardised_labels(
    logits: list[Float[Tensor, "n k"]], pilot: Float[Tensor, "m k"]
) -> list[Int[Tensor, " n"]]:
    """Classes of the largest logits, each class by its mean and deviation in the pilot."""
    std, mean = torch.std_mean(pilot, 0)
    return [((each - mean) / std).argmax(1) for each in logits]


def noisy_labels(
    labels: Int[Tensor, " n"], fraction: float, num_classes: int, generator: torch.Generator
) -> Int[Tensor, " n"]:
    """Labels of which ``fraction`` (rounded to whole samples) became another class, any alike."""
    chosen = torch.randperm(len(labels), generator=generator)[: round(fraction * len(labels))]
    noisy = labels.clone()
    noisy[chosen] += torch.randint(1, num_classes, (len(chosen),), generator=generator)
    return noisy % num_classes


def new_nets(
    family: str,
    inputs: Float[Tensor, "n P d"],
    num_classes: int,
    members: int,
    width: int,
    generator: torch.Generator,
) -> FamilyNets:
    """Untrained networks of a family, for inputs of this shape."""
    return FamilyNets(
        family,
        members=members,
        num_patches=inputs.shape[1],
        patch_dim=inputs.shape[2],
        num_classes=num_classes,
        width=width,
        generator=generator,
    )


@dataclass(frozen=True, kw_only=True)
class FamilyMembers(Method):
    """K plain networks of one family on labels, by minibatch SGD: logits (n, K, k).

    Attributes:
        width: Of their hidden layers.
    """

    family: str
    width: int
    optim: OptimSpec

    def train(self, bench: Bench) -> Classifier:
        """The networks, each as if alone."""
        start = bench.stream("init", self.family)
        net = new_nets(
            self.family, bench.inputs, bench.num_classes, bench.members, self.width, start
        )
        loss, order = members_cross_entropy(bench.labels), bench.stream("order")
        fit(net, bench.inputs, loss, self.optim, order, progress=bench.report)
        return Classifier(logits=bench.frozen(net), net=net)


def members_cross_entropy(labels: Int[Tensor, " N"]) -> Loss:
    """Cross-entropy of every member, summed over them, so that each trains as if alone.

    That holds as the optimiser treats every weight on its own; members share the minibatches.
    """

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor) -> Tensor:
        own = labels[rows].view(-1, 1, 1).expand(-1, logits.shape[1], 1)
        # On ten classes logsumexp takes a third of the time of log_softmax.
        return (logits.logsumexp(-1) - logits.gather(-1, own).squeeze(-1)).mean(0).sum()

    return loss
