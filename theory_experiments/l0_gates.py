"""L0 regularisation closes gates one by one until a small network is left, that errs as little.

Hard-concrete gates (Louizos, Welling & Kingma, Learning Sparse Neural Networks through L0
Regularization, ICLR 2018) on real images, beside the published architectures and errors:
784-300-100 and LeNet-5 on MNIST with one lambda and with one of each layer, and wide residual
networks on CIFAR; against dropout at full size, pruning by norm to the same units, and a net of the
size that is left, trained anew. What gates leave is counted at test time and in expectation, which
differ; and lambda stands before a cliff, near which a share of weights can be asked for instead.
On synthetic patches: which views of a class the gates take with them.

The published nets are trained 200 epochs at a rate of 0.001. The preset ``laptop`` has a tenth or
less, on all of MNIST but 5,000 images, at 0.01 falling to 0: Adam moves a gate's logit by at most
its rate a step, so a short training at 0.001 closes nothing (7 epochs: 784-293-100). These rates,
0.004, and lambdas of each layer were compared with seed 1000 on images held out from training;
networks without gates keep 0.001. Lambda is divided by N, the number of training images, in the
loss, as published. All nets are tested with weights averaged over steps with the same decay; those
pruned by norm take the dense net's steps and a quarter more for fine-tuning.

Changed after one repetition of LeNet-5 on the test images had been seen: nets without gates were
tested with their last weights; LeNet-5 had a claim on a sweep of one lambda; and the error of
784-300-100 with lambdas of each layer, which are ours, was judged by the published one. What is
compared with nets without gates is therefore marked as decided after. All other claims on images
were written before a run; seeds begin at 10, so that on patches claims are decided before any run
on them: other seeds draw the same test images of MNIST, but other starts, orders and images held
out.

``paper`` has the paper's epochs, rates and sizes; no run of it is behind any number here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pandas as pd

from multiview.bench import Cell, check, run, trainings_of
from multiview.bench.cost import cost
from multiview.runs.claims import Claim
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from theory_experiments.views import l0_cells
from theory_experiments.views.gates import grouped
from theory_experiments.views.l0_images import image_claims, image_tables
from theory_experiments.views.l0_published import PARTS, with_published
from theory_experiments.views.parts import SYNTHETIC, cells_of, derived_of, tables_of
from theory_experiments.views.pruned_curves import patch_tables, with_predicted
from theory_experiments.views.pruned_patches import PATCHES
from theory_experiments.views.pruned_patches_claims import patch_claims

Part = Literal["all", "mnist_mlp", "lenet", "cifar10", "cifar100", "synthetic"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of the parts to run."""

    part: Part = "all"
    """All but synthetic read images from --data-dir; cifar100 is of the preset paper alone."""


def parts(images: Sequence[Cell], patches: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells by part."""
    every = [*images, *patches]
    return {
        part: [cell for cell in every if cell.part == part]
        for part in dict.fromkeys(cell.part for cell in every)
    }


SMOKE = parts(l0_cells.smoke(), PATCHES["smoke"])
LAPTOP = parts(l0_cells.laptop(), PATCHES["laptop"])
HOURS = parts(l0_cells.hours(), PATCHES["laptop"])
PAPER = parts(l0_cells.paper(), PATCHES["paper"])


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """Claims of each part."""
    for part in dict.fromkeys(cell.part for cell in cells):
        own = [cell for cell in cells if cell.part == part]
        yield from (patch_claims if part == SYNTHETIC else image_claims)(own)


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """Groups of methods along an axis, and what follows in each part."""
    of_parts = derived_of(dict.fromkeys(PARTS, with_published) | {SYNTHETIC: with_predicted})
    return of_parts(grouped(table))


EXPERIMENT = Experiment(
    name="l0_gates",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells_of(SMOKE), seeds=2, claimed=False),
        "laptop": Preset(cells=cells_of(LAPTOP), seeds=3, first_seed=10),
        "hours": Preset(cells=cells_of(HOURS), seeds=3, first_seed=10, split=True),
        "paper": Preset(cells=cells_of(PAPER), seeds=3, first_seed=10, split=True),
    },
    claims=claims,
    check=check,
    cost=cost,
    split=trainings_of,
    options=Options,
    derived=derived,
    tables=tables_of(
        {part: partial(image_tables, part) for part in PARTS} | {SYNTHETIC: patch_tables}
    ),
    figure="l0_gates",
)

if __name__ == "__main__":
    main(EXPERIMENT)
