"""A user's own samples and networks: the setting of any tensors and any module."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.bench.module_setting import ModuleSetting, check_gates
from multiview.bench.modules import ModuleBench
from multiview.bench.own_net import bytes_of, check_net, made, net_digest
from multiview.bench.recipe import Recipe, plain_recipe
from multiview.bench.types import Context, DropoutKind
from multiview.data.splits import Samples
from multiview.rng import stream
from multiview.train.batches import check_lone_sample

UNSTORED: dict[str, Any] = {"stored": False}  # of a field that no row holds


@dataclass(frozen=True, kw_only=True)
class TensorSetting(ModuleSetting):
    """Networks of a user's own on samples of a user's own.

    Rows know samples and network by digests, so that those of other ones are other rows.

    Attributes:
        samples: To train, to choose and to test on; of every repetition the same.
        factory: Makes an untrained network; its initial weights are drawn from torch's global
            generator, which each repetition seeds.
        digest: Of the samples, as ``digest_of`` makes it.
        net: Name of the network and digest of what it is, as ``net_digest`` makes it.
    """

    samples: Samples = field(compare=False, repr=False, metadata=UNSTORED)
    factory: Callable[[], nn.Module] = field(compare=False, repr=False, metadata=UNSTORED)
    digest: str
    net: str
    num_train: int
    num_classes: int
    members: int = 4
    recipe: Recipe = field(default_factory=lambda: plain_recipe(epochs=20))
    students: Recipe = field(default_factory=lambda: plain_recipe(epochs=20))

    @classmethod
    def of(
        cls, samples: Samples, factory: Callable[[], nn.Module], **settings: Any
    ) -> "TensorSetting":
        """The setting of these samples and networks."""
        return cls(
            samples=samples,
            factory=factory,
            digest=digest_of(samples),
            net=net_digest(factory, samples.train),
            num_train=len(samples.train),
            num_classes=samples.num_classes,
            **settings,
        )

    def bench(self, seed: int, context: Context) -> ModuleBench:
        """The bench of one repetition, on the device of the context."""
        moved: dict[str, Any] = {
            name: value.to(context.device) if isinstance(value, Tensor) else value
            for name, value in vars(self.samples).items()
        }

        def build(generator: torch.Generator) -> nn.Module:
            return made(self.factory, generator, context.device)

        return ModuleBench(self, Samples(**moved), build, seed, context)

    def check(self, context: Context) -> None:
        """Refuse a network that does not give one output for each class, before any training."""
        inputs = self.samples.train
        check_net(self.factory, inputs, self.num_classes)
        for recipe in (self.recipe, self.students):
            size, generator = recipe.optim.batch_size, stream(0, "lone sample")
            check_lone_sample(self.made(), inputs, size, generator)

    def check_dropout(self, kind: DropoutKind, rate: float | None) -> None:
        """Refuse dropout in a network that has none."""
        super().check_dropout(kind, rate)
        if not any(isinstance(each, nn.Dropout) for each in self.made().modules()):
            raise ValueError("net has no nn.Dropout layer, whose rate dropout sets: add one.")

    def check_gates(self, dropout: float | tuple[float, ...]) -> None:
        """Refuse gates on a network without a layer for them."""
        check_gates(self.made(), dropout)

    def made(self) -> nn.Module:
        """A network, as every other one is made."""
        return made(self.factory, stream(0, "own net", 0))


def samples_of(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor] | None = None,
    num_classes: int | None = None,
) -> Samples:
    """Samples of pairs (inputs, labels).

    Args:
        validation: Of whatever is chosen; None where nothing is.
        num_classes: None: one more than the largest label of the training samples.

    Raises:
        ValueError: If inputs and labels are not as many, inputs of the parts differ in shape or
            hold NaN, or a label is none of the classes.
    """
    pairs = {"train": train, "test": test}
    pairs |= {"validation": validation} if validation is not None else {}
    for name, (inputs, labels) in pairs.items():
        if len(inputs) != len(labels) or not len(labels):
            raise ValueError(
                f"{name} has {len(inputs)} inputs and {len(labels)} labels: give one each, and at "
                "least one; leave validation out where there is none."
            )
        if inputs.shape[1:] != train[0].shape[1:]:
            raise ValueError(
                f"{name} has inputs of shape {tuple(inputs.shape[1:])}, train of "
                f"{tuple(train[0].shape[1:])}: give the same."
            )
        if inputs.dtype != train[0].dtype:
            raise ValueError(
                f"{name} has inputs of type {inputs.dtype} and train of type {train[0].dtype}: "
                "give the same."
            )
        shapes.fit(**{f"labels of {name}": (labels, "int n")})
        if inputs.is_floating_point():
            shapes.finite(**{f"inputs of {name}": inputs})
    k = int(train[1].max()) + 1 if num_classes is None else checks.count("num_classes", num_classes)
    if k < 2:
        raise ValueError(
            f"labels of train are all {int(train[1].max())}, so that there is nothing to tell "
            "apart: give samples of two classes or more."
        )
    for name, (_, labels) in pairs.items():
        if int(labels.min()) < 0 or int(labels.max()) >= k:
            raise ValueError(
                f"labels of {name} run from {int(labels.min())} to {int(labels.max())}: with "
                f"{k} classes use 0 to {k - 1}."
            )
    chosen_on = validation or (train[0][:0], train[1][:0])
    return Samples(
        train=train[0],
        train_labels=train[1].long(),
        validation=chosen_on[0],
        validation_labels=chosen_on[1].long(),
        test=test[0],
        test_labels=test[1].long(),
        num_classes=k,
    )


def digest_of(samples: Samples) -> str:
    """Sixteen hexadecimal digits of the samples' bytes, shapes and types."""
    digest = hashlib.sha256(str(samples.num_classes).encode())
    for name, value in vars(samples).items():
        if isinstance(value, Tensor):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(bytes_of(value))
    return digest.hexdigest()[:16]
