"""Specialists for the classes that a generalist confuses, by where they start: do they gain?

Hinton, Vinyals & Dean (arXiv 1503.02531, Section 5) cluster classes by the covariance of a
generalist's predictions, train a specialist for each cluster from the generalist's weights, and
combine them at test time; their data and net are private, ours are CIFAR-100 and small. Beside
them: specialists of fresh start, of the true superclasses and of random sets, the generalist
trained on for about as many images as these see, and ensembles of generalists. In the multi-view
theory a net keeps the views that its start decided, so that on synthetic patches, where views are
known, specialists that start from the generalist should add none and fresh ones should. Claims
stand as they were when results on the seeds 0 to 9 were known, and before any run on the seeds from
10 on, each of which draws images of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from multiview import stream
from multiview.data.splits import Splits
from multiview.runs.experiment import Context, Experiment, Preset
from multiview.runs.script import main
from theory_experiments._image_cost import cost_of
from theory_experiments._image_nets import Fast, fast_recipe, gpu_recipe
from theory_experiments._parts import (
    SYNTHETIC,
    cells_of,
    check_images_present,
    claims_of,
    cost_of_parts,
    images_of,
    tables_of,
)
from theory_experiments._patch_nets import PAPER_SPEC, SMALL_SPEC
from theory_experiments._patch_specialists import PatchSpecialistCell, run_patch_specialists
from theory_experiments._specialist_claims import image_claims, patch_claims
from theory_experiments._specialist_sets import FAMILIES, ImageSpecialistCell
from theory_experiments._specialist_tables import PART, image_tables, patch_tables
from theory_experiments._specialists import run_image_specialists
from theory_experiments.views.units import counted_in_views

Cell = ImageSpecialistCell | PatchSpecialistCell
Cells = tuple[ImageSpecialistCell, PatchSpecialistCell]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of data."""

    part: Literal["all", "cifar100", "synthetic"] = "all"
    """cifar100 (from --data-dir; in smoke made-up images), synthetic patches, or both."""


LAPTOP: Cells = (ImageSpecialistCell(), PatchSpecialistCell())
SMOKE: Cells = (
    ImageSpecialistCell(
        data="multi_view",
        num_train=200,
        num_validation=100,
        num_test=100,
        members=2,
        num_sets=4,
        smallest_set=2,
        net=Fast(widths=(4, 8, 8)),
        recipe=fast_recipe(epochs=2),
        tuned_epochs=1,
    ),
    PatchSpecialistCell(
        spec=SMALL_SPEC,
        num_train=200,
        num_validation=100,
        num_test=200,
        probes_per_view=20,
        members=2,
        num_sets=2,
    ),
)
# Each specialist has a head of its own: compiling some 80 of them would take longer than training.
NOT_COMPILED = replace(gpu_recipe(epochs=30).compute, compile=False)
# All images, on a GPU; no rate of these was compared.
PAPER: Cells = (
    ImageSpecialistCell(
        num_train=45_000,
        num_validation=5000,
        num_test=10_000,
        members=5,
        smallest_set=2,
        net=Fast(),
        recipe=replace(gpu_recipe(epochs=30), compute=NOT_COMPILED),
        tuned_rate=0.3,
        tuned_epochs=10,
    ),
    PatchSpecialistCell(
        spec=PAPER_SPEC,
        num_train=2000,
        num_validation=2000,
        num_test=10_000,
        probes_per_view=100,
        width=20,
        members=10,
    ),
)


def parts_of(cells: Cells) -> Callable[[Options], list[Cell]]:
    """Cells for ``Preset.cells``: those of the chosen parts, one of each a repetition."""
    return cells_of({cell.part: cell for cell in cells})


def run(cell: Cell, context: Context) -> dict[str, dict[str, Any]]:
    """One cell: generalists and specialists on images, or on patches (always on the CPU)."""
    if isinstance(cell, PatchSpecialistCell):
        return run_patch_specialists(cell, context.progress)
    return run_image_specialists(cell, images_of(cell, context), context)


def cost(cells: Sequence[Cell], context: Context) -> str | None:
    """What the cells on images will take."""
    return cost_of_parts(cells, context, work, lambda cell: cell.recipe.compute.bfloat16)


def work(cell: ImageSpecialistCell, few: Splits, trained_on: int) -> tuple[float, float]:
    """FLOP and bytes of a cell, at most.

    A family sees its classes' images and as many others, and classes of too small sets have no
    specialist; the net that is trained on sees about as many images as one family.
    """
    each = cost_of(cell.net.build(few, stream(0)), few.train[0])
    epochs = cell.members * cell.recipe.optim.epochs + 2 * cell.tuned_epochs
    epochs += sum(
        2 * (cell.tuned if tuned else cell.recipe).optim.epochs for _, tuned in FAMILIES.values()
    )
    at_once = min(cell.recipe.together, cell.members)
    memory = at_once * cell.recipe.optim.batch_size * each.activations
    memory += (cell.members + cell.num_sets + 2 * at_once) * each.weights
    return 3 * epochs * trained_on * each.forward, memory


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the number of views that c and single-view errors are shares of.

    Means over generalists count as one of them: their intervals are too long rather than too short.
    """
    return counted_in_views(table, "coverage", "single")


EXPERIMENT = Experiment(
    name="specialists",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=parts_of(SMOKE), seeds=2, claimed=False),
        "laptop": Preset(cells=parts_of(LAPTOP), seeds=6, first_seed=10),
        "paper": Preset(cells=parts_of(PAPER), seeds=5, first_seed=10),
    },
    claims=claims_of({PART: image_claims, SYNTHETIC: patch_claims}),
    check=check_images_present,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables_of({PART: image_tables, SYNTHETIC: patch_tables}),
    figure="specialists",
)

if __name__ == "__main__":
    main(EXPERIMENT)
