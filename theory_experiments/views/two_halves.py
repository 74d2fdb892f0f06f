"""Two images of one class side by side: samples of real images whose views are known."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from multiview import checks, stream
from multiview.bench import Context
from multiview.bench.images import MADE_UP, ImageSetting, shrunk
from multiview.bench.modules import ModuleBench
from multiview.bench.recipe import Recipe
from multiview.data.images import READERS, ImageData, standardise
from multiview.data.splits import Splits
from multiview.train import OptimSpec

SIDE = 32  # pixels, of a half
LEFT, RIGHT = "left", "right"
# Which half is shown alone, by name; -1 for both.
SHOWN = {"both": -1, LEFT: 0, RIGHT: 1}


def plain(epochs: int) -> Recipe:
    """Training on images as they are: mirrored or shifted, a sample would mix its halves."""
    optim = OptimSpec(epochs=epochs, batch_size=50, learning_rate=0.3, warmup=0.2)
    return Recipe(optim=optim, flip=False, padding=0, together=5)


@dataclass(frozen=True, kw_only=True)
class TwoImages(ImageSetting):
    """Samples of two images of one class, side by side.

    ``data`` names the data set of the left half, classes being those of the same number. Each half
    is standardised by its own training images, and a blank half is 0, their mean colour. Test
    samples show both halves.

    Attributes:
        data_right: The data set of the right half, whose images are independent of the left's.
        mu: Fraction of the training samples that show one half alone: the left in one half of
            them and the right in the other.
    """

    data_right: str = "cifar10"
    mu: float = 0.1
    num_validation: int = 0
    recipe: Recipe = field(default_factory=lambda: plain(epochs=8))
    students: Recipe = field(default_factory=lambda: plain(epochs=8))

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("data_right", self.data_right, (MADE_UP, *READERS))
        checks.fraction("mu", self.mu)
        for name in ("num_train", "num_test"):
            checks.count(name, getattr(self, name), meaning="counts samples")
        if self.num_validation:
            raise ValueError(
                f"num_validation={self.num_validation}: no pairs of images are held out, use 0."
            )
        for name in ("recipe", "students"):
            if getattr(self, name).augments:
                raise ValueError(
                    f"{name} changes images, and so would mix the halves: use flip=False, "
                    "padding=0 and cutout=0."
                )

    def check(self, context: Context) -> None:
        """Refuse images of either half that are not there, and numbers of them that cannot be."""
        for name in (self.data, self.data_right):
            ImageSetting.check(replace(self, data=name), context)

    def bench(self, seed: int, context: Context) -> ModuleBench:
        """The bench of one repetition."""
        splits = shrunk(self.pairs(seed, context), self.shrink)
        return ModuleBench(self, splits, partial(self.net.build, splits), seed, context)

    def pairs(self, seed: int, context: Context) -> Splits:
        """The samples: test samples whole, of the training samples some with a blank half."""
        assert self.num_train is not None
        halves = []
        for half, name in ((LEFT, self.data), (RIGHT, self.data_right)):
            whole = replace(self, data=name).images(seed, context)
            drawn = stream(seed, "two images", half)
            halves.append(whole.subset(self.num_train, self.num_test, drawn))
        left, right = halves
        train, test = [], []
        for each in halves:
            parts = standardise(each.train_images, each.test_images)
            seen, unseen = (square(part) for part in parts)
            train.append(seen[same_classes(each.train_labels, left.train_labels)])
            test.append(unseen[same_classes(each.test_labels, left.test_labels)])
        lone = lone_halves(self.num_train, self.mu, stream(seed, "two images", "lone"))
        both = torch.cat(train, 3)
        none = {"validation": both[:0], "validation_labels": left.train_labels[:0]}
        splits = Splits(
            train=only(both, lone),
            train_labels=left.train_labels,
            test=torch.cat(test, 3),
            test_labels=left.test_labels,
            num_classes=_classes(left, right),
            **none,
        )
        moved: dict[str, Any] = {
            name: value.to(context.device) if isinstance(value, Tensor) else value
            for name, value in vars(splits).items()
        }
        return Splits(**moved)


def _classes(left: ImageData, right: ImageData) -> int:
    """The number of classes of both halves.

    Raises:
        ValueError: If they differ.
    """
    if left.num_classes != right.num_classes:
        raise ValueError(
            f"data={left.name} has {left.num_classes} classes and data_right={right.name} "
            f"{right.num_classes}: use data sets of as many."
        )
    return left.num_classes


def square(images: Float[Tensor, "n C h w"]) -> Float[Tensor, "n 3 32 32"]:
    """The images in three channels, smaller ones in the middle of a frame like their corner."""
    missing = SIDE - images.shape[-1]
    before, after = missing // 2, missing - missing // 2
    framed = functional.pad(images, (before, after, before, after), mode="replicate")
    return framed.expand(-1, 3, -1, -1)


def same_classes(labels: Int[Tensor, " n"], wanted: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Which of the samples stands where, so that their labels are those wanted."""
    order = torch.empty_like(labels)
    order[wanted.argsort(stable=True)] = labels.argsort(stable=True)
    return order


def lone_halves(n: int, mu: float, generator: torch.Generator) -> Int[Tensor, " n"]:
    """The half that each sample shows alone, 0 or 1; -1 for both, of all but a fraction mu."""
    number = round(mu * n)
    lone = torch.full((n,), -1)
    lone[:number] = torch.arange(number) % 2
    return lone[torch.randperm(n, generator=generator)]


def only(
    samples: Float[Tensor, "n C h w"], lone: Int[Tensor, " n"] | int
) -> Float[Tensor, "n C h w"]:
    """The samples with all but one half blank, or as they are where ``lone`` is -1."""
    shown = torch.as_tensor(lone).expand(len(samples)).to(samples.device)
    half = torch.arange(samples.shape[-1], device=samples.device) * 2 // samples.shape[-1]
    seen = (shown[:, None] == -1) | (shown[:, None] == half)
    return samples * seen[:, None, None]


def shown_alone(samples: Float[Tensor, "n C h w"]) -> Int[Tensor, " n"]:
    """The half that each sample shows alone, 0 or 1; -1 where neither is blank."""
    left, right = ((half == 0).flatten(1).all(1) for half in samples.chunk(2, 3))
    return torch.where(left, 1, torch.where(right, 0, -1))
