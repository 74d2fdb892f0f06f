"""Soft targets carry what labels do not: Hinton's experiments, and which views a student learns.

Three parts. On digits (MNIST) the experiments of Hinton, Vinyals & Dean (arXiv 1503.02531): a
large regularised network teaches small plain ones, at several temperatures, without a digit, with
two digits alone, and with 3% of the images. On CIFAR-10 students of an ensemble by T^2 KL and by
squares of logits, of mean probabilities and of mean logits, and networks born again. On synthetic
patches the views that such students cover, against what the multi-view theory predicts.

Claims and their margins stand as they were restated when results on the seeds 0 to 9 were known,
and before any run on the seeds from 10 on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from multiview import stream
from multiview.data.splits import Splits
from multiview.runs.experiment import Context, Experiment, Preset, Row
from multiview.runs.script import main
from theory_experiments._distillation_claims import digit_claims, image_claims
from theory_experiments._distillation_tables import digits_tables, images_tables
from theory_experiments._hinton import HintonCell, run_hinton
from theory_experiments._image_cost import cost_of
from theory_experiments._image_nets import Dense, Fast, Recipe
from theory_experiments._image_students import LESSONS, StudentsCell, run_students
from theory_experiments._parts import (
    SYNTHETIC,
    cells_of,
    check_images_present,
    claims_of,
    cost_of_parts,
    images_of,
    tables_of,
)
from theory_experiments._patch_student_claims import patch_students_claims
from theory_experiments._patch_student_tables import patch_students_tables
from theory_experiments._patch_students import CELLS, PatchStudentsCell, run_patch_students
from theory_experiments.views.units import counted_in_views

AnyCell = HintonCell | StudentsCell | PatchStudentsCell


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of the three parts to run."""

    part: Literal["all", "mnist", "cifar10", "synthetic"] = "all"
    """mnist and cifar10 read images from --data-dir; synthetic needs none, and stays on the CPU."""


def paced(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other settings of its optimiser."""
    return replace(recipe, optim=replace(recipe.optim, **changes))


def smoke() -> dict[str, Any]:
    """Made-up images; seconds."""
    digits, images = HintonCell(), StudentsCell()
    sizes = {"data": "multi_view", "num_train": 100, "num_validation": 100, "num_test": 100}
    return {
        "mnist": replace(
            digits,
            **sizes,
            teacher_widths=(16,),
            student_widths=(8,),
            small_widths=(4,),
            temperatures=(1.0, 20.0),
            few=0.2,
            teaching=paced(digits.teaching, epochs=3),
            learning=paced(digits.learning, epochs=3),
        ),
        "cifar10": replace(
            images,
            **sizes,
            members=2,
            teacher=Fast(widths=(4, 8, 8)),
            student=Fast(widths=(4, 4, 4)),
            recipe=paced(images.recipe, epochs=2),
        ),
        SYNTHETIC: CELLS["smoke"],
    }


def laptop() -> dict[str, Any]:
    """A few thousand images: minutes on two cores."""
    return {"mnist": HintonCell(), "cifar10": StudentsCell(), SYNTHETIC: CELLS["laptop"]}


def paper() -> dict[str, Any]:
    """Hinton's networks on all digits: a quarter of an hour on two cores. CIFAR-10 on a GPU.

    Of the training images 5,000 are held out, on which shifts are chosen; Hinton's were chosen on
    the test images. Rates of the larger CIFAR nets were not compared.
    """
    digits, images = HintonCell(), StudentsCell()
    return {
        "mnist": replace(
            digits,
            num_train=None,
            num_validation=5000,
            teacher_widths=(1200, 1200),
            student_widths=(800, 800),
            teaching=paced(digits.teaching, epochs=60, batch_size=250, learning_rate=0.05),
            learning=paced(digits.learning, epochs=20, batch_size=250, learning_rate=0.02),
        ),
        "cifar10": replace(
            images,
            num_train=45_000,
            num_validation=5000,
            num_test=10_000,
            members=10,
            teacher=Fast(),
            student=Fast(widths=(16, 32, 64)),
            recipe=paced(images.recipe, epochs=30, batch_size=500, learning_rate=1.0),
        ),
        SYNTHETIC: CELLS["paper"],
    }


def run(cell: AnyCell, context: Context) -> Row:
    """One repetition of one part."""
    if isinstance(cell, HintonCell):
        return run_hinton(cell, images_of(cell, context), context)
    if isinstance(cell, StudentsCell):
        return run_students(cell, images_of(cell, context), context)
    return run_patch_students(cell, context)


def cost(cells: Sequence[AnyCell], context: Context) -> str | None:
    """What the cells with real images will take."""
    return cost_of_parts(cells, context, work, halves=lambda cell: True)


def work(cell: HintonCell | StudentsCell, few: Splits, trained_on: int) -> tuple[float, float]:
    """FLOP and bytes of a cell."""
    flop, memory = 0.0, 0.0
    for net, number, recipe in nets_of(cell):
        each = cost_of(net.build(few, stream(0)), few.train[0])
        flop += number * 3 * recipe.optim.epochs * trained_on * each.forward
        held = recipe.optim.batch_size * each.activations + 3 * each.weights
        memory = max(memory, number * held)
    return flop, memory


def nets_of(cell: HintonCell | StudentsCell) -> list[tuple[Dense | Fast, int, Recipe]]:
    """The networks that a cell trains, how many of each, and how."""
    if isinstance(cell, HintonCell):
        hot = len(cell.temperatures)
        return [
            (Dense(widths=cell.teacher_widths), 1, cell.teaching),
            (Dense(widths=cell.student_widths), 5 + hot, cell.learning),
            (Dense(widths=cell.small_widths), 1 + hot, cell.learning),
        ]
    return [
        (cell.teacher, cell.members + cell.rounds, cell.recipe),
        (cell.student, 1 + len(LESSONS), cell.recipe),
    ]


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the number of views that c and single-view errors are shares of."""
    few_classes = [
        f"{who}_{lesson}" for who in ("omitted", "others") for lesson in ("hinton", "labels")
    ]
    averaged = ("member", *few_classes)
    return counted_in_views(table, "coverage", "union", "single", averaged=averaged)


EXPERIMENT = Experiment(
    name="distillation",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells_of(smoke()), seeds=2, claimed=False),
        "laptop": Preset(cells=cells_of(laptop()), seeds=3, first_seed=10),
        "paper": Preset(cells=cells_of(paper()), seeds=3, first_seed=10),
    },
    claims=claims_of(
        {"mnist": digit_claims, "cifar10": image_claims, SYNTHETIC: patch_students_claims}
    ),
    check=check_images_present,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables_of(
        {"mnist": digits_tables, "cifar10": images_tables, SYNTHETIC: patch_students_tables}
    ),
    figure="distillation",
)

if __name__ == "__main__":
    main(EXPERIMENT)
