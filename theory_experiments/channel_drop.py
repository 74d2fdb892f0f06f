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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd
from rich.console import Group
from rich.table import Table

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import split
from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid
from multiview.runs.script import main
from theory_experiments._channel_drop import run_drop
from theory_experiments._channel_drop_claims import (
    PARTS,
    image_claims,
    synthetic_claims,
    view_claims,
)
from theory_experiments._channel_inputs import DropCell
from theory_experiments._estimates import claims_from, percent, points, where
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


def claims(preset: str, options: Options) -> list[Claim]:
    """What the paper's figure and the theory say; the smoke preset is too small for either."""
    if preset == "smoke":
        return []
    images = [claim for part in ("layer", "colours", "tiles") for claim in image_claims(part)]
    return claims_from([*images, *view_claims(part="layer"), *synthetic_claims()])


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
