"""Images: the setting, real data sets read once, and images made up with known views."""

from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from multiview import checks
from multiview.bench.module_setting import ModuleSetting, check_gates
from multiview.bench.modules import ModuleBench
from multiview.bench.nets import Conv, Dense, Fast, LeNet, NetSpec, Quick, Residual, WidePair
from multiview.bench.recipe import Recipe, fast_recipe
from multiview.bench.types import Context, DropoutKind
from multiview.data.images import READERS, ImageData, load_images
from multiview.data.splits import Splits, split
from multiview.data.stand_ins import multi_view_images, view_textures
from multiview.rng import stream

MADE_UP = "multi_view"
MADE_UP_CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class ImageSetting(ModuleSetting):
    """A data set, and the networks that are trained on some of it.

    Attributes:
        data: Name of a data set in ``--data-dir``, or "multi_view", which is made up.
        num_train: None: all but the validation images.
        num_validation: Of the training file too; whatever is chosen is chosen on them. 0 for none.
        num_test: None: all.
        shrink: Images are averaged over squares of so many pixels' side.
    """

    data: str = "cifar10"
    num_train: int | None = 2000
    num_validation: int = 500
    num_test: int | None = 2000
    shrink: int = 1
    members: int = 4
    net: Fast | Conv | Dense | Residual | Quick | LeNet | WidePair = field(
        default_factory=lambda: Fast(widths=(16, 32, 64))
    )
    recipe: Recipe = field(default_factory=lambda: fast_recipe(epochs=20))
    students: Recipe = field(default_factory=lambda: fast_recipe(epochs=20))

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("data", self.data, (MADE_UP, *READERS))
        checks.instance("net", self.net, NetSpec, "use a kind such as Dense(widths=(64,))")
        checks.count("num_validation", self.num_validation, 0, meaning="counts images")
        for name in ("num_train", "num_test"):
            if getattr(self, name) is not None:
                checks.count(name, getattr(self, name), meaning="counts images")
        checks.count("shrink", self.shrink, meaning="is a side in pixels, 1 for none")

    def bench(self, seed: int, context: Context) -> ModuleBench:
        """The bench of one repetition: images drawn by the seed."""
        sizes = (self.num_train, self.num_validation, self.num_test)
        drawn = stream(seed, "images", "split")
        whole = split(self.images(seed, context), *sizes, drawn, context.device)
        splits, net = shrunk(whole, self.shrink), self.net
        pair = partial(net.pair, splits) if isinstance(net, WidePair) else None
        return ModuleBench(self, splits, partial(net.build, splits), seed, context, pair)

    def images(self, seed: int, context: Context) -> ImageData:
        """The whole data set, or one made up for this repetition.

        Raises:
            ValueError: If it is not there.
        """
        if self.data == MADE_UP:
            textures = view_textures(MADE_UP_CLASSES, stream(seed, "images", "textures"))
            n_train = (self.num_train or 0) + self.num_validation
            n_test = self.num_test or self.num_validation
            return multi_view_images(textures, n_train, n_test, stream(seed, "images", "made up"))
        if context.data_dir is None:
            raise ValueError(
                f"data_dir=None: {self.data} is read from --data-dir: give the folder that holds "
                "it (`multiview data verify DIR` says what is in one)."
            )
        return read_once(self.data, context.data_dir)

    def check(self, context: Context) -> None:
        """Refuse images that are not there, and numbers of them that classes cannot share."""
        if self.data != MADE_UP:
            data = self.images(0, context)
            self._check_sizes(data.num_classes, data.train_labels, data.test_labels)
            return
        if self.num_train is None or (self.num_test is None and not self.num_validation):
            name = "num_train" if self.num_train is None else "num_test"
            raise ValueError(
                f"{name}=None is all there are, and images of {self.data!r} are made as many as "
                "asked for: give a number."
            )
        self._check_sizes(MADE_UP_CLASSES)

    def _check_sizes(
        self, num_classes: int, train: Tensor | None = None, test: Tensor | None = None
    ) -> None:
        """Refuse sizes that are no multiple of the classes, or more than there are of each.

        Args:
            train, test: Labels of all images; None where images are made as many as asked for.
        """
        for name in ("num_train", "num_validation", "num_test"):
            size = getattr(self, name)
            if size is not None and size % num_classes:
                raise ValueError(
                    f"{name}={size} images cannot be shared equally by {num_classes} classes: use "
                    f"a multiple of {num_classes}."
                )
        asked = {
            "num_train + num_validation": (train, (self.num_train or 0) + self.num_validation),
            "num_test": (test, self.num_test or 0),
        }
        for name, (labels, size) in asked.items():
            if labels is None:
                continue
            most = int(labels.bincount(minlength=num_classes).min()) * num_classes
            if size > most:
                raise ValueError(
                    f"{name}={size}: {self.data} has {most} images in equal shares of all classes, "
                    "use at most as many."
                )

    def with_net(self, net: NetSpec) -> "ImageSetting":
        """The setting with networks of another kind."""
        other: Any = checks.instance("net", net, NetSpec, "use a kind such as Dense(widths=(64,))")
        return replace(self, net=other)

    def check_gates(self, dropout: float | tuple[float, ...]) -> None:
        """Refuse gates on networks whose layers cannot have them."""
        check_gates(example_of(self.net), dropout)

    def check_dropout(self, kind: DropoutKind, rate: float | None) -> None:
        """Refuse dropout in networks that have none."""
        super().check_dropout(kind, rate)
        if not hasattr(self.net, "dropout"):
            raise ValueError(
                f"{type(self.net).__name__} has no dropout layer: use net=Quick() or Dense(...)."
            )

    def check_shared(self, shared: int) -> None:
        """Refuse to share more than a pair of networks can."""
        if not isinstance(self.net, WidePair):
            super().check_shared(shared)
        elif not 0 <= shared <= self.net.most_shared:
            raise ValueError(
                f"shared={shared} counts convolutions: use 0 to {self.net.most_shared}."
            )


def shrunk(splits: Splits, side: int) -> Splits:
    """The images averaged over squares of ``side`` x ``side`` pixels."""
    if side == 1:
        return splits
    names = ("train", "validation", "test")
    return replace(
        splits, **{name: functional.avg_pool2d(getattr(splits, name), side) for name in names}
    )


@cache
def example_of(net: NetSpec) -> nn.Module:
    """An untrained network of this kind, made for noise in place of images."""
    noise = torch.randn(100, 3, 32, 32, generator=stream(0, "images", "example"))
    labels = torch.arange(100) % MADE_UP_CLASSES
    none = {"validation": noise[:0], "validation_labels": labels[:0]}
    splits = Splits(
        train=noise,
        train_labels=labels,
        **none,
        test=noise[:0],
        test_labels=labels[:0],
        num_classes=MADE_UP_CLASSES,
    )
    return net.build(splits, stream(0, "images", "example net"))


@cache
def read_once(name: str, data_dir: Path) -> ImageData:
    """A data set, read once for all cells of a process."""
    return load_images(name, data_dir)
