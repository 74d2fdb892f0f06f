"""What Hinton's paper and its successors say of students, as claims of ``distillation``.

They stand here as they were when results on the seeds 0 to 9 were known; each repetition draws
images of its own.
"""

from collections.abc import Iterator
from functools import partial

from multiview.runs.claims import Claim
from multiview.runs.estimates import largest, measured
from theory_experiments._hinton import MISSING, PAIR, HintonCell
from theory_experiments._hinton_numbers import PAPER, TOLERANCE
from theory_experiments._image_students import StudentsCell

GAIN = (1e-4, 1.0)
NO_LOSS = (-1.0, 0.01)
ALIKE = (-0.01, 0.01)

on_digits = partial(measured, part="mnist")
error = partial(on_digits, "error")
on_images = partial(measured, "error", part="cifar10")


def digit_claims(cell: HintonCell) -> Iterator[Claim]:
    """Signs at any size; the published errors, to half a point, at the paper's."""
    yield from _soft_claims(cell)
    yield from _temperature_claims(cell)
    yield from _shift_claims()
    yield from _few_claims(cell)
    sizes = cell.num_train, cell.teacher_widths, cell.student_widths
    if sizes == (None, (1200, 1200), (800, 800)):
        yield from _published_claims()


def _soft_claims(cell: HintonCell) -> Iterator[Claim]:
    claim = partial(Claim, source="arXiv 1503.02531, Section 3")
    labels, soft = error("labels"), error(units=cell.student_widths[0], T=cell.temperature)
    yield claim(
        name="MNIST: soft against hard",
        statement=f"a student of soft targets at T={cell.temperature:g} errs less than one of "
        "labels",
        predicted=GAIN,
        estimate=labels - soft,
    )
    yield claim(
        name="MNIST: half of the teacher",
        statement="and has at least half of what the teacher is better by",
        predicted=(0.0, 1.0),
        estimate=labels - soft - (labels - error("teacher")) / 2,
    )


def _temperature_claims(cell: HintonCell) -> Iterator[Claim]:
    claim = partial(Claim, source="arXiv 1503.02531, Section 3")
    warm = [error(units=cell.student_widths[0], T=T) for T in cell.temperatures if T >= 8]
    if len(warm) > 1:
        yield claim(
            name="MNIST: hot alike",
            statement="at all T of 8 and more the larger student errs alike, to half a point",
            predicted=(-1.0, 0.005),
            estimate=largest(a - b for a in warm for b in warm),
        )
    if 4.0 not in cell.temperatures:
        return
    units = cell.small_widths[0]
    for name, T in (("hotter", cell.temperature), ("colder", cell.temperatures[0])):
        yield claim(
            name=f"MNIST: small and warm, {name}",
            statement=f"a student of {units} units a layer errs less at T=4 than at T={T:g}",
            predicted=GAIN,
            estimate=error(units=units, T=T) - error(units=units, T=4.0),
        )


def _shift_claims() -> Iterator[Claim]:
    claim = partial(Claim, source="arXiv 1503.02531, Section 3")
    yield claim(
        name="MNIST: missing digit",
        statement=f"a student that never saw a {MISSING} knows nine of ten of them after one shift",
        predicted=(-1.0, 0.1),
        estimate=on_digits("class_error", "missing_shifted"),
    )
    yield claim(
        name="MNIST: missing digit, shift",
        statement="the shift it needs is positive: its bias for the digit is too low",
        predicted=(1e-9, 100.0),
        estimate=on_digits("shift", "missing_shifted"),
    )
    yield claim(
        name="MNIST: two digits",
        statement=f"shown {PAIR[0]}s and {PAIR[1]}s alone, a shift takes away half of its errors",
        predicted=(0.0, 1.0),
        estimate=error("pair") / 2 - error("pair_shifted"),
    )


def _few_claims(cell: HintonCell) -> Iterator[Claim]:
    claim = partial(Claim, source="arXiv 1503.02531, Section 5")
    share = f"with {100 * cell.few:g}% of the images"
    labels, soft = error("few_labels"), error("few_hinton")
    all_soft = error(units=cell.student_widths[0], T=cell.temperature)
    yield claim(
        name="MNIST: few images",
        statement=f"{share} soft targets err less than labels, each at its last epoch",
        predicted=GAIN,
        estimate=labels - soft,
    )
    yield claim(
        name="MNIST: few images, half",
        statement=f"{share} soft targets lose at most half of what labels lose",
        predicted=(0.0, 1.0),
        estimate=(labels - error("labels")) / 2 - (soft - all_soft),
    )
    yield claim(
        name="MNIST: few images, no early stop",
        statement="soft targets need no early stopping: the last epoch is as good as the best, to "
        "a point",
        predicted=NO_LOSS,
        estimate=soft - on_digits("best", "few_hinton"),
    )
    yield claim(
        name="MNIST: few images, labels stopped early",
        statement="labels alone do: the best epoch errs less than the last",
        predicted=GAIN,
        estimate=labels - on_digits("best", "few_labels"),
    )
    yield claim(
        name="MNIST: few images, training error",
        statement="soft targets fit these images less closely than labels do",
        predicted=GAIN,
        estimate=on_digits("train", "few_hinton") - on_digits("train", "few_labels"),
    )


def _published_claims() -> Iterator[Claim]:
    for (method, measure), (what, value) in PAPER.items():
        yield Claim(
            name=f"MNIST: {what}",
            source="arXiv 1503.02531",
            statement=f"{what} errs within half a point of the published {100 * value:.2f}%",
            predicted=(value - TOLERANCE, value + TOLERANCE),
            estimate=on_digits(measure, method),
        )


def image_claims(cell: StudentsCell) -> Iterator[Claim]:
    """Signs, and which lessons come to the same."""
    claim = partial(Claim, source="arXiv 1503.02531, Section 2")
    yield Claim(
        name="CIFAR-10: ensemble",
        source="arXiv 2012.09816",
        statement="the teachers' ensemble errs less than one of them",
        predicted=GAIN,
        estimate=on_images("member") - on_images("ensemble"),
        kind="check",
    )
    yield claim(
        name="CIFAR-10: student",
        statement="a student of the ensemble errs less than one of labels",
        predicted=GAIN,
        estimate=on_images("labels") - on_images("hinton"),
    )
    yield claim(
        name="CIFAR-10: averages",
        statement="mean probabilities and mean logits teach alike, to a point",
        predicted=ALIKE,
        estimate=on_images("hinton") - on_images("hinton_logits"),
    )
    yield claim(
        name="CIFAR-10: hot limit",
        statement=f"T={cell.hot:g} and centred squares teach alike, to a point",
        predicted=ALIKE,
        estimate=on_images("hinton_hot") - on_images("squares_centred"),
    )
    yield claim(
        name="CIFAR-10: centring",
        statement="what softmax cannot see need not be taught: centred squares teach no worse, to "
        "a point",
        predicted=NO_LOSS,
        estimate=on_images("squares_centred") - on_images("squares"),
    )
    yield Claim(
        name="CIFAR-10: born again",
        source="arXiv 1805.04770",
        statement="the first generation errs less than its teacher",
        predicted=GAIN,
        estimate=on_images("round_0") - on_images("round_1"),
    )
