"""What dropout distillation's paper says, as claims about the columns of ``run_images``."""

from collections.abc import Iterator
from functools import partial

from theory_experiments._dropout_distillation import MASKS, ImageDropoutCell
from theory_experiments._estimates import Estimate, difference, of_part

SOURCE = "Dropout Distillation"
WITHIN = "ours: within the size range"  # the paper's range was in a figure that is not at hand
MARGIN = 0.005  # half a point: what a student may err more than the standard prediction
FEW = 5  # masks
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
BETTER = (1e-9, 1.0)


def image_claims(part: str, cell: ImageDropoutCell) -> Iterator[tuple]:
    """Signs of differences, each of one data set."""
    name, on = NAMES[part], partial(of_part, part)
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
    for masks, source in ((MASKS[-1], SOURCE), (FEW, "ours")):
        says = (
            f"on {name}, of one teacher, two students by other draws of SGD differ less than two "
            f"means over {masks} masks each"
        )
        yield f"{name}: variance, {masks}", source, says, (1e-9, 1.0), on(variance_saved(masks))
    for layers, what in (("hidden", "hidden layer"), ("all", "layers all")):
        for place, factor in enumerate(cell.shrink, start=1):
            says = (
                f"with {what} shrunk {factor} times a student errs less than a net of labels (the "
                "paper: inside a range of sizes)"
            )
            estimate = on(saved_at(layers, place))
            yield f"{name}: {what} / {factor}", WITHIN, says, BETTER, estimate


def variance_saved(masks: int) -> Estimate:
    """Estimate: variance of a mean over masks minus that of a student, for one fixed teacher.

    The first is over the draws of so many masks, the second over the draws of the student's SGD.
    """
    place = MASKS.index(masks)
    return lambda table: table["mc_variance"].str[place] - table["distilled_variance"]


def saved_at(layers: str, place: int) -> Estimate:
    """Estimate: error of the small net trained on labels minus that of the small student."""
    baseline, distilled = f"{layers}_baseline", f"{layers}_distilled"
    return lambda table: table[baseline].str[place] - table[distilled].str[place]
