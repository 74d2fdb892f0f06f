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

On training images held out from training, with seed 1000, specialists that start from the
generalist were compared at rates of 0.03, 0.1 and 0.3 for 5 epochs and at 0.1 for 10, and the
columns of K-means at 5, 10 and 20 sets.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import pandas as pd

from multiview.bench import Cell, Entry, check, run
from multiview.bench.cost import cost
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Fast
from multiview.bench.recipe import fast_recipe, gpu_recipe, hours_recipe
from multiview.measures import ErrorsBySize
from multiview.methods import (
    ConfusableSets,
    Member,
    Members,
    ShuffledSets,
    Specialists,
    WithSpecialists,
)
from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from theory_experiments.settings import PAPER_SPEC, SMALL_SPEC
from theory_experiments.views import patch_specialists as patches
from theory_experiments.views.image_specialists import (
    PART,
    Agreement,
    SpecialistErrors,
    Superclasses,
    TrainedOn,
    kmeans_on,
)
from theory_experiments.views.parts import SYNTHETIC, cells_of, claims_of, tables_of
from theory_experiments.views.specialist_listings import listings, relative_gain
from theory_experiments.views.units import counted_in_views
from theory_experiments.views.whole_images import HOURS_NET


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of data."""

    part: Literal["all", "cifar100", "synthetic"] = "all"
    """cifar100 (from --data-dir; in smoke made-up images), synthetic patches, or both."""


def entries(num_sets: int = 20, smallest: int = 4) -> dict[str, Entry]:
    """Every classifier of images.

    Args:
        num_sets: Of K-means.
        smallest: Sets of fewer classes have too few images for a specialist of their own.
    """
    confusable = ConfusableSets(number=num_sets)
    own = partial(Specialists, sets=confusable, smallest=smallest)

    def beside(family: Specialists) -> WithSpecialists:
        return WithSpecialists(of=family)

    return {
        "generalist": Entry(Member(), "generalist"),
        "tuned": Entry(beside(own()), "+ specialists from the generalist"),
        "fresh": Entry(beside(own(fresh=True)), "+ fresh specialists"),
        "superclass": Entry(beside(own(sets=Superclasses())), "+ specialists of superclasses"),
        "random": Entry(
            beside(own(sets=ShuffledSets(like=confusable))), "+ specialists of random sets"
        ),
        "continued": Entry(TrainedOn(like=own()), "generalist trained on"),
        "member": Entry(Members(), "one generalist, mean of all"),
    }


LABELS = {name: each.label for name, each in entries().items()}


def cell(setting: ImageSetting, num_sets: int = 20, smallest: int = 4) -> Cell:
    """All classifiers in one setting; its students are what starts from the generalist."""
    named = entries(num_sets, smallest)
    sets = ConfusableSets(number=num_sets)
    return Cell(
        part=PART,
        setting=setting,
        methods={name: each.method for name, each in named.items()},
        measures=(SpecialistErrors(), ErrorsBySize(), Agreement(sets=sets)),
    )


LAPTOP = ImageSetting(
    data="cifar100",
    num_train=2500,
    num_validation=1000,  # of the training file too: here the generalist's confusions show
    num_test=2000,
    members=3,  # generalists, the first of which has specialists
    recipe=fast_recipe(epochs=15),
    students=fast_recipe(epochs=5).with_optim(learning_rate=0.1),
)
SMOKE = replace(
    LAPTOP,
    data="multi_view",
    num_train=200,
    num_validation=100,
    num_test=100,
    members=2,
    net=Fast(widths=(4, 8, 8)),
    recipe=fast_recipe(epochs=2),
    students=fast_recipe(epochs=1).with_optim(learning_rate=0.1),
)
# All images, on two cores; the rate of specialists stands to that of generalists as on a laptop.
HOURS = replace(
    LAPTOP,
    num_train=45_000,
    num_validation=5000,
    num_test=10_000,
    net=HOURS_NET,
    recipe=hours_recipe(epochs=10),
    students=hours_recipe(epochs=3).with_optim(learning_rate=0.4),
)
# Each specialist has a head of its own: compiling some 80 of them would take longer than training.
NOT_COMPILED = replace(
    gpu_recipe(epochs=30), compute=replace(gpu_recipe(epochs=30).compute, compile=False)
)
# All images, on a GPU; no rate of these was compared.
PAPER = replace(
    LAPTOP,
    num_train=45_000,
    num_validation=5000,
    num_test=10_000,
    members=5,
    net=Fast(),
    recipe=NOT_COMPILED,
    students=NOT_COMPILED.with_optim(learning_rate=0.3, epochs=10),
)
SMALL_PATCHES = replace(patches.BASE, spec=SMALL_SPEC, num_train=200, members=2)
PAPER_PATCHES = replace(patches.BASE, spec=PAPER_SPEC, num_train=2000, members=10, width=20)
PARTS = {
    "smoke": {
        PART: cell(SMOKE, num_sets=4, smallest=2),
        SYNTHETIC: patches.cell(SMALL_PATCHES, 2, num_validation=100, num_test=200, probes=20),
    },
    "laptop": {PART: cell(LAPTOP), SYNTHETIC: patches.LAPTOP},
    "hours": {PART: cell(HOURS), SYNTHETIC: patches.LAPTOP},
    "paper": {
        PART: cell(PAPER, smallest=2),
        SYNTHETIC: patches.cell(PAPER_PATCHES, 3, num_validation=2000, num_test=10_000, probes=100),
    },
}

PAPER_SAYS = "arXiv 1503.02531"
GAIN = (1e-4, 1.0)
# Name of the claim, source, statement, what errs more, what errs less.
COMPARED = (
    (
        "specialists",
        f"{PAPER_SAYS}, Table 3",
        "specialists that start from the generalist gain over it alone",
        "generalist",
        "tuned",
    ),
    (
        "specialists against training on",
        "control",
        "they err less than the generalist trained on for about as many images",
        "continued",
        "tuned",
    ),
    (
        "confusable against random sets",
        "control",
        "specialists of confusable sets err less than those of random sets of these sizes",
        "random",
        "tuned",
    ),
    (
        "fresh start",
        "multi-view theory",
        "fresh specialists err less than those that start from the generalist",
        "tuned",
        "fresh",
    ),
)
on_images = partial(measured, part=PART)
error = partial(on_images, "error")


def image_claims(cell: Cell) -> Iterator[Claim]:
    """Hinton et al., Section 5; and controls."""
    for name, source, statement, worse, better in COMPARED:
        yield Claim(name, source, statement, GAIN, error(worse) - error(better))
    statement = "they gain more where one of them covers the right class than where none does"
    gained = relative_gain("error_inside") - relative_gain("error_outside")
    yield Claim("gain by covering", f"{PAPER_SAYS}, Table 4", statement, (0.0, math.inf), gained)
    statement = "confusable sets agree with superclasses beyond 97.5% of random places"
    agreed = on_images("agreement", kmeans_on("correlation")) - on_images("null_high", "data")
    yield Claim("superclasses", "control", statement, (0.0, 1.0), agreed)


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
        "smoke": Preset(cells=cells_of(PARTS["smoke"]), seeds=2, claimed=False),
        "laptop": Preset(cells=cells_of(PARTS["laptop"]), seeds=6, first_seed=10),
        "hours": Preset(cells=cells_of(PARTS["hours"]), seeds=3, first_seed=10),
        "paper": Preset(cells=cells_of(PARTS["paper"]), seeds=5, first_seed=10),
    },
    claims=claims_of({PART: image_claims, SYNTHETIC: patches.claims}),
    check=check,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables_of({PART: partial(listings, LABELS), SYNTHETIC: patches.tables}),
    figure="specialists",
)

if __name__ == "__main__":
    main(EXPERIMENT)
