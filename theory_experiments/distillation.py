"""Soft targets carry what labels do not: Hinton's experiments, and which views a student learns.

Three parts. On digits (MNIST) the experiments of Hinton, Vinyals & Dean (arXiv 1503.02531): a
large regularised network teaches small plain ones, at several temperatures, without a digit, with
two digits alone, and with 3% of the images. On CIFAR-10 students of an ensemble by T^2 KL and by
squares of logits, of mean probabilities and of mean logits, and networks born again. On synthetic
patches the views that such students cover, against what the multi-view theory predicts.

Claims and their margins stand as they were restated when results on the seeds 0 to 9 were known,
and before any run on the seeds from 10 on.
"""

from dataclasses import dataclass
from typing import Literal

from multiview.bench import check, run, trainings_of
from multiview.bench.cost import cost
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from theory_experiments.views import digits, digits_claims, image_students
from theory_experiments.views import patch_students as patches
from theory_experiments.views import patch_students_claims as patches_claims
from theory_experiments.views.distillation_published import with_published
from theory_experiments.views.parts import SYNTHETIC, cells_of, claims_of, derived_of, tables_of


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of the three parts to run."""

    part: Literal["all", "mnist", "cifar10", "synthetic"] = "all"
    """mnist and cifar10 read images from --data-dir; synthetic needs none, and stays on the CPU."""


SMOKE = {"mnist": digits.SMOKE, "cifar10": image_students.SMOKE, SYNTHETIC: patches.SMOKE}
LAPTOP = {"mnist": digits.LAPTOP, "cifar10": image_students.LAPTOP, SYNTHETIC: patches.LAPTOP}
# Hinton's networks on all digits, all images of CIFAR-10, and the patches of the preset laptop.
HOURS = LAPTOP | {"mnist": digits.PAPER_CELL, "cifar10": image_students.HOURS}
# Hinton's networks on all digits: a quarter of an hour on two cores. CIFAR-10 on a GPU.
PAPER = {
    "mnist": digits.PAPER_CELL,
    "cifar10": image_students.PAPER_CELL,
    SYNTHETIC: patches.PAPER_CELL,
}
CLAIMS = {
    "mnist": digits_claims.claims,
    "cifar10": image_students.claims,
    SYNTHETIC: patches_claims.claims,
}
TABLES = {
    "mnist": digits_claims.tables,
    "cifar10": image_students.tables,
    SYNTHETIC: patches_claims.tables,
}

EXPERIMENT = Experiment(
    name="distillation",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells_of(SMOKE), seeds=2, claimed=False),
        "laptop": Preset(cells=cells_of(LAPTOP), seeds=3, first_seed=10),
        "hours": Preset(cells=cells_of(HOURS), seeds=3, first_seed=10, split=True),
        "paper": Preset(cells=cells_of(PAPER), seeds=3, first_seed=10, split=True),
    },
    claims=claims_of(CLAIMS),
    check=check,
    cost=cost,
    split=trainings_of,
    options=Options,
    derived=derived_of({"mnist": with_published, SYNTHETIC: patches.derived}),
    tables=tables_of(TABLES),
    figure="distillation",
)

if __name__ == "__main__":
    main(EXPERIMENT)
