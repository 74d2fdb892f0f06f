"""Images: the setting, real data sets read once, and images made up with known views."""

from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from torch.nn import functional

from multiview.bench.module_setting import ModuleSetting
from multiview.bench.modules import ModuleBench
from multiview.bench.nets import Conv, Dense, Fast, LeNet, Quick, Residual, WidePair
from multiview.bench.recipe import Recipe, fast_recipe
from multiview.bench.types import Context, DropoutKind
from multiview.data.images import ImageData, load_images
from multiview.data.splits import Splits, split
from multiview.data.stand_ins import multi_view_images, view_textures
from multiview.rng import stream

MADE_UP = "multi_view"


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
        if self.shrink < 1:
            raise ValueError(f"shrink={self.shrink} is a side in pixels: use 1 for none.")

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
            textures = view_textures(10, stream(seed, "images", "textures"))
            n_train = (self.num_train or 0) + self.num_validation
            n_test = self.num_test or self.num_validation
            return multi_view_images(textures, n_train, n_test, stream(seed, "images", "made up"))
        if context.data_dir is None:
            raise ValueError(
                f"{self.data} is read from --data-dir: give the folder that holds it "
                "(`multiview data verify DIR` says what is in one)."
            )
        return read_once(self.data, context.data_dir)

    def check(self, context: Context) -> None:
        """Refuse images that are not there."""
        if self.data != MADE_UP:
            self.images(0, context)

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
def read_once(name: str, data_dir: Path) -> ImageData:
    """A data set, read once for all cells of a process."""
    return load_images(name, data_dir)
