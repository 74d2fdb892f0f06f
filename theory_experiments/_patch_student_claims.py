"""What was derived of the views that students on synthetic patches cover, as claims."""

from collections.abc import Iterator
from functools import partial

from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, measured
from theory_experiments._parts import SYNTHETIC
from theory_experiments._patch_student_nets import LESSONS, PatchStudentsCell
from theory_experiments.views.units import MARGIN, MORE, SAME

on_patches = partial(measured, part=SYNTHETIC)
coverage = partial(on_patches, "coverage")


def patch_students_claims(cell: PatchStudentsCell) -> Iterator[Claim]:
    """The predictions P1 to P4 about c, with what counts as equal, and a control of P1."""
    for lesson, name in LESSONS.items():
        yield from _fresh_start_claims(cell, lesson, name)
    yield Claim(
        name="synthetic: starts as its teacher",
        source=_source("P1's control"),
        statement="a student that starts as its teacher draws no views of its own: c is its "
        f"teacher's to {MARGIN}",
        predicted=SAME,
        estimate=coverage("self_same_start") - coverage("hinton_round_0"),
    )
    yield from _heat_claims(cell)
    yield from _few_claims(cell)
    yield from _left_out_claims()


def _source(prediction: str) -> str:
    return f"{prediction} (derived; arXiv 2012.09816, Section 4)"


def _fresh_start_claims(cell: PatchStudentsCell, lesson: str, name: str) -> Iterator[Claim]:
    """A student of a fresh start adds what it would learn alone."""
    claim = partial(Claim, source=_source("P1"))
    heat = {"T": cell.temperature} if lesson == "hinton" else {}
    for size in cell.sizes:
        student = {"lesson": lesson, "size": size, **heat}
        yield claim(
            name=f"synthetic: {lesson}, K={size}",
            statement=f"c of a student of {size} is 1 - (1 - c_T)(1 - c_0) to {MARGIN} ({name})",
            predicted=SAME,
            estimate=coverage(**student) - on_patches("predicted", **student),
            primary=lesson == "hinton" and size == 1,
        )
    first = {"lesson": lesson, "size": 1, **heat}
    yield claim(
        name=f"synthetic: {lesson}, view by view",
        statement=f"from one teacher it covers what that or its own start would, to {MARGIN} "
        f"({name})",
        predicted=SAME,
        estimate=coverage(**first) - on_patches("union", **first),
    )
    last = {"chain": lesson, "round": cell.rounds}
    yield claim(
        name=f"synthetic: {lesson}, rounds",
        statement=f"after r={cell.rounds} rounds of students of students c is "
        f"1 - (1 - c_0)^(r + 1) to {MARGIN} ({name})",
        predicted=SAME,
        estimate=coverage(**last) - on_patches("predicted", **last),
    )
    yield claim(
        name=f"synthetic: {lesson}, first round",
        statement=f"c of the first round exceeds that of the network that taught it by {MARGIN} or "
        f"more ({name})",
        predicted=MORE,
        estimate=coverage(chain=lesson, round=1) - coverage(chain=lesson, round=0),
    )


def _heat_claims(cell: PatchStudentsCell) -> Iterator[Claim]:
    """Hotter lessons show more."""
    claim = partial(Claim, source=_source("P2"))
    hot, cold = cell.temperatures[-1], cell.temperatures[0]

    def at(T: float) -> Estimate:
        return coverage(lesson="hinton", size=cell.members, T=T)

    yield claim(
        name=f"synthetic: T={hot:g}",
        statement=f"c is larger at T={hot:g} than at T={cold:g} by {MARGIN} or more",
        predicted=MORE,
        estimate=at(hot) - at(cold),
    )
    for name, lesson, says in (
        ("l2", "squares", "squares"),
        ("l2_centred", "squares_centred", "centred squares"),
    ):
        yield claim(
            name=f"synthetic: {name}",
            statement=f"c of {says} of logits is that at T={hot:g} to {MARGIN}",
            predicted=SAME,
            estimate=coverage(lesson=lesson, size=cell.members) - at(hot),
        )
    if cold == 1:
        yield claim(
            name="synthetic: T=1",
            statement=f"at T=1 the student covers what labels teach, to {MARGIN}",
            predicted=SAME,
            estimate=at(cold) - coverage("labels"),
        )


def _few_claims(cell: PatchStudentsCell) -> Iterator[Claim]:
    """A few samples with soft targets show as much as many."""
    claim = partial(Claim, source=_source("P3"))
    few, all_of = cell.samples_per_class, cell.num_train / cell.spec.num_classes
    of = f"{few} of about {all_of:g} samples a class ({few / all_of:.0%}; Hinton et al.: 3%)"
    yield claim(
        name="synthetic: few, soft",
        statement=f"with {of} soft targets keep c within {MARGIN} of the teacher's",
        predicted=SAME,
        estimate=coverage("few_hinton") - coverage(f"ensemble_{cell.members}"),
    )
    yield claim(
        name="synthetic: few, hard",
        statement=f"with {of} and labels alone c is below that with all samples by {MARGIN} or "
        "more",
        predicted=MORE,
        estimate=coverage("labels") - coverage("few_labels"),
    )


def _left_out_claims() -> Iterator[Claim]:
    """A class that no sample is of is seen in the others' samples."""
    claim, ours = partial(Claim, source=_source("P4")), partial(Claim, source="ours: its own logit")
    shifted = partial(on_patches, "shifted")
    single = partial(on_patches, "single")
    answered = partial(on_patches, "answered")
    yield claim(
        name="synthetic: left out, error",
        statement=f"after one shift of its bias the class left out errs as the others to {MARGIN}",
        predicted=SAME,
        estimate=shifted("omitted_hinton") - shifted("others_hinton"),
    )
    yield claim(
        name="synthetic: left out, coverage",
        statement=f"after the shift c of the class left out is that of the others to {MARGIN}",
        predicted=SAME,
        estimate=coverage("omitted_hinton") - coverage("others_hinton"),
    )
    yield claim(
        name="synthetic: left out, soft minus hard",
        statement="after the shift it errs less on its single-view samples than with labels alone "
        f"by {MARGIN} or more",
        predicted=MORE,
        estimate=single("omitted_labels") - single("omitted_hinton"),
    )
    yield ours(
        name="synthetic: left out, views",
        statement="its logit answers to as many of its views as the others' logits do to theirs, "
        f"to {MARGIN}",
        predicted=SAME,
        estimate=answered("omitted_hinton") - answered("others_hinton"),
    )
    yield ours(
        name="synthetic: left out, soft",
        statement=f"and to more of them than with labels alone by {MARGIN} or more",
        predicted=MORE,
        estimate=answered("omitted_hinton") - answered("omitted_labels"),
    )
