"""What was derived of the views that students on synthetic patches cover: claims and tables.

The claims stand as they were restated, all with the margin of 0.05, when results on the seeds 0 to
9 were known, with ten classes, and before any run on the seeds from 10 on. Since then the
temperature of Hinton's loss where it is not varied was raised from 4 to 16, and its weight from 1
to 20, on the seed 1000 with twenty classes.
"""

from collections.abc import Iterator
from functools import partial

import pandas as pd

from multiview.bench import Cell, PatchSetting
from multiview.methods import TransferSet, Variant
from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Line, Listing, estimated, lines_of, measure
from theory_experiments.views.parts import SYNTHETIC
from theory_experiments.views.patch_students import (
    ENTRIES,
    HINTON,
    KD_LOSSES,
    PAPER_TEMPERATURES,
    SIZES,
    T,
    method,
)
from theory_experiments.views.units import MARGIN, MORE, SAME

on_patches = partial(measured, part=SYNTHETIC)
coverage = partial(on_patches, "coverage")
predicted = partial(on_patches, "predicted")


def claims(cell: Cell) -> Iterator[Claim]:
    """The predictions P1 to P4 about c, with what counts as equal, and a control of P1."""
    sizes = [size for size in SIZES if f"ensemble_{size}" in cell.methods]
    for loss, name in KD_LOSSES.items():
        yield from fresh_start_claims(cell, sizes, loss, name)
    statement = (
        "a student that starts as its teacher draws no views of its own: c is its teacher's to "
        f"{MARGIN}"
    )
    control = coverage("self_same_start") - coverage("hinton_round_0")
    yield Claim(
        "synthetic: starts as its teacher", derived_in("P1's control"), statement, SAME, control
    )
    temperatures = [
        at for at in PAPER_TEMPERATURES if method(HINTON, sizes[-1], at) in cell.methods
    ]
    yield from temperature_claims(temperatures, sizes[-1])
    yield from few_claims(cell, sizes[-1])
    yield from left_out_claims()


def derived_in(prediction: str) -> str:
    """The source of a prediction."""
    return f"{prediction} (derived; arXiv 2012.09816, Section 4)"


def fresh_start_claims(cell: Cell, sizes: list[int], loss: str, name: str) -> Iterator[Claim]:
    """A student of a fresh start adds what it would learn alone."""
    claim = partial(Claim, source=derived_in("P1"), predicted=SAME)
    for size in sizes:
        who = method(loss, size)
        yield claim(
            f"synthetic: {loss}, K={size}",
            statement=f"c of a student of {size} is 1 - (1 - c_T)(1 - c_0) to {MARGIN} ({name})",
            estimate=coverage(who) - predicted(who),
            primary=loss == HINTON and size == 1,
        )
    first = method(loss, 1)
    yield claim(
        f"synthetic: {loss}, view by view",
        statement=f"from one teacher it covers what that or its own start would, to {MARGIN} "
        f"({name})",
        estimate=coverage(first) - on_patches("union", first),
    )
    rounds = max(r for r in range(len(cell.methods)) if f"{loss}_round_{r}" in cell.methods)
    last = f"{loss}_round_{rounds}"
    yield claim(
        f"synthetic: {loss}, rounds",
        statement=f"after r={rounds} rounds of students of students c is "
        f"1 - (1 - c_0)^(r + 1) to {MARGIN} ({name})",
        estimate=coverage(last) - predicted(last),
    )
    yield claim(
        f"synthetic: {loss}, first round",
        statement=f"c of the first round exceeds that of the network that taught it by {MARGIN} or "
        f"more ({name})",
        predicted=MORE,
        estimate=coverage(f"{loss}_round_1") - coverage(f"{loss}_round_0"),
    )


def temperature_claims(temperatures: list[float], size: int) -> Iterator[Claim]:
    """Higher temperatures show more."""
    low, high = temperatures[0], temperatures[-1]

    def at(temperature: float) -> Estimate:
        return coverage(method(HINTON, size, temperature))

    source = derived_in("P2")
    statement = f"c is larger at T={high:g} than at T={low:g} by {MARGIN} or more"
    yield Claim(f"synthetic: T={high:g}", source, statement, MORE, at(high) - at(low))
    for name, loss, label in (
        ("l2", "squares", "squares"),
        ("l2_centred", "squares_centred", "centred squares"),
    ):
        statement = f"c of {label} of logits is that at T={high:g} to {MARGIN}"
        difference = coverage(f"{loss}_of_{size}") - at(high)
        yield Claim(f"synthetic: {name}", source, statement, SAME, difference)
    if low == 1:
        statement = f"at T=1 the student covers what labels teach, to {MARGIN}"
        yield Claim("synthetic: T=1", source, statement, SAME, at(low) - coverage("labels"))


def few_claims(cell: Cell, size: int) -> Iterator[Claim]:
    """A few samples with soft targets show as much as many."""
    setting, few = cell.setting, cell.methods["few_hinton"]
    assert isinstance(setting, PatchSetting)
    assert isinstance(few, Variant)
    assert isinstance(few.samples, TransferSet)
    number, all_of = few.samples.per_class or 0, setting.num_train / setting.spec.num_classes
    share = f"{number / all_of:.0%}; Hinton et al.: 3%"
    of = f"{number} of about {all_of:g} samples a class ({share})"
    statement = f"with {of} soft targets keep c within {MARGIN} of the teacher's"
    kept = coverage("few_hinton") - coverage(f"ensemble_{size}")
    yield Claim("synthetic: few, soft", derived_in("P3"), statement, SAME, kept)
    statement = f"with {of} and labels alone c is below that with all samples by {MARGIN} or more"
    lost = coverage("labels") - coverage("few_labels")
    yield Claim("synthetic: few, hard", derived_in("P3"), statement, MORE, lost)


def left_out_claims() -> Iterator[Claim]:
    """A class that no sample is of is seen in the others' samples."""
    P4, ours = derived_in("P4"), "ours: its own logit"
    shifted, single, answered = (
        partial(on_patches, name) for name in ("shifted", "single", "answered")
    )
    taught, others, by_labels = "omitted_hinton", "others_hinton", "omitted_labels"
    errs = f"after one shift of its bias the class left out errs as the others to {MARGIN}"
    covers = f"after the shift c of the class left out is that of the others to {MARGIN}"
    less = (
        "after the shift it errs less on its single-view samples than with labels alone by "
        f"{MARGIN} or more"
    )
    views = (
        f"its logit answers to as many of its views as the others' logits do to theirs, to {MARGIN}"
    )
    more = f"and to more of them than with labels alone by {MARGIN} or more"
    for name, source, statement, expected, estimate in (
        ("error", P4, errs, SAME, shifted(taught) - shifted(others)),
        ("coverage", P4, covers, SAME, coverage(taught) - coverage(others)),
        ("soft minus hard", P4, less, MORE, single(by_labels) - single(taught)),
        ("views", ours, views, SAME, answered(taught) - answered(others)),
        ("soft", ours, more, MORE, answered(taught) - answered(by_labels)),
    ):
        yield Claim(f"synthetic: left out, {name}", source, statement, expected, estimate)


LEFT_OUT = {  # who and which measure
    "its error": ("omitted", "error"),
    "its error after one shift": ("omitted", "shifted"),
    "others' error after it": ("others", "shifted"),
    "its single-view error after it": ("omitted", "single"),
    "its c after it": ("omitted", "coverage"),
    "others' c after it": ("others", "coverage"),
    "its views that its logit answers to": ("omitted", "answered"),
    "others' views that theirs do": ("others", "answered"),
}


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Coverage and errors beside c as the theory has it; a class left out; who agrees with whom."""
    yield Listing(
        title="Patches: views covered and test errors of teachers and students",
        lines=list(lines(table)),
        columns=[
            measure("c, %", "coverage", digits=0),
            measure("theory's c", "predicted", interval=False, digits=0),
            measure("view by view", "union", interval=False, digits=0),
            measure("single-view, %", "single"),
            measure("multi-view, %", "multi"),
            measure("margin", "margin", unit="number", digits=1),
        ],
    )
    yield Listing(
        title="A class left out, in %",
        lines=[
            Line(label=label, where={"who": who, "measure": name})
            for label, (who, name) in LEFT_OUT.items()
        ],
        columns=[
            estimated("soft targets", lambda line: left_out(line, "hinton")),
            estimated("labels", lambda line: left_out(line, "labels")),
            estimated(
                "soft minus labels",
                lambda line: left_out(line, "hinton") - left_out(line, "labels"),
                unit="points",
            ),
        ],
    )
    students = {method(loss, 1): f"student of one ({label})" for loss, label in KD_LOSSES.items()}
    yield Listing(
        title="Classes of which a network has the same dominant view as another one, in %",
        lines=lines_of({"member": "one network"} | students),
        columns=[
            measure("another", "same_view"),
            measure("its teacher", "same_view_as_teacher"),
            measure("its start, by labels", "same_view_as_labels"),
        ],
    )


def left_out(line: Line, loss: str) -> Estimate:
    """The measure that the line names, of students by this loss."""
    return measured(line.where["measure"], f"{line.where['who']}_{loss}")


def lines(table: pd.DataFrame) -> Iterator[Line]:
    """Every method, by what it varies."""
    known = set(table["method"])
    sizes = [size for size in SIZES if f"ensemble_{size}" in known]

    def of(group: str, *names: str) -> list[Line]:
        return lines_of({name: ENTRIES[name].label for name in names if name in known}, group)

    yield from of("", "member", "labels")
    yield from of("teachers", *(f"ensemble_{size}" for size in sizes))
    for loss, label in KD_LOSSES.items():
        heading = f"{label}, T={T:g}" if loss == HINTON else label
        yield from of(heading, *(method(loss, size) for size in sizes))
    for size in (sizes[-1], 1):
        at = {method(HINTON, size, each): f"T={each:g}" for each in PAPER_TEMPERATURES}
        shown = {name: label for name, label in at.items() if name in known}
        yield from lines_of(shown, group=f"Hinton, K={size}")
    yield from of("Hinton, K=1", "self_same_start")
    K = sizes[-1]
    squares = {f"squares_of_{K}": "logits", f"squares_centred_of_{K}": "centred logits"}
    yield from lines_of(squares, group=f"squares, K={K}")
    yield from lines_of({f"standardised_of_{K}": "logits"}, group=f"standardised, K={K}")
    for loss, label in KD_LOSSES.items():
        rounds = [name for name in ENTRIES if name.startswith(f"{loss}_round_")]
        yield from of(f"rounds, {label}", *rounds)
    yield from of(f"{table['few_share'].max():.0%} of the samples", "few_hinton", "few_labels")
