"""What dropout distillation's paper says of images.

Decided before any run on the seeds from 10 on, with results of the seeds 0 to 9 known.
"""

from collections.abc import Iterator
from functools import partial

from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from theory_experiments._dropout_distillation import MASKS, ImageDropoutCell

SOURCE = "Dropout Distillation"
MARGIN = 0.005  # half a point: what a student may err more than the standard prediction
FEW = 5  # masks
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
BETTER = (1e-9, 1.0)


def image_claims(cell: ImageDropoutCell) -> Iterator[Claim]:
    """Signs of differences, each of one data set."""
    name, of = NAMES[cell.part], partial(measured, part=cell.part)
    error = partial(of, "error")
    masks, gain = error(f"masks_{MASKS[-1]}"), error("standard") - error("distilled")
    for what, source, statement, predicted, estimate in (
        (
            "masks",
            SOURCE,
            "the mean over 100 masks errs less than the standard prediction",
            BETTER,
            error("standard") - masks,
        ),
        (
            "student, no worse",
            SOURCE,
            f"the student of a copy errs at most {MARGIN} more than the standard one",
            (-MARGIN, 1.0),
            gain,
        ),
        (
            "student against standard",
            SOURCE,
            "the student errs less than the standard prediction",
            BETTER,
            gain,
        ),
        (
            "masks against student",
            SOURCE,
            "the mean over 100 masks errs less than the student",
            BETTER,
            error("distilled") - masks,
        ),
        (
            "nearer the ideal",
            "its objective",
            "the student is nearer the mean over masks than the standard prediction",
            (1e-9, float("inf")),
            of("divergence", "standard") - of("divergence", "distilled"),
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
            for number, source in ((MASKS[-1], SOURCE), (FEW, "ours"))
        ),
        *(
            (
                f"{what} / {factor}",
                "ours: within the size range",  # the paper's was in a figure that is not at hand
                f"with {what} shrunk {factor} times a student errs less than a net of labels (the "
                "paper: inside a range of sizes)",
                BETTER,
                small(taught_by="labels") - small(taught_by="masks"),
            )
            for layers, what in (("hidden", "hidden layer"), ("all", "layers all"))
            for factor in cell.shrink
            for small in [partial(error, layers=layers, factor=factor)]
        ),
    ):
        yield Claim(
            name=f"{name}: {what}",
            source=source,
            statement=f"on {name} {statement}",
            predicted=predicted,
            estimate=estimate,
        )
