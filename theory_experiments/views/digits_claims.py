"""What Hinton's paper says of students on digits: claims and tables.

The claims stand as they were when results on the seeds 0 to 9 were known; each repetition draws
images of its own.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pandas as pd

from multiview.bench import Cell
from multiview.bench.nets import Dense
from multiview.methods import TransferSet, Variant
from multiview.runs.claims import Claim, at_least
from multiview.runs.estimates import Estimate, largest, measured
from multiview.runs.tables import Line, Listing, estimated, given, lines_of, measure
from theory_experiments.views.digits import HIGH_T, MISSING, PAIR, PAPER_CELL, PART, TEMPERATURES
from theory_experiments.views.distillation_published import PAPER, SHIFTS, TOLERANCE

GAIN = (1e-4, 1.0)
NO_LOSS = (-1.0, 0.01)
SECTION_3, SECTION_5 = "arXiv 1503.02531, Section 3", "arXiv 1503.02531, Section 5"
on_digits = partial(measured, part=PART)
error = partial(on_digits, "error")


def claims(cell: Cell) -> Iterator[Claim]:
    """Signs at any size; the published errors, to half a point, at the paper's."""
    yield from soft_claims()
    yield from temperature_claims(cell)
    yield from shift_claims()
    yield from few_claims(cell)
    yield from ten_claims()
    if replace(cell, seed=PAPER_CELL.seed) == PAPER_CELL:
        yield from published_claims()


def soft_claims() -> Iterator[Claim]:
    """Soft targets carry what labels do not."""
    labels, soft = error("labels"), error(f"hinton_T{HIGH_T:g}")
    statement = f"a student of soft targets at T={HIGH_T:g} errs less than one of labels"
    yield Claim("MNIST: soft against hard", SECTION_3, statement, GAIN, labels - soft)
    statement = "and has at least half of what the teacher is better by"
    beyond = labels - soft - (labels - error("teacher")) / 2
    yield Claim("MNIST: half of the teacher", SECTION_3, statement, (0.0, 1.0), beyond)


def temperature_claims(cell: Cell) -> Iterator[Claim]:
    """Which temperatures teach alike, and which best."""
    known = [T for T in TEMPERATURES if f"hinton_T{T:g}" in cell.methods]
    high = [error(f"hinton_T{T:g}") for T in known if T >= 8]
    if len(high) > 1:
        statement = "at all T of 8 and more the larger student errs alike, to half a point"
        apart = largest(a - b for a in high for b in high)
        yield Claim("MNIST: hot alike", SECTION_3, statement, (-1.0, 0.005), apart)
    if 4.0 not in known:
        return
    small = cell.methods["small_labels"]
    assert isinstance(small, Variant)
    assert isinstance(small.net, Dense)
    for name, T in (("hotter", HIGH_T), ("colder", known[0])):
        statement = (
            f"a student of {small.net.widths[0]} units a layer errs less at T=4 than at T={T:g}"
        )
        gain = error(f"small_hinton_T{T:g}") - error("small_hinton_T4")
        yield Claim(f"MNIST: small and warm, {name}", SECTION_3, statement, GAIN, gain)


def shift_claims() -> Iterator[Claim]:
    """Digits that were never seen are known after one shift of a bias."""
    statement = f"a student that never saw a {MISSING} knows nine of ten of them after one shift"
    after = on_digits("class_error", "missing_shifted")
    yield Claim("MNIST: missing digit", SECTION_3, statement, (-1.0, 0.1), after)
    statement = "the shift it needs is positive: its bias for the digit is too low"
    shift = on_digits("shift", "missing_shifted")
    yield Claim("MNIST: missing digit, shift", SECTION_3, statement, (1e-9, 100.0), shift)
    statement = f"shown {PAIR[0]}s and {PAIR[1]}s alone, a shift takes away half of its errors"
    saved = error("pair") / 2 - error("pair_shifted")
    yield Claim("MNIST: two digits", SECTION_3, statement, (0.0, 1.0), saved)


def few_claims(cell: Cell) -> Iterator[Claim]:
    """With few images soft targets lose little, and need no early stopping."""
    few = cell.methods["few_labels"]
    assert isinstance(few, Variant)
    assert isinstance(few.samples, TransferSet)
    share = f"with {100 * few.samples.share:g}% of the images"
    labels, soft = error("few_labels"), error("few_hinton")
    best, met = partial(on_digits, "best"), partial(on_digits, "transfer_error")
    lost = (labels - error("labels")) / 2 - (soft - error(f"hinton_T{HIGH_T:g}"))
    less = f"{share} soft targets err less than labels, each at its last epoch"
    half = f"{share} soft targets lose at most half of what labels lose"
    last = "soft targets need no early stopping: the last epoch is as good as the best, to a point"
    early = "labels alone do: the best epoch errs less than the last"
    loose = "soft targets fit these images less closely than labels do"
    for name, statement, predicted, estimate in (
        ("", less, GAIN, labels - soft),
        (", half", half, (0.0, 1.0), lost),
        (", no early stop", last, NO_LOSS, soft - best("few_hinton")),
        (", labels stopped early", early, GAIN, labels - best("few_labels")),
        (", training error", loose, GAIN, met("few_hinton") - met("few_labels")),
    ):
        yield Claim(f"MNIST: few images{name}", SECTION_5, statement, predicted, estimate)


def ten_claims() -> Iterator[Claim]:
    """One student keeps most of what averaging ten networks gains, as on the paper's speech."""
    single = error("single")
    gained, taught = single - error("ten"), single - error("of_ten")
    source = "arXiv 1503.02531, Section 4 (of speech)"
    statement = "ten networks averaged err less than one of them"
    yield Claim("MNIST: ten networks", source, statement, GAIN, gained)
    statement = "a student of ten networks keeps 80% or more of what averaging them gains"
    yield Claim("MNIST: student of ten", source, statement, at_least(0.0), taught - gained * 0.8)


def published_claims() -> Iterator[Claim]:
    """The paper's own errors."""
    for (method, name), (what, value) in PAPER.items():
        statement = f"{what} errs within half a point of the published {100 * value:.2f}%"
        near = (value - TOLERANCE, value + TOLERANCE)
        source = "arXiv 1503.02531"
        yield Claim(f"MNIST: {what}", source, statement, near, on_digits(name, method))


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Hinton's experiments: the published errors, shifts, few images, and by temperature."""
    first, n, units = table.iloc[0], table["train_images"].max(), units_of(table)
    sizes = f"{units['teacher']:g} units a layer in the teacher and {units['labels']:g} in students"
    yield Listing(
        title=f"Test error in %: {first['data']}, {n:.0f} training images, {sizes}; paper: arXiv "
        "1503.02531, Section 3, 60,000 images, 2 x 1200 and 2 x 800 units",
        lines=[
            Line(label=what, where={"method": method, "measure": name, "paper": value})
            for (method, name), (what, value) in PAPER.items()
        ],
        columns=[
            given("paper", {what: f"{100 * value:.2f}" for what, value in PAPER.values()}),
            estimated("ours", own),
            estimated("difference", lambda line: own(line) - line.where["paper"], unit="points"),
        ],
    )
    yield Listing(
        title="Shift of one bias; the paper's were chosen on test images, ours on validation "
        "images",
        lines=lines_of({method: what for method, (what, _) in SHIFTS.items()}),
        columns=[
            given("paper", {what: f"{value:g}" for what, value in SHIFTS.values()}),
            measure("ours", "shift", unit="number"),
        ],
    )
    of_single = {"method": "single"}
    yield Listing(
        title="Test error in % of networks like the students, on labels, of their mean, and of a "
        "student of it",
        lines=lines_of(
            {"single": "one network", "ten": "their ensemble", "of_ten": "a student of it"}
        ),
        columns=[
            measure("error", "error"),
            measure("gain over one network", "error", unit="points", gain_over=of_single),
        ],
    )
    yield Listing(
        title=f"{100 * table['share'].max():g}% of the images: error in %",
        lines=lines_of({"few_labels": "labels", "few_hinton": "soft targets"}),
        columns=[
            measure("last epoch", "error"),
            measure("stopped early", "best"),
            measure("on these images", "transfer_error"),
        ],
    )
    yield by_temperature(table)


def units_of(table: pd.DataFrame) -> dict[str, float]:
    """Units a layer of each network."""
    known = table.dropna(subset=["units"])
    return dict(zip(known["method"], known["units"], strict=True))


def own(line: Line, size: str = "") -> Estimate:
    """The measure that the line names, of the method it names or of its smaller twin."""
    return measured(line.where.get("measure", "error"), size + line.where["method"])


def by_temperature(table: pd.DataFrame) -> Listing:
    """Students of either size by temperature, and of labels."""
    units = units_of(table)
    sizes = {f"{units[f'{size}labels']:g} units a layer": size for size in ("", "small_")}
    temperatures = {f"T={T:g}": f"hinton_T{T:g}" for T in sorted(table["T"].dropna().unique())}
    return Listing(
        title="Test error in % by temperature",
        lines=[
            Line(label=label, where={"method": method})
            for label, method in ({"labels": "labels"} | temperatures).items()
        ],
        columns=[estimated(heading, partial(own, size=size)) for heading, size in sizes.items()],
    )
