"""The classes of specialists on images: those a generalist confuses, superclasses, random sets."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from torch import nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits
from multiview.data.superclasses import superclasses_of
from multiview.distill import adjusted_rand, confusable_sets
from multiview.distill.confusable import Columns, groups_of, sets_of
from multiview.train import outputs_of
from theory_experiments._image_nets import Fast, Recipe, fast_recipe

# Which sets of classes a family's specialists have, and whether they start from the generalist.
FAMILIES = {
    "tuned": ("confusable", True),
    "fresh": ("confusable", False),
    "superclass": ("superclass", True),
    "random": ("random", True),
}
NULL_DRAWS = 1000  # random partitions that an agreement is compared with
Sets = list[list[int]]


@dataclass(frozen=True, kw_only=True)
class ImageSpecialistCell:
    """One repetition: images, initial weights and the order of images depend on ``seed``.

    On training images held out from training, with seed 1000, specialists that start from the
    generalist were compared at rates of 0.03, 0.1 and 0.3 for 5 epochs and at 0.1 for 10, and the
    columns of K-means at 5, 10 and 20 sets.
    """

    seed: int = 0
    part: str = "cifar100"
    data: Literal["cifar100", "multi_view"] = "cifar100"
    num_train: int = 2500
    num_validation: int = 1000  # of the training file too: here the generalist's confusions show
    num_test: int = 2000
    members: int = 3  # generalists, the first of which has specialists
    num_sets: int = 20
    smallest_set: int = 4  # smaller ones have too few images for a specialist of their own
    columns: Columns = "correlation"
    net: Fast = field(default_factory=lambda: Fast(widths=(16, 32, 64)))
    recipe: Recipe = field(default_factory=lambda: fast_recipe(epochs=15))
    tuned_rate: float = 0.1  # of nets that start from the generalist, as their epochs
    tuned_epochs: int = 5

    @property
    def tuned(self) -> Recipe:
        """How nets are trained that start from the generalist."""
        optim = replace(self.recipe.optim, learning_rate=self.tuned_rate, epochs=self.tuned_epochs)
        return replace(self.recipe, optim=optim)


def specialist_sets(
    cell: ImageSpecialistCell, images: ImageData, splits: Splits, generalist: nn.Module
) -> tuple[dict[str, Sets], dict[str, dict[str, Any]]]:
    """The classes of all families, and how confusable sets and superclasses agree."""
    seen = outputs_of(generalist, splits.validation, compute=cell.recipe.compute).cpu()
    k, real = splits.num_classes, cell.data == "cifar100"
    # Of made-up images neighbours stand in for superclasses.
    above = superclasses_of(images.class_names) if real else [label // 2 for label in range(k)]
    row: dict[str, dict[str, Any]] = {}
    found: dict[str, Sets] = {}
    for columns in get_args(Columns):
        draws = stream(cell.seed, "sets", columns)
        found[columns] = confusable_sets(seen.softmax(1), cell.num_sets, draws, columns=columns)
        row[kmeans_on(columns)] = {
            "agreement": adjusted_rand(groups_of(found[columns], k), above),
            "largest_set": max(map(len, found[columns])),
        }
    confusable = found[cell.columns]
    place, draws = torch.tensor(groups_of(confusable, k)), stream(cell.seed, "null")
    shuffled = [place[torch.randperm(k, generator=draws)].tolist() for _ in range(NULL_DRAWS)]
    null = torch.tensor([adjusted_rand(each, above) for each in shuffled])
    low, high = null.quantile(torch.tensor([0.025, 0.975])).tolist()
    row["data"] = {"null_low": low, "null_high": high}
    random = place[torch.randperm(k, generator=stream(cell.seed, "random sets"))].tolist()
    sets = {"confusable": confusable, "superclass": sets_of(above), "random": sets_of(random)}
    return sets, row


def kmeans_on(columns: str) -> str:
    """What K-means on these columns is called among the methods."""
    return f"kmeans_{columns}"


def ensemble_of(size: int) -> str:
    """What so many generalists averaged are called among the methods."""
    return "member" if size == 1 else f"ensemble_{size}"
