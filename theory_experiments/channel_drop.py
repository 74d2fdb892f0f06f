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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits
from multiview.runs.experiment import Context, Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Column, Line, Listing, measure
from theory_experiments._channel_drop import run_drop
from theory_experiments._channel_drop_claims import (
    PARTS,
    image_claims,
    layer_claims,
    synthetic_claims,
)
from theory_experiments._channel_inputs import DropCell
from theory_experiments._image_cost import cost_of
from theory_experiments._image_data import images_for
from theory_experiments._image_nets import Fast, Recipe, fast_recipe, gpu_recipe
from theory_experiments._parts import claims_of, cost_of_parts
from theory_experiments._view_drop import SMOKE as FEW_PATCHES
from theory_experiments._view_drop import ViewDropCell, run_view_drop
from theory_experiments.views.units import counted_in_views

AnyCell = DropCell | ViewDropCell
CLASSIFIERS = {"member": "one network", "ensemble": "ensemble", "distilled": "distilled"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of images."""

    data: Literal["cifar10", "cifar100", "multi_view"] | None = None
    """cifar10, cifar100 (from --data-dir) or made up; cifar10 unless said, in smoke made up."""


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """The cells of one repetition: one for each kind of inputs."""

    images: DropCell
    patches: ViewDropCell = field(default_factory=ViewDropCell)

    def cells(self, options: Options) -> Iterator[AnyCell]:
        """Channels of a layer, colours, tiles, and synthetic views."""
        base = replace(self.images, data=options.data or self.images.data)
        yield replace(base, part="layer")
        yield replace(base, part="colours", groups=3, kept=(3, 2, 1))
        yield replace(base, part="tiles")
        yield self.patches


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


def images_of(cell: DropCell, context: Context) -> ImageData:
    """The data set of the cell."""
    n_train = cell.num_pretrain + cell.num_train + cell.num_validation
    sizes = {"n_train": n_train, "n_test": cell.num_test}
    return images_for(cell.data, context, seed=cell.seed, **sizes)


def run(cell: AnyCell, context: Context) -> dict[str, dict[str, Any]]:
    """One kind of inputs in one repetition."""
    if isinstance(cell, ViewDropCell):
        return run_view_drop(cell, context.progress)
    return run_drop(cell, images_of(cell, context), context)


def check(cells: Sequence[AnyCell], context: Context) -> None:
    """Refuse to begin where real images are missing."""
    for cell in cells:
        if isinstance(cell, DropCell) and cell.data != "multi_view":
            images_of(cell, context)


def cost(cells: Sequence[AnyCell], context: Context) -> str | None:
    """What the cells with real images will take."""
    on_images = [cell for cell in cells if isinstance(cell, DropCell)]
    return cost_of_parts(on_images, context, work, lambda cell: cell.recipe.compute.bfloat16)


def work(cell: DropCell, few: Splits, trained_on: int) -> tuple[float, float]:
    """FLOP and bytes of a cell; a net on channels is counted as a whole one: an upper limit."""
    widths = cell.base_widths if cell.part == "layer" else cell.widths
    net = cost_of(Fast(widths=widths).build(few, stream(0)), few.train[0])
    # A backward pass is two; all teachers are evaluated for every part of the students.
    nets = len(cell.kept) * (cell.members + cell.students) + 2 * cell.groups
    teachers = len(cell.kept) * cell.members * -(-cell.students // cell.recipe.together)
    images = (3 * nets + teachers) * cell.recipe.optim.epochs * trained_on
    if cell.part == "layer":
        images += 3 * cell.pretrain.optim.epochs * cell.num_pretrain
    at_once = cell.recipe.together * cell.recipe.optim.batch_size
    return images * net.forward, at_once * net.activations


OF_SOME_PARTS = ("classifier", "samples", "count", "spec.num_classes", "spec.num_views")


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """What parts are called, shares of the test images, and what is counted in views."""
    table = table.reindex(columns=[*dict.fromkeys((*table, *OF_SOME_PARTS))])
    named = table.assign(
        label=table["part"].map(PARTS.get), share_of_images=table["samples"] / table["num_test"]
    )
    averaged = named.loc[named["classifier"] == "member", "method"].unique()
    return counted_in_views(named, "coverage", "single", averaged=list(averaged))


def tables(table: pd.DataFrame) -> Iterable[Listing]:
    """Errors and gains by the fraction kept, and by the number of groups that suffice."""
    synthetic = table["part"] == "synthetic"

    def gain(name: str = "gain", **where: Any) -> Column:
        return measure("gain, points", name, unit="points", **where)

    for title, chosen, errors, gains in (
        (
            "Images: test errors by the fraction kept",
            table[~synthetic],
            {"error": ""},
            [gain(classifier="ensemble")],
        ),
        (
            "Synthetic views: test errors by the fraction kept",
            table[synthetic],
            {"single": "on single-view, ", "multi": "on multi-view, "},
            [
                gain(classifier="ensemble"),
                measure(
                    "by theory",
                    "predicted_gain",
                    unit="points",
                    interval=False,
                    classifier="ensemble",
                ),
            ],
        ),
    ):
        columns = [
            measure(f"{name}, {on}%", error, classifier=who)
            for error, on in errors.items()
            for who, name in CLASSIFIERS.items()
        ]
        yield Listing(title=title, lines=_lines(chosen, "fraction"), columns=[*columns, *gains])
    yield Listing(
        title="Test images by the number of groups that suffice alone",
        lines=_lines(table, "count", nets="disjoint"),
        columns=[
            measure("images, %", "share_of_images"),
            measure("one network, %", "member_error"),
            measure("ensemble, %", "ensemble_error"),
            gain(),
            measure("with the same group: gain, points", "gain", unit="points", nets="same"),
        ],
    )


def _lines(table: Any, axis: str, **where: Any) -> list[Line]:
    """A line for each part and each value on the axis."""
    known = table.loc[table[axis].notna(), ["part", "label", axis]].drop_duplicates()
    return [
        Line(label=f"{value:.2g}", where={"part": part, axis: value, **where}, group=label)
        for part, label, value in known.itertuples(index=False)
    ]


EXPERIMENT = Experiment(
    name="channel_drop",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=SMOKE.cells, seeds=2, claimed=False),
        "laptop": Preset(cells=LAPTOP.cells, seeds=3, first_seed=10),
        "paper": Preset(cells=PAPER.cells, seeds=3, first_seed=10),
    },
    claims=claims_of(
        {
            "layer": layer_claims,
            "colours": image_claims,
            "tiles": image_claims,
            "synthetic": synthetic_claims,
        }
    ),
    check=check,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables,
    figure="channel_drop",
)

if __name__ == "__main__":
    main(EXPERIMENT)
