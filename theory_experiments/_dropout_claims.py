"""What dropout distillation's paper says, as claims about the columns of ``run_images``."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from theory_experiments._dropout_distillation import MASKS, ImageDropoutCell
from theory_experiments._estimates import Estimate, difference, where

SOURCE = "Dropout Distillation"
MARGIN = 0.005  # half a point: what a student may err more than the standard prediction
FEW = 5  # masks
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
BETTER = (1e-9, 1.0)


def image_claims(part: str, cell: ImageDropoutCell) -> Iterator[tuple]:
    """Signs of differences, each of one data set."""
    name = NAMES[part]

    def on(estimate: Estimate) -> Estimate:
        return lambda table: estimate(where(table, part=part))

    says = f"on {name} the mean over 100 masks errs less than the standard prediction"
    yield f"{name}: masks", SOURCE, says, BETTER, on(difference("standard", "mc"))
    says = f"on {name} the student of a copy errs at most {MARGIN} more than the standard one"
    gain = on(difference("standard", "distilled"))
    yield f"{name}: student, no worse", SOURCE, says, (-MARGIN, 1.0), gain
    says = f"on {name} the student errs less than the standard prediction"
    yield f"{name}: student against standard", SOURCE, says, BETTER, gain
    says = f"on {name} the mean over 100 masks errs less than the student"
    yield (
        f"{name}: masks against student",
        SOURCE,
        says,
        BETTER,
        on(difference("distilled", "mc")),
    )
    says = f"on {name} the student is nearer the mean over masks than the standard prediction"
    nearer = on(difference("standard_gap", "distilled_gap"))
    yield f"{name}: nearer the ideal", "its objective", says, (1e-9, float("inf")), nearer
    says = f"on {name} two students differ less than two means over {FEW} masks"
    yield f"{name}: variance", SOURCE, says, (1e-9, 1.0), on(variance_saved)
    for layers, what in (("hidden", "hidden layer"), ("all", "layers all")):
        for place, factor in enumerate(cell.shrink, start=1):
            says = f"with {what} shrunk {factor} times a student errs less than a net of labels"
            estimate = on(saved_at(layers, place))
            yield f"{name}: {what} / {factor}", SOURCE, says, BETTER, estimate


def variance_saved(table: pd.DataFrame) -> Any:
    """Estimate: variance of the mean over ``FEW`` masks minus that of the student."""
    return table["mc_variance"].str[MASKS.index(FEW)] - table["distilled_variance"]


def saved_at(layers: str, place: int) -> Estimate:
    """Estimate: error of the small net trained on labels minus that of the small student."""
    baseline, distilled = f"{layers}_baseline", f"{layers}_distilled"
    return lambda table: table[baseline].str[place] - table[distilled].str[place]
