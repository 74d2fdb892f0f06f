"""Dropout distillation on images: predictors, transfer sets and smaller students of one teacher.

Claims were decided before any run on the seeds from 10 on, with results of the seeds 0 to 9 known.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from multiview.bench import Cell, Entry
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.nets import Dense, Quick
from multiview.bench.recipe import Recipe
from multiview.measures import MaskMeans, Parameters, SampleSizes, TestErrors, Varied
from multiview.methods import Dropout
from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, measured
from multiview.train import ComputeSpec, OptimSpec
from theory_experiments.views.dropout_nets import ExpectationLinear, ImageStudent, OfSize
from theory_experiments.views.dropout_published import published_gain

NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
LAYERS = {"none": "the teacher's own size", "hidden": "hidden layer", "all": "all layers"}
TEACHER = Dropout(rate=None)
MASKS = MaskMeans(alike=("distilled", "distilled_again"))
MOST = MASKS.numbers[-1]


def entries(
    net: Dense | Quick, long: OptimSpec, penalty: float | None, factors: tuple[int, ...]
) -> dict[str, Entry]:
    """Every method; all share the teacher.

    Students of fresh starts are taught on images as they are, as nets on labels: what is taught
    differs alone.

    Args:
        long: Training of students of fresh starts: the teacher's epochs.
        penalty: Of the expectation-linear net; None for none.
        factors: By which smaller nets are smaller.
    """
    student = partial(ImageStudent, of=TEACHER)
    perturbed, fresh = partial(student, hidden=0.2), partial(student, start="student", optim=long)
    found = {
        "standard": Entry(TEACHER, "standard"),
        "distilled": Entry(perturbed(), "student of a copy"),
        "distilled_again": Entry(perturbed(draw=1), "the same by other draws"),
        "fresh": Entry(fresh(), "student, fresh start"),
        "taught_on_train": Entry(student(), "training images"),
        "taught_on_test": Entry(student(on_test=True), "test, no labels"),
    }
    if penalty is not None:
        linear = ExpectationLinear(weight=penalty)
        found["expectation_linear"] = Entry(linear, "expectation-linear")
    for layers, factor in itertools.product(("hidden", "all"), factors):
        assert isinstance(net, Quick)
        small, label = net.shrunk(factor, layers), f"{LAYERS[layers]} / {factor}"
        found[f"{layers}_{factor}_labels"] = Entry(OfSize(net=small), f"{label}, labels")
        found[f"{layers}_{factor}_masks"] = Entry(fresh(net=small), f"{label}, masks")
    return found


def cell(
    part: str,
    setting: ImageSetting,
    *,
    fresh_rate: float = 0.03,
    penalty: float | None = None,
    factors: tuple[int, ...] = (),
) -> Cell:
    """One data set.

    Args:
        fresh_rate: Learning rate of students of fresh starts.
    """
    net, long = setting.net, replace(setting.recipe.optim, learning_rate=fresh_rate)
    assert isinstance(net, Dense | Quick)
    named = entries(net, long, penalty, factors)
    whole = {"layers": "none", "factor": 1}
    sizes = {"standard": whole | {"taught_by": "labels"}, "fresh": whole | {"taught_by": "masks"}}
    for layers, factor, by in itertools.product(("hidden", "all"), factors, ("labels", "masks")):
        where = {"layers": layers, "factor": factor, "taught_by": by}
        sizes[f"{layers}_{factor}_{by}"] = where
    varied = Varied(values=sizes if factors else {})
    return Cell(
        part=part,
        setting=setting,
        methods={name: each.method for name, each in named.items()},
        measures=(TestErrors(), MASKS, Parameters(), SampleSizes(), varied),
    )


FAST = ComputeSpec(channels_last=True, bfloat16=True)


# Dropout of 0.25 to 0.5, 20 and 30 epochs, rates of 0.02 to 0.05 of nets and of 0.005 to 0.02 of
# students were compared on training images held out from training, with seed 1000 and widths of
# (16, 16, 32); the first width and the epochs here are smaller for the time they take.
def setting(
    net: Dense | Quick,
    epochs: int,
    learning_rate: float,
    compute: ComputeSpec = FAST,
    **settings: Any,
) -> ImageSetting:
    """A few thousand images as they are: minutes on two cores for all parts.

    Students that start as their teacher take a tenth of its epochs.
    """
    plain = partial(Recipe, flip=False, padding=0, compute=compute)
    optim = OptimSpec(epochs=epochs, batch_size=50, learning_rate=learning_rate)
    students = replace(optim, epochs=2, learning_rate=0.005)
    recipes = {"recipe": plain(optim=optim), "students": plain(optim=students)}
    return ImageSetting(members=1, net=net, **recipes, **settings)


def resized(
    chosen: ImageSetting, long: int, short: int, batch_size: int = 50, **settings: Any
) -> ImageSetting:
    """The setting with other epochs and sizes.

    Args:
        long: Epochs of teachers.
        short: Epochs of students that start as their teacher.
    """
    return replace(
        chosen,
        recipe=chosen.recipe.with_optim(epochs=long, batch_size=batch_size),
        students=chosen.students.with_optim(epochs=short, batch_size=batch_size),
        **settings,
    )


def parts(
    settings: Mapping[str, ImageSetting], factors: tuple[int, ...], penalty: float | None = None
) -> dict[str, list[Cell]]:
    """A cell for each data set; smaller nets on CIFAR-10 alone."""
    return {
        name: [
            cell(
                name,
                each,
                penalty=1.0 if name == "mnist" else penalty,
                factors=factors if name == "cifar10" else (),
            )
        ]
        for name, each in settings.items()
    }


DENSE = Dense(widths=(256, 256), input_dropout=0.2, dropout=0.5)
SETTINGS = {
    "mnist": setting(DENSE, 20, 0.05, ComputeSpec(), data="mnist", num_test=1000),
    "cifar10": setting(Quick(), 15, 0.02),
    "cifar100": setting(Quick(dropout=0.25), 15, 0.03, data="cifar100"),
}
MADE_UP_IMAGES = {"data": MADE_UP, "num_train": 50, "num_validation": 10, "num_test": 50}
LARGE = {
    "mnist": replace(DENSE, widths=(1024,) * 3),
    "cifar10": Quick(widths=(32, 32, 64)),
    "cifar100": Quick(widths=(32, 32, 64), dropout=0.25),
}
# All images but 5000 for validation, the paper's 300 and 30 epochs; no rate was compared.
WHOLE = {"num_train": None, "num_validation": 5000, "num_test": None, "batch_size": 100}
LAPTOP = parts(SETTINGS, factors=(4,))
SMOKE = parts(
    {name: resized(each, 2, 1, **MADE_UP_IMAGES) for name, each in SETTINGS.items()}, factors=(4,)
)
# All images, on two cores.
HOURS = parts(
    {name: resized(each, 30, 3, net=LARGE[name], **WHOLE) for name, each in SETTINGS.items()},
    factors=(4,),
)
PAPER = parts(
    {name: resized(each, 300, 30, net=LARGE[name], **WHOLE) for name, each in SETTINGS.items()},
    factors=(2, 4),
    penalty=1.0,
)

SOURCE = "Dropout Distillation"
MARGIN = 0.005  # half a point: what a student may err more than the standard prediction
FEW = 5  # masks
BETTER = (1e-9, 1.0)


def claims(cell: Cell) -> Iterator[Claim]:
    """Signs of differences, each of one data set."""
    name, of = NAMES[cell.part], partial(measured, part=cell.part)
    error = partial(of, "error")
    masks, gained = error(f"masks_{MOST}"), error("standard") - error("distilled")
    nearer = of("divergence", "standard") - of("divergence", "distilled")
    for what, source, statement, predicted, estimate in (
        (
            "masks",
            SOURCE,
            f"the mean over {MOST} masks errs less than the standard prediction",
            BETTER,
            error("standard") - masks,
        ),
        (
            "student, no worse",
            SOURCE,
            f"the student of a copy errs at most {MARGIN} more than the standard one",
            (-MARGIN, 1.0),
            gained,
        ),
        (
            "student against standard",
            SOURCE,
            "the student errs less than the standard prediction",
            BETTER,
            gained,
        ),
        (
            "masks against student",
            SOURCE,
            f"the mean over {MOST} masks errs less than the student",
            BETTER,
            error("distilled") - masks,
        ),
        (
            "nearer the ideal",
            "its objective",
            "the student is nearer the mean over masks than the standard prediction",
            (1e-9, float("inf")),
            nearer,
        ),
        *(
            (
                f"variance, {number}",
                source,
                "of one teacher, two students by other draws of SGD differ less than two means "
                f"over {number} masks each",
                BETTER,
                of("variance", f"masks_{number}") - of("variance", "distilled"),
            )
            for number, source in ((MOST, SOURCE), (FEW, "ours"))
        ),
        *_size_claims(cell, error),
    ):
        yield Claim(f"{name}: {what}", source, f"on {name} {statement}", predicted, estimate)


def _size_claims(cell: Cell, error: Callable[..., Estimate]) -> Iterator[tuple[Any, ...]]:
    """Claims on smaller nets; the paper's range of sizes was in a figure that is not at hand."""
    for name in cell.methods:
        layers, _, rest = name.partition("_")
        factor, _, by = rest.partition("_")
        if layers in ("hidden", "all") and by == "labels":
            what = {"hidden": "hidden layer", "all": "layers all"}[layers]
            yield (
                f"{what} / {factor}",
                "ours: within the size range",
                f"with {what} shrunk {factor} times a student errs less than a net of labels (the "
                "paper: inside a range of sizes)",
                BETTER,
                error(name) - error(f"{layers}_{factor}_masks"),
            )


def derived(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with the ``name`` of the data, and what others gained, ``published_gain``."""
    known = lines[["part", "data", "method"]].itertuples(index=False)
    gains = [published_gain(*each) for each in known]
    return lines.assign(name=lines["part"].map(NAMES.get), published_gain=gains)
