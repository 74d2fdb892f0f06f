"""Channels of a trained network hold views: with fewer of them, what can an ensemble still gain?

New networks are trained on the channels of an intermediate layer of a pre-trained one, all of them
or some dropped "semi-randomly", the same for all members (Allen-Zhu & Li, arXiv 2012.09816,
Figure 3; layer, numbers and the manner of dropping are not stated in the sources at hand, ours are
in ``_channel_inputs``). The same with colours and with tiles of the image dropped, and, on the same
axes, with views dropped from synthetic patches, where the theory says what happens. Beyond the
paper: on how many disjoint groups of channels a network gets a test image right is its number of
views; is it the images with few on which an ensemble gains? That few nets are right also says that
an image is hard, so nets that all see the same group stand beside. On ``--device cuda`` synthetic
views are still computed on the CPU.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table

from multiview import stream
from multiview.claims import Claim
from multiview.data.images import ImageData
from multiview.data.splits import split
from multiview.experiment import Context, Experiment, Grid
from multiview.script import main
from theory_experiments._channel_drop import run_drop
from theory_experiments._channel_inputs import DropCell
from theory_experiments._estimates import Estimate, claims_from, percent, points, where
from theory_experiments._image_cost import cost_of, time_and_memory
from theory_experiments._image_data import images_for
from theory_experiments._image_nets import Fast, Recipe, fast_recipe, gpu_recipe
from theory_experiments._view_drop import SMOKE as FEW_PATCHES
from theory_experiments._view_drop import ViewDropCell, run_view_drop


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which images."""

    data: Literal["cifar10", "cifar100", "multi_view"] | None = None
    """cifar10, cifar100 (from --data-dir) or made up; cifar10 unless said, in smoke made up."""


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """The cells of one repetition: one for each kind of inputs."""

    images: DropCell
    patches: ViewDropCell = field(default_factory=ViewDropCell)

    def cells(self, seed: int, options: Options) -> Iterator[DropCell | ViewDropCell]:
        """Channels of a layer, colours, tiles, and synthetic views."""
        base = replace(self.images, seed=seed, data=options.data or self.images.data)
        yield replace(base, part="layer")
        yield replace(base, part="colours", groups=3, kept=(3, 2, 1))
        yield replace(base, part="tiles")
        yield replace(self.patches, seed=seed)


def with_optim(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other fields of its ``OptimSpec``."""
    return replace(recipe, optim=replace(recipe.optim, **changes))


LAPTOP = Kinds(images=DropCell())
SMOKE = Kinds(
    images=DropCell(
        data="multi_view",
        num_pretrain=100,
        num_train=100,
        num_validation=100,
        num_test=100,
        base_widths=(8, 8, 8),
        widths=(8, 8, 8),
        members=2,
        students=1,
        pretrain=with_optim(fast_recipe(epochs=2), batch_size=50),
        recipe=with_optim(fast_recipe(epochs=2), batch_size=50),
    ),
    patches=FEW_PATCHES,
)
PAPER = Kinds(
    images=DropCell(
        num_pretrain=25_000,
        num_train=20_000,
        num_validation=5000,
        num_test=10_000,
        base_widths=(64, 256, 256),
        widths=(64, 256, 256),
        members=10,
        students=3,
        pretrain=gpu_recipe(epochs=30),
        recipe=gpu_recipe(epochs=40),
        student_rate=0.5,
    )
)
PRESETS = {"smoke": SMOKE, "laptop": LAPTOP, "paper": PAPER}
SEEDS = {"smoke": 2, "laptop": 3, "paper": 3}


def images_of(cell: DropCell, context: Context) -> ImageData:
    """The data set of the cell."""
    n_train = cell.num_pretrain + cell.num_train + cell.num_validation
    sizes = {"n_train": n_train, "n_test": cell.num_test}
    return images_for(cell.data, context, seed=cell.seed, **sizes)


def run(cell: DropCell | ViewDropCell, context: Context) -> dict[str, Any]:
    """One kind of inputs in one repetition."""
    if isinstance(cell, ViewDropCell):
        return run_view_drop(cell, context.progress)
    return run_drop(cell, images_of(cell, context), context)


def cost(cells: Sequence[Any], context: Context) -> str | None:
    """What the cells will take; raises a ValueError where the images are not there."""
    image_cells = [cell for cell in cells if isinstance(cell, DropCell)]
    if not image_cells:
        return None
    cell = image_cells[0]
    images = images_of(cell, context)
    if cell.data == "multi_view":
        return None
    few = split(images, images.num_classes, images.num_classes, images.num_classes, stream(0))
    whole = cost_of(Fast(widths=cell.widths).build(few, stream(0)), few.train[0])
    base = cost_of(Fast(widths=cell.base_widths).build(few, stream(0)), few.train[0])
    flop = 0.0
    for each in image_cells:
        # A backward pass is two; all teachers look forward for every part of the students. A net
        # on channels is counted as a whole one: an upper limit.
        nets = len(each.kept) * (each.members + each.students) + 2 * each.groups
        teachers = len(each.kept) * each.members * -(-each.students // each.recipe.together)
        net = base if each.part == "layer" else whole
        passes = (3 * nets + teachers) * each.recipe.optim.epochs
        flop += passes * each.num_train * net.forward
        if each.part == "layer":
            flop += 3 * each.pretrain.optim.epochs * each.num_pretrain * base.forward
    at_once = cell.recipe.together * cell.recipe.optim.batch_size
    memory = at_once * max(whole.activations, base.activations)
    bfloat16 = cell.recipe.compute.bfloat16
    return time_and_memory(flop, memory, len(image_cells), context.device, bfloat16)


PARTS = {
    "layer": "channels of a layer",
    "colours": "colours",
    "tiles": "tiles of the image",
    "synthetic": "synthetic views",
}


def summary(table: pd.DataFrame) -> Group:
    """Errors and gains by the fraction kept, and by the number of groups that suffice."""
    kept = Table(
        title=f"test error in %, mean [95% interval], n={table['seed'].nunique()} repetitions",
        title_justify="left",
    )
    for heading in ("kept", "fraction", "one network", "ensemble", "gain", "distilled"):
        kept.add_column(heading, justify="left" if heading == "kept" else "right")
    views = Table(
        title="Test images by the number of groups that suffice alone",
        title_justify="left",
    )
    headings = ("groups of", "suffice", "images", "one network", "ensemble", "gain", "same group")
    for heading in headings:
        views.add_column(heading, justify="left" if heading == "groups of" else "right")
    for part, name in PARTS.items():
        rows = where(table, part=part)
        for i, fraction in enumerate(rows["fractions"].iat[0] if len(rows) else ()):
            errors = [percent(rows[who].str[i]) for who in ("one", "ensemble")]
            taught = percent(rows["distilled"].str[i])
            kept.add_row(name, f"{fraction:.2f}", *errors, points(rows["gain"].str[i]), taught)
        if len(rows) and part != "synthetic":
            for count in range(len(rows["count_samples"].iat[0])):
                share = rows["count_samples"].map(lambda each, i=count: each[i] / sum(each))
                values = [rows[f"count_{who}"].str[count] for who in ("one", "ensemble")]
                gains = [rows[f"{which}_gain"].str[count] for which in ("count", "same")]
                views.add_row(
                    name,
                    str(count),
                    percent(share),
                    *map(percent, values),
                    *map(points, gains),
                )
    return Group(kept, views)


def at(part: str, who: str, place: int) -> Estimate:
    """Estimate: a list's entry in the rows of one kind of inputs; 0: all kept, -1: the fewest."""
    return lambda table: where(table, part=part)[who].map(lambda each: each[place])


def minus(first: Estimate, second: Estimate) -> Estimate:
    """Estimate: the difference of two of the same rows."""
    return lambda table: first(table) - second(table)


def relative_gain(part: str, place: int) -> Estimate:
    """Estimate: the gain as a part of one network's error."""
    return lambda table: at(part, "gain", place)(table) / at(part, "one", place)(table)


def few_minus_many(part: str, name: str) -> Estimate:
    """Estimate: the gain per image that few groups suffice for, minus that where many do.

    Few is one up to half of the groups: images that none suffices for show no view. NaN where
    there are no such images.

    Args:
        name: "count", or "same" for nets that all see the same group.
    """

    def gap(samples: Sequence[float], gains: Sequence[float]) -> float:
        counts = np.arange(len(samples))
        half = (len(samples) - 1) / 2
        total = np.array(samples) * np.nan_to_num(np.array(gains, float))
        means = []
        for chosen in ((counts > 0) & (counts <= half), counts > half):
            number = np.array(samples)[chosen].sum()
            means.append(total[chosen].sum() / number if number else math.nan)
        return means[0] - means[1]

    def estimate(table: pd.DataFrame) -> pd.Series:
        rows = where(table, part=part)
        lists = zip(rows[f"{name}_samples"], rows[f"{name}_gain"], strict=True)
        return pd.Series([gap(*each) for each in lists], rows.index, dtype=float)

    return estimate


def claims(preset: str, options: Options) -> list[Claim]:
    """What the paper's figure and the theory say; the smoke preset is too small for either."""
    if preset == "smoke":
        return []
    images = [claim for part in ("layer", "colours", "tiles") for claim in image_claims(part)]
    return claims_from([*images, *view_claims(part="layer"), *synthetic_claims()])


def image_claims(part: str) -> Iterator[tuple]:
    """The paper's figure, read in both ways its reports allow."""
    source, name, more = "Figure 3", PARTS[part], (0.0, 1.0)
    says = f"all {name}: averaging networks gains over one of them"
    yield f"{part}: ensemble", source, says, more, at(part, "gain", 0)
    says = f"fewest {name}: averaging networks gains over one of them"
    yield f"{part}: ensemble of few", source, says, more, at(part, "gain", -1)
    says = f"one network errs more with the fewest {name} than with all"
    loss = minus(at(part, "one", -1), at(part, "one", 0))
    yield f"{part}: dropping hurts", source, says, more, loss
    says = f"an ensemble gains less with the fewest {name} than with all: fewer views"
    yield (
        f"{part}: gain falls",
        source,
        says,
        more,
        minus(at(part, "gain", 0), at(part, "gain", -1)),
    )
    says = "... also as a part of one network's error"
    fall = minus(relative_gain(part, 0), relative_gain(part, -1))
    yield f"{part}: relative gain falls", source, says, more, fall
    says = f"after the first drop of {name} an ensemble errs no more than one network before"
    back = minus(at(part, "one", 0), at(part, "ensemble", 1))
    yield f"{part}: ensemble makes up", source, says, more, back


def view_claims(part: str) -> Iterator[tuple]:
    """Beyond the paper."""
    source, name = "multi-view hypothesis", PARTS[part]
    says = f"per image, an ensemble gains more where few groups of {name} suffice than where many"
    views, hardness = (few_minus_many(part, which) for which in ("count", "same"))
    yield f"{part}: gain by views", source, says, (0.0, 1.0), views
    says = "... by more than where few of as many nets that see the same group are right"
    yield f"{part}: views, not hardness", source, says, (0.0, 1.0), minus(views, hardness)


def synthetic_claims() -> Iterator[tuple]:
    """What the theory says of synthetic views, where it is known which a sample shows."""
    part, source = "synthetic", "Theorems 1-2 with views dropped"
    says = "an ensemble gains less with half of the views than with all"
    fall = minus(at(part, "gain", 0), at(part, "gain", 1))
    yield "synthetic: gain falls", source, says, (0.0, 1.0), fall
    says = "with one view left an ensemble gains less than 0.02"
    yield "synthetic: one view", source, says, (-1.0, 0.02), at(part, "gain", -1)
    for place, views in ((0, "all"), (1, "half of the")):
        says = f"with {views} views the gain is within 0.05 of the closed form"
        gap = minus(at(part, "gain", place), at(part, "theory_gain", place))
        yield f"synthetic: gain with {views} views", source, says, (-0.05, 0.05), gap
    says = "on samples that show all views an ensemble gains less than 0.02"
    yield "synthetic: many views shown", source, says, (-1.0, 0.02), at(part, "gain_multi", 0)


EXPERIMENT = Experiment(
    name="channel_drop",
    run=run,
    grids={name: Grid(cells=kinds.cells, seeds=SEEDS[name]) for name, kinds in PRESETS.items()},
    cost=cost,
    claims=claims,
    options=Options,
    summary=summary,
    figure="channel_drop",
)

if __name__ == "__main__":
    main(EXPERIMENT)
