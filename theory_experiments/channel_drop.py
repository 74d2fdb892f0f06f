"""Channels of a trained network hold views: with fewer of them, what can an ensemble still gain?

New networks are trained on the channels of an intermediate layer of a pre-trained one, all of them
or some dropped "semi-randomly", the same for all members (Allen-Zhu & Li, arXiv 2012.09816,
Figure 3; layer, numbers and the manner of dropping are not stated in the sources at hand, ours are
in ``_channel_drop``). The same with colours and with tiles of the image dropped, and, on the same
axes, with views dropped from synthetic patches, where the theory says what happens. Beyond the
paper: on how many disjoint groups of channels a network gets a test image right is its number of
views; is it the images with few on which an ensemble gains?
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table

from multiview.claims import Claim
from multiview.data.images import ImageData
from multiview.experiment import Context, Experiment, Grid
from multiview.script import main
from theory_experiments._channel_drop import DropCell, run_drop
from theory_experiments._estimates import Estimate, claims_from, percent, points, where
from theory_experiments._image_data import images_for
from theory_experiments._image_nets import Recipe, fast_recipe
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


def small(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other fields of its ``OptimSpec``."""
    return replace(recipe, optim=replace(recipe.optim, **changes))


LAPTOP = Kinds(images=DropCell())
SMOKE = Kinds(
    images=DropCell(
        data="multi_view",
        num_pretrain=100,
        num_train=100,
        num_validation=50,
        num_test=100,
        base_widths=(8, 8, 8),
        widths=(8, 8, 8),
        members=2,
        students=1,
        pretrain=small(fast_recipe(epochs=2), batch_size=50),
        recipe=small(fast_recipe(epochs=2), batch_size=50),
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
        pretrain=replace(fast_recipe(epochs=30), padding=4),
        recipe=replace(fast_recipe(epochs=40), padding=4, together=10),
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


def cost(cells: Sequence[Any], context: Context) -> None:
    """Nothing to say, but images that are not there are missed before any work."""
    for cell in cells:
        if isinstance(cell, DropCell):
            images_of(cell, context)
            return


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
    for heading in ("groups of", "suffice", "images", "one network", "ensemble", "share of gain"):
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
                views.add_row(
                    name,
                    str(count),
                    percent(share),
                    *map(percent, values),
                    points(rows["count_share"].str[count]),
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


def gain_by_views(part: str, many: bool) -> Estimate:
    """Estimate: the gain per image that at least one group suffices for, but few or many of them.

    Few is at most half of the groups.
    """

    def gain(row: pd.Series) -> float:
        samples, gains = np.array(row["count_samples"]), np.nan_to_num(row["count_gain"])
        counts = np.arange(len(samples))
        groups = len(samples) - 1
        chosen = counts > groups / 2 if many else (counts > 0) & (counts <= groups / 2)
        return float((samples * gains)[chosen].sum() / samples[chosen].sum())

    return lambda table: where(table, part=part).apply(gain, axis=1)


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
    few, many = (gain_by_views(part, many) for many in (False, True))
    yield f"{part}: gain by views", source, says, (0.0, 1.0), minus(few, many)


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
