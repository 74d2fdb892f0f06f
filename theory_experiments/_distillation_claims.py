"""What Hinton's paper and its successors say of students, as claims of ``distillation``."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from theory_experiments._estimates import Estimate, difference, of_part
from theory_experiments._hinton import MISSING, PAIR, HintonCell
from theory_experiments._hinton_numbers import PAPER, TOLERANCE
from theory_experiments._image_students import StudentsCell

GAIN = (1e-4, 1.0)


def digit_claims(cell: HintonCell, *, full_size: bool = False) -> Iterator[tuple]:
    """Signs at any size; the published errors, to half a point, at the paper's."""
    for name, source, says, predicted, estimate in _digit_lines(cell):
        yield f"MNIST: {name}", source, says, predicted, of_part("mnist", estimate)
    if full_size:
        for column, (what, value) in PAPER.items():
            says = f"{what} errs within half a point of the published {100 * value:.2f}%"
            predicted = (value - TOLERANCE, value + TOLERANCE)
            own = of_part("mnist", lambda rows, column=column: rows[column])
            yield f"MNIST: {what}", "arXiv 1503.02531", says, predicted, own


def _digit_lines(cell: HintonCell) -> Iterator[tuple]:
    T, source = f"T={cell.temperature:g}", "arXiv 1503.02531, Section 3"
    says = f"a student of soft targets at {T} errs less than one of labels"
    yield "soft against hard", source, says, GAIN, difference("hard", "soft")
    says = "and has at least half of what the teacher is better by"
    yield "half of the teacher", source, says, (0.0, 1.0), beyond_half
    warm = [place for place, T in enumerate(cell.temperatures) if T >= 8]
    if len(warm) > 1:
        says = "at all T of 8 and more the larger student errs alike, to half a point"
        yield "hot alike", source, says, (-1.0, 0.005), spread("by_temperature", warm)
    small = f"a student of {cell.small_widths[0]} units a layer errs less at T=4 than at"
    if 4.0 in cell.temperatures:
        for name, other in (("hotter", cell.temperature), ("colder", cell.temperatures[0])):
            gain = beyond_warm(*map(cell.temperatures.index, (other, 4.0)))
            yield f"small and warm, {name}", source, f"{small} T={other:g}", GAIN, gain
    says = f"a student that never saw a {MISSING} knows nine of ten of them after one shift"
    yield "missing digit", source, says, (-1.0, 0.1), lambda t: t["missing_class_shifted"]
    says = "the shift it needs is positive: its bias for the digit is too low"
    yield "missing digit, shift", source, says, (1e-9, 100.0), lambda t: t["missing_shift"]
    says = f"shown {PAIR[0]}s and {PAIR[1]}s alone, a shift takes away half of its errors"
    halved = lambda t: t["pair"] / 2 - t["pair_shifted"]  # noqa: E731
    yield "two digits", source, says, (0.0, 1.0), halved
    source, share = "arXiv 1503.02531, Section 5", f"{100 * cell.few:g}% of the images"
    says = f"with {share} soft targets err less than labels, each at its last epoch"
    yield "few images", source, says, GAIN, difference("few_hard", "few_soft")
    says = f"with {share} soft targets lose at most half of what labels lose"
    yield "few images, half", source, says, (0.0, 1.0), half_of_the_loss
    says = "soft targets need no early stopping: the last epoch is as good as the best, to a point"
    late = difference("few_soft", "few_soft_best")
    yield "few images, no early stop", source, says, (-1.0, 0.01), late
    says = "labels alone do: the best epoch errs less than the last"
    late = difference("few_hard", "few_hard_best")
    yield "few images, labels stopped early", source, says, GAIN, late
    says = "soft targets fit these images less closely than labels do"
    loose = difference("few_soft_train", "few_hard_train")
    yield "few images, training error", source, says, GAIN, loose


def beyond_half(rows: pd.DataFrame) -> Any:
    """Estimate: what the student gains on labels minus half of what the teacher does."""
    return rows["hard"] - rows["soft"] - (rows["hard"] - rows["teacher"]) / 2


def half_of_the_loss(rows: pd.DataFrame) -> Any:
    """Estimate: half of what few images cost with labels minus what they cost with a teacher."""
    return (rows["few_hard"] - rows["hard"]) / 2 - (rows["few_soft"] - rows["soft"])


def spread(name: str, places: list[int]) -> Estimate:
    """Estimate: largest minus smallest of these places of a list."""
    return lambda rows: rows[name].map(
        lambda values: max(values[i] for i in places) - min(values[i] for i in places)
    )


def beyond_warm(other: int, warm: int) -> Estimate:
    """Estimate: the small student's error at one place of the temperatures minus at another."""
    return lambda rows: (
        rows["small_by_temperature"].str[other] - rows["small_by_temperature"].str[warm]
    )


def image_claims(cell: StudentsCell) -> Iterator[tuple]:
    """Signs, and which lessons come to the same."""
    alike, source = (-0.01, 0.01), "arXiv 1503.02531, Section 2"
    lines = (
        (
            "ensemble",
            "arXiv 2012.09816",
            "the teachers' ensemble errs less than one of them",
            GAIN,
            difference("one", "ensemble"),
        ),
        (
            "student",
            source,
            "a student of the ensemble errs less than one of labels",
            GAIN,
            difference("labels", "kd"),
        ),
        (
            "averages",
            source,
            "mean probabilities and mean logits teach alike, to a point",
            alike,
            difference("kd", "kd_logits"),
        ),
        (
            "hot limit",
            source,
            f"T={cell.hot:g} and centred squares teach alike, to a point",
            alike,
            difference("kd_hot", "l2_centred"),
        ),
        (
            "centring",
            source,
            "what softmax cannot see need not be taught: centred squares teach no "
            "worse, to a point",
            (-1.0, 0.01),
            difference("l2_centred", "l2"),
        ),
        (
            "born again",
            "arXiv 1805.04770",
            "the first generation errs less than its teacher",
            GAIN,
            lambda rows: rows["generations"].map(lambda each: each[0] - each[1]),
        ),
    )
    for name, origin, says, predicted, estimate in lines:
        yield f"CIFAR-10: {name}", origin, says, predicted, of_part("cifar10", estimate)
