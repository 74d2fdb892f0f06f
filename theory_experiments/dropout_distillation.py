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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from multiview import stream
from multiview.data.splits import Splits
from multiview.runs.experiment import Context, Experiment, Preset
from multiview.runs.script import main
from multiview.train import ComputeSpec, OptimSpec
from theory_experiments import _patch_dropout
from theory_experiments._dropout_claims import image_claims
from theory_experiments._dropout_distillation import ImageDropoutCell, run_images
from theory_experiments._dropout_nets import Quick
from theory_experiments._dropout_tables import image_tables, published_gain
from theory_experiments._image_cost import cost_of
from theory_experiments._image_nets import Dense
from theory_experiments._parts import (
    SYNTHETIC,
    cells_of,
    check_images_present,
    claims_of,
    cost_of_parts,
    images_of,
    tables_of,
)
from theory_experiments._patch_dropout import run_patch_dropout
from theory_experiments._patch_dropout_claims import patch_dropout_claims
from theory_experiments._patch_dropout_nets import PatchDropoutCell
from theory_experiments._patch_dropout_tables import patch_dropout_tables
from theory_experiments.views.units import counted_in_views

AnyCell = ImageDropoutCell | PatchDropoutCell
IMAGES = ("mnist", "cifar10", "cifar100")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of the parts to run."""

    part: Literal["all", "mnist", "cifar10", "cifar100", "synthetic"] = "all"
    """All but synthetic read images from --data-dir."""


def laptop() -> dict[str, ImageDropoutCell]:
    """A few thousand images: minutes on two cores for all parts."""
    cifar10 = ImageDropoutCell(shrink=(4,))
    rates = {"learning_rate": 0.05, "batch_size": 50}
    mnist = replace(
        cifar10,
        part="mnist",
        data="mnist",
        num_test=1000,
        net=Dense(widths=(256, 256), input_dropout=0.2, dropout=0.5),
        teaching=OptimSpec(epochs=20, **rates),
        fresh_rate=0.03,
        penalty=1.0,
        shrink=(),
        compute=ComputeSpec(),
    )
    cifar100 = replace(
        cifar10,
        part="cifar100",
        data="cifar100",
        net=Quick(dropout=0.25),
        teaching=replace(cifar10.teaching, learning_rate=0.03),
        shrink=(),
    )
    return {"mnist": mnist, "cifar10": cifar10, "cifar100": cifar100}


def paper() -> dict[str, ImageDropoutCell]:
    """All images but 5000 for validation, the paper's 300 and 30 epochs; no rate was compared."""
    found = {}
    for name, cell in laptop().items():
        found[name] = replace(
            cell,
            num_train=None,
            num_validation=5000,
            num_test=None,
            net=replace(cell.net, widths=(1024,) * 3)
            if name == "mnist"
            else Quick(widths=(32, 32, 64), dropout=cell.net.dropout),
            teaching=replace(cell.teaching, epochs=300, batch_size=100),
            distilling=replace(cell.distilling, epochs=30, batch_size=100),
            penalty=1.0,
            shrink=cell.shrink and (2, 4),
        )
    return found


def smoke() -> dict[str, ImageDropoutCell]:
    """Made-up images, seconds."""
    found = {}
    for name, cell in laptop().items():
        found[name] = replace(
            cell,
            data="multi_view",
            num_train=50,
            num_validation=10,
            num_test=50,
            teaching=replace(cell.teaching, epochs=2),
            distilling=replace(cell.distilling, epochs=1),
            shrink=cell.shrink[:1],
        )
    return found


def run(cell: AnyCell, context: Context) -> dict[str, dict[str, Any]]:
    """One repetition of one part."""
    if isinstance(cell, PatchDropoutCell):
        return run_patch_dropout(cell, context)
    return run_images(cell, images_of(cell, context), context)


def check(cells: Sequence[AnyCell], context: Context) -> None:
    """Refuse to begin where real images are missing."""
    check_images_present(cells, context)


def cost(cells: Sequence[AnyCell], context: Context) -> str | None:
    """What the cells with real images will take."""
    return cost_of_parts(cells, context, work)


def work(cell: ImageDropoutCell, few: Splits, trained_on: int) -> tuple[float, float]:
    """FLOP and bytes of a cell."""
    flop, memory = 0.0, 0.0
    whole = cost_of(cell.net.build(few, stream(0)), few.train[0])
    for net, epochs, teachers in trainings(cell):
        each = cost_of(net.build(few, stream(0)), few.train[0])
        flop += epochs * trained_on * (3 * each.forward + teachers * whole.forward)
        held = cell.teaching.batch_size * each.activations + 5 * each.weights
        memory = max(memory, held)
    return flop, memory


def trainings(cell: ImageDropoutCell) -> list[tuple[Dense | Quick, int, int]]:
    """Each net that is trained, its epochs, and looks of a teacher forward in each step."""
    long, short = cell.teaching.epochs, cell.distilling.epochs
    # Two students and one on each of two transfer sets, with as many steps.
    found: list[tuple[Dense | Quick, int, int]] = [
        (cell.net, long, 0),
        (cell.net, 4 * short, 1),
        (cell.net, long, 1),
    ]
    if cell.penalty is not None:
        found += [(cell.net, 2 * long, 0)]  # with dropout and without
    if isinstance(cell.net, Quick):
        for factor in cell.shrink:
            for layers in ("hidden", "all"):
                small = cell.net.shrunk(factor, layers)
                found += [(small, long, 0), (small, long, 1)]
    return found


OF_SOME_PARTS = (
    "data",
    "factor",
    "dropped",
    "size",
    "members",
    "spec.num_classes",
    "spec.num_views",
)


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """What others published of a method on these images, and what is counted in views."""
    table = table.reindex(columns=[*dict.fromkeys((*table, *OF_SOME_PARTS))])
    known = table[["part", "data", "method"]].itertuples(index=False)
    table = table.assign(published_gain=[published_gain(*each) for each in known])
    several = table["dropped"].notna() | (table["size"] < table["members"])  # means over networks
    averaged = list(table.loc[several, "method"].unique())
    return counted_in_views(table, "coverage", "single", averaged=averaged)


PARTS = dict.fromkeys(IMAGES, image_tables) | {SYNTHETIC: patch_dropout_tables}
CLAIMS = dict.fromkeys(IMAGES, image_claims) | {SYNTHETIC: patch_dropout_claims}


def cells(images: Callable[[], dict[str, Any]], patches: PatchDropoutCell) -> Callable:
    """Cells for ``Preset.cells``: those of all parts, or of the one asked for."""
    return cells_of(images() | {SYNTHETIC: patches})


EXPERIMENT = Experiment(
    name="dropout_distillation",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells(smoke, _patch_dropout.SMOKE), seeds=2, claimed=False),
        "laptop": Preset(cells=cells(laptop, _patch_dropout.LAPTOP), seeds=3, first_seed=10),
        "paper": Preset(cells=cells(paper, _patch_dropout.PAPER), seeds=3, first_seed=10),
    },
    claims=claims_of(CLAIMS),
    check=check,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables_of(PARTS),
    figure="dropout_distillation",
)

if __name__ == "__main__":
    main(EXPERIMENT)
