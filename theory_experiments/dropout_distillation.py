"""A student without dropout learns what random masks of its teacher say on average.

Four parts. On MNIST, CIFAR-10 and CIFAR-100 (Rota Bulo, Porzi & Kontschieder, Dropout Distillation,
ICML 2016): the standard prediction of a net trained with dropout, the mean over 100 masks (Monte
Carlo) and a student of the masks; students by the inputs they are taught on; and on CIFAR-10
smaller students beside small nets trained with dropout. On synthetic patches the views that masks
and students cover, against what the multi-view theory predicts: what dropout in training adds is
predicted to fall with width; masks are predicted to add nothing, which is an identity of the logits
there; and what a student of a fresh start learns tests the temperature, 1, at which a teacher that
is nearly certain shows little, as much as the theory.

The paper's own text was not at hand: numbers are those Ma et al. (Dropout with Expectation-linear
Regularization, ICLR 2017) print for other nets. The preset ``paper`` has
the paper's epochs, 300 and 30, and a QuickNet on 45,000 images; it wants a GPU.
"""

from dataclasses import dataclass
from typing import Literal

from multiview.bench import check, run
from multiview.bench.cost import cost
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from theory_experiments.views import dropout_images as images
from theory_experiments.views import dropout_patches as patches
from theory_experiments.views.dropout_tables import tables
from theory_experiments.views.parts import SYNTHETIC, cells_of, claims_of, derived_of, tables_of


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of the parts to run."""

    part: Literal["all", "mnist", "cifar10", "cifar100", "synthetic"] = "all"
    """All but synthetic read images from --data-dir."""


SMOKE = images.SMOKE | {SYNTHETIC: patches.SMOKE}
LAPTOP = images.LAPTOP | {SYNTHETIC: patches.LAPTOP}
HOURS = LAPTOP | images.HOURS
PAPER = images.PAPER | {SYNTHETIC: patches.PAPER}

EXPERIMENT = Experiment(
    name="dropout_distillation",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells_of(SMOKE), seeds=2, claimed=False),
        "laptop": Preset(cells=cells_of(LAPTOP), seeds=3, first_seed=10),
        "hours": Preset(cells=cells_of(HOURS), seeds=3, first_seed=10),
        "paper": Preset(cells=cells_of(PAPER), seeds=3, first_seed=10),
    },
    claims=claims_of(dict.fromkeys(images.NAMES, images.claims) | {SYNTHETIC: patches.claims}),
    check=check,
    cost=cost,
    options=Options,
    derived=derived_of(dict.fromkeys(images.NAMES, images.derived) | {SYNTHETIC: patches.derived}),
    tables=tables_of(dict.fromkeys(images.NAMES, tables) | {SYNTHETIC: patches.tables}),
    figure="dropout_distillation",
)

if __name__ == "__main__":
    main(EXPERIMENT)
