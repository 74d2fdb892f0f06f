"""Specialists for the classes that a generalist confuses, by where they start: do they gain?

Hinton, Vinyals & Dean (arXiv 1503.02531, Section 5) cluster classes by the covariance of a
generalist's predictions, train a specialist for each cluster from the generalist's weights, and
combine them at test time; their data and net are private, ours are CIFAR-100 and small. Beside
them: specialists of fresh start, of the true superclasses and of random sets, the generalist
trained on for about as many images as these see, and ensembles of generalists. In the multi-view
theory a net keeps the views that its start decided, so that on synthetic patches, where views are
known, specialists that start from the generalist should add none and fresh ones should.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from multiview import stream
from multiview.data.splits import split
from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid
from multiview.runs.script import main
from theory_experiments._estimates import claims_from, difference, of_part
from theory_experiments._image_cost import cost_of, time_and_memory
from theory_experiments._image_nets import Fast, fast_recipe, gpu_recipe
from theory_experiments._parts import cells_of, images_of, refuse_missing_images
from theory_experiments._patch_nets import PAPER_SPEC, SMALL_SPEC
from theory_experiments._patch_specialists import PatchSpecialistCell, run_patch_specialists
from theory_experiments._specialist_sets import FAMILIES, ImageSpecialistCell
from theory_experiments._specialist_tables import relative, summary
from theory_experiments._specialists import run_image_specialists

Cell = ImageSpecialistCell | PatchSpecialistCell


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which data."""

    part: Literal["all", "cifar100", "synthetic"] = "all"
    """cifar100 (from --data-dir; in smoke made-up images), synthetic patches, or both."""


LAPTOP = (ImageSpecialistCell(), PatchSpecialistCell())
SMOKE = (
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
PAPER = (
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
PRESETS: dict[str, tuple[ImageSpecialistCell, PatchSpecialistCell]] = {
    "smoke": SMOKE,
    "laptop": LAPTOP,
    "paper": PAPER,
}
SEEDS = {"smoke": 2, "laptop": 3, "paper": 5}


def cells(preset: str) -> Callable[[int, Options], list[Cell]]:
    """The cells of the chosen parts, one of each a repetition."""
    parts = {cell.part: cell for cell in PRESETS[preset]}
    return lambda seed, options: cells_of(parts, options.part, seed)


def run(cell: Cell, context: Context) -> dict[str, Any]:
    """One cell: generalists and specialists on images, or on patches (always on the CPU)."""
    if isinstance(cell, PatchSpecialistCell):
        return run_patch_specialists(cell, context.progress)
    return run_image_specialists(cell, images_of(cell, context), context)


def cost(cells: Sequence[Cell], context: Context) -> str | None:
    """What the cells on images will take; raises a ValueError where the images are not there."""
    real = [each for each in refuse_missing_images(cells, context) if each.data != "multi_view"]
    if not real:
        return None
    cell, images = real[0], images_of(real[0], context)
    few = split(images, images.num_classes, images.num_classes, images.num_classes, stream(0))
    each = cost_of(cell.net.build(few, stream(0)), few.train[0])
    # At most: a family sees its classes' images and as many others, and classes of too small sets
    # have no specialist; the net that is trained on sees about as many images as one family.
    epochs = cell.members * cell.recipe.optim.epochs + 2 * cell.tuned_epochs
    epochs += sum(
        2 * (cell.tuned if tuned else cell.recipe).optim.epochs for _, tuned in FAMILIES.values()
    )
    at_once = min(cell.recipe.together, cell.members)
    memory = at_once * cell.recipe.optim.batch_size * each.activations
    return time_and_memory(
        len(real) * 3 * epochs * cell.num_train * each.forward,
        memory + (cell.members + cell.num_sets + 2 * at_once) * each.weights,
        len(real),
        context.device,
        cell.recipe.compute.bfloat16,
    )


def covered_gain(table: pd.DataFrame) -> Any:
    """Estimate: relative gain where one specialist covers the class, less that where none does."""
    zero, one = (relative(f"tuned_{n}", f"generalist_{n}")(table) for n in (0, 1))
    return one - zero


def claims(preset: str, options: Options) -> list[Claim]:
    """The paper's signs and what the theory says; the smoke preset is too small for either."""
    if preset == "smoke":
        return []
    lines = [("cifar100", line) for line in image_claims()]
    lines += [("synthetic", line) for line in patch_claims()]
    chosen = [
        (*line[:4], of_part(part, line[4])) for part, line in lines if options.part in ("all", part)
    ]
    return claims_from(chosen)


def image_claims() -> Iterator[tuple]:
    """Hinton et al., Section 5; and controls."""
    source, gain = "arXiv 1503.02531, Table 3", (1e-4, 1.0)
    says = "specialists that start from the generalist gain over it alone"
    yield "specialists", source, says, gain, difference("generalist", "tuned")
    source, more = "arXiv 1503.02531, Table 4", (0.0, np.inf)
    says = "they gain more where one of them covers the right class than where none does"
    yield "gain by covering", source, says, more, covered_gain
    source = "control"
    says = "they err less than the generalist trained on for about as many images"
    yield "specialists against training on", source, says, gain, difference("continued", "tuned")
    says = "specialists of confusable sets err less than those of random sets of these sizes"
    yield "confusable against random sets", source, says, gain, difference("random", "tuned")
    says = "confusable sets agree with superclasses beyond 97.5% of random places"
    yield "superclasses", source, says, (0.0, 1.0), difference("agreement", "null_high")
    says = "fresh specialists err less than those that start from the generalist"
    yield "fresh start", "multi-view theory", says, gain, difference("tuned", "fresh")


def patch_claims() -> Iterator[tuple]:
    """Views follow from the start: a specialist of the generalist's has none to add."""
    source = "multi-view theory"
    for asked, name in (("top", "the specialist of its best class"), ("all", "all specialists")):
        for start, phrase, predicted in (
            ("tuned", "change the views covered by less than 0.05", (-0.05, 0.05)),
            ("fresh", "add more than 0.05 of the views", (0.05, 1.0)),
        ):
            origin = "started from the generalist" if start == "tuned" else "of fresh start"
            says = f"{name}, {origin}: consulted, they {phrase}"
            gain = difference(f"{start}_{asked}_coverage", "one_coverage")
            yield f"views, {start}, {asked}", source, says, predicted, gain


EXPERIMENT = Experiment(
    name="specialists",
    run=run,
    grids={preset: Grid(cells=cells(preset), seeds=SEEDS[preset]) for preset in PRESETS},
    cost=cost,
    claims=claims,
    options=Options,
    summary=summary,
    figure="specialists",
)

if __name__ == "__main__":
    main(EXPERIMENT)
