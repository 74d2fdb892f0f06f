"""A light net learns with the hints of a booster that learns beside it and shares its lower layers.

Rocket launching (Zhou et al., AAAI 2018, arXiv 1708.04106). On CIFAR-10 and CIFAR-100: wide
residual networks, the paper's light nets alone, taught by a trained booster (KD), launched, and
both; without the gradient block, sharing, or joint training; by kind of hint; by how many
convolutions are shared; and the time of joint against separate training. On synthetic patches: the
views that light net and booster cover by what they share, by the booster's width and by the hint's
weight, against what the multi-view theory predicts, which is that sharing costs views where the
paper reports that it helps: a test that tells the two apart.

Departures from the paper's recipe: Nesterov's momentum, shifts padded with 0 and not by
reflection, norms that start at scale 1, and nothing shared where sharing is off (its published code
goes on sharing the first convolution, and its options to switch off block and sharing do not).
Attention transfer and SVHN are not done. The preset ``paper`` has its nets, epochs and images; it
wants a GPU, and nothing was compared for it. In the presets ``laptop`` and ``hours``, which has all
images, images are halved in side, nets are smaller, and CIFAR-100 is only run if asked for by
``--part``. Claims stand as they were
when results on the seeds 0 to 9 were known, and before any run on the seeds from 10 on.
"""

from dataclasses import dataclass
from typing import Literal

from multiview.bench import check, run, trainings_of
from multiview.bench.cost import cost
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from theory_experiments.views import rocket_images as images
from theory_experiments.views import rocket_patches as patches
from theory_experiments.views.parts import SYNTHETIC, cells_of, claims_of, derived_of, tables_of


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of the parts to run."""

    part: Literal["all", "cifar10", "cifar100", "synthetic"] = "all"
    """All but synthetic read images from --data-dir; all: in the preset laptop not cifar100."""


SMOKE = images.SMOKE | {SYNTHETIC: [patches.SMOKE]}
LAPTOP = images.LAPTOP | {SYNTHETIC: [patches.LAPTOP]}
HOURS = LAPTOP | images.HOURS
PAPER = images.PAPER | {SYNTHETIC: [patches.PAPER]}

EXPERIMENT = Experiment(
    name="rocket_launching",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells_of(SMOKE), seeds=1, claimed=False),
        "laptop": Preset(cells=cells_of(LAPTOP, ["cifar100"]), seeds=3, first_seed=10),
        "hours": Preset(cells=cells_of(HOURS, ["cifar100"]), seeds=3, first_seed=10, split=True),
        "paper": Preset(cells=cells_of(PAPER), seeds=3, first_seed=10, split=True),
    },
    claims=claims_of(dict.fromkeys(images.NAMES, images.claims) | {SYNTHETIC: patches.claims}),
    check=check,
    cost=cost,
    split=trainings_of,
    options=Options,
    derived=derived_of(dict.fromkeys(images.NAMES, images.derived) | {SYNTHETIC: patches.derived}),
    tables=tables_of(dict.fromkeys(images.NAMES, images.tables) | {SYNTHETIC: patches.tables}),
    figure="rocket_launching",
)

if __name__ == "__main__":
    main(EXPERIMENT)
