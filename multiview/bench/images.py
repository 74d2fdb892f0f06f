"""Images: the setting, real data sets read once, and images made up with known views."""

from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from multiview.bench.bench import Context
from multiview.bench.modules import ModuleBench, ModuleSetting
from multiview.bench.nets import Dense, Fast, LeNet, Quick, Residual
from multiview.bench.recipe import Recipe, fast_recipe
from multiview.data.images import ImageData, load_images
from multiview.data.splits import split
from multiview.data.stand_ins import multi_view_images, view_textures
from multiview.rng import stream

MADE_UP = "multi_view"


@dataclass(frozen=True, kw_only=True)
class ImageSetting(ModuleSetting):
    """A data set, and the networks that are trained on some of it.

    Attributes:
        data: Name of a data set in ``--data-dir``, or "multi_view", which is made up.
        num_train: None: all but the validation images.
        num_validation: Of the training file too; whatever is chosen is chosen on them.
        num_test: None: all.
    """

    data: str = "cifar10"
    num_train: int | None = 2000
    num_validation: int = 500
    num_test: int | None = 2000
    members: int = 4
    net: Fast | Dense | Residual | Quick | LeNet = field(
        default_factory=lambda: Fast(widths=(16, 32, 64))
    )
    recipe: Recipe = field(default_factory=lambda: fast_recipe(epochs=20))
    students: Recipe = field(default_factory=lambda: fast_recipe(epochs=20))

    def bench(self, seed: int, context: Context) -> ModuleBench:
        """The bench of one repetition: images drawn by the seed."""
        sizes = (self.num_train, self.num_validation, self.num_test)
        drawn = stream(seed, "images", "split")
        splits = split(self.images(seed, context), *sizes, drawn, context.device)
        return ModuleBench(self, splits, partial(self.net.build, splits), seed, context)

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

    def check_dropout(self, kind: str) -> None:
        """Refuse dropout in networks that have none."""
        super().check_dropout(kind)  # type: ignore[arg-type]
        if not hasattr(self.net, "dropout"):
            raise ValueError(
                f"{type(self.net).__name__} has no dropout layer: use net=Quick() or Dense(...)."
            )


@cache
def read_once(name: str, data_dir: Path) -> ImageData:
    """A data set, read once for all cells of a process."""
    return load_images(name, data_dir)
