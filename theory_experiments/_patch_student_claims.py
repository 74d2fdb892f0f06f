"""What was derived of the views that students on synthetic patches cover, as claims."""

import math
from collections.abc import Iterator

import pandas as pd

from theory_experiments._estimates import Estimate, difference, on_patches
from theory_experiments._patch_student_nets import PatchStudentsCell

LESSONS = {"hinton": "Hinton", "paper": "the paper's update"}
NEAR = (-0.05, 0.05)  # counts as equal
ROUGHLY = (-0.1, 0.1)
# "More" is at least 0.05 more: two students that learn nothing are not a gain of 0.
MORE = (0.05, math.inf)


def patch_students_claims(cell: PatchStudentsCell) -> Iterator[tuple]:
    """The predictions P1 to P4 about c, with what counts as equal, and a control of P1."""
    for lesson, name in LESSONS.items():
        yield from _lottery_claims(cell, lesson, name)
    says = "a student that starts as its teacher plays no lottery: c is its teacher's to 0.05"
    gap = on_patches(lambda t: t["itself_coverage"] - t["again_hinton_coverage"].str[0])
    yield "synthetic: starts as its teacher", _source("P1's control"), says, NEAR, gap
    yield from _heat_claims(cell)
    yield from _few_claims(cell)
    yield from _left_out_claims()


def _source(prediction: str) -> str:
    return f"{prediction} (derived; arXiv 2012.09816, Section 4)"


def _lottery_claims(cell: PatchStudentsCell, lesson: str, name: str) -> Iterator[tuple]:
    """A student of a fresh start adds what it would learn alone."""
    source = _source("P1")
    for place, size in enumerate(cell.sizes):
        says = f"c of a student of {size} is 1 - (1 - c_T)(1 - c_0) to 0.05 ({name})"
        gap = on_patches(difference_at(f"{lesson}_coverage", "predicted", place))
        yield f"synthetic: {lesson}, K={size}", source, says, NEAR, gap
    says = f"from one teacher it covers what that or its own start would, to 0.05 ({name})"
    gap = on_patches(difference_at(f"{lesson}_coverage", "union", 0))
    yield f"synthetic: {lesson}, view by view", source, says, NEAR, gap
    chain = f"again_{lesson}_coverage"
    says = f"after r={cell.rounds} rounds of students of students c is "
    says += f"1 - (1 - c_0)^(r + 1) to 0.05 ({name})"
    yield f"synthetic: {lesson}, rounds", source, says, NEAR, on_patches(_beside_rounds(chain))
    says = f"c of the first round exceeds that of the network that taught it ({name})"
    rise = on_patches(lambda t: t[chain].str[1] - t[chain].str[0])
    yield f"synthetic: {lesson}, first round", source, says, (1e-4, math.inf), rise


def _heat_claims(cell: PatchStudentsCell) -> Iterator[tuple]:
    """Hotter lessons show more."""
    hot, source = f"T={cell.temperatures[-1]:g}", _source("P2")
    says = f"c is larger at {hot} than at T={cell.temperatures[0]:g}"
    rise = on_patches(lambda t: hottest(t) - t["heat_coverage"].str[0])
    yield f"synthetic: {hot}", source, says, MORE, rise
    for l2 in ("l2", "l2_centred"):
        says = f"c of {l2.replace('_', ', ')} on logits is that at {hot} to 0.05"
        gap = on_patches(lambda t, of=f"{l2}_coverage": t[of] - hottest(t))
        yield f"synthetic: {l2}", source, says, NEAR, gap
    if cell.temperatures[0] == 1:
        says = "at T=1 the student covers what labels teach, to 0.1"
        gap = on_patches(lambda t: t["heat_coverage"].str[0] - t["labels_coverage"])
        yield "synthetic: T=1", source, says, ROUGHLY, gap


def _few_claims(cell: PatchStudentsCell) -> Iterator[tuple]:
    """A few samples with soft targets show as much as many."""
    source = _source("P3")
    few, all_of = cell.samples_per_class, cell.num_train / cell.spec.num_classes
    of = f"{few} of about {all_of:g} samples a class ({few / all_of:.0%}; Hinton et al.: 3%)"
    says = f"with {of} soft targets keep c within 0.1 of the teacher's"
    gap = on_patches(lambda t: t["scarce_soft_coverage"] - t["teacher_coverage"].str[-1])
    yield "synthetic: few, soft", source, says, ROUGHLY, gap
    says = f"with {of} and labels alone c is below that with all samples"
    fall = on_patches(difference("labels_coverage", "scarce_hard_coverage"))
    yield "synthetic: few, hard", source, says, MORE, fall


def _left_out_claims() -> Iterator[tuple]:
    """A class that no sample is of is seen in the others' samples."""
    source = _source("P4")
    says = "after one shift of its bias the class left out errs as the others to 0.05"
    gap = on_patches(difference("omitted_soft_shifted", "omitted_soft_shifted_others"))
    yield "synthetic: left out, error", source, says, NEAR, gap
    says = "after the shift c of the class left out is that of the others to 0.1"
    gap = on_patches(difference("omitted_soft_coverage", "omitted_soft_coverage_others"))
    yield "synthetic: left out, coverage", source, says, ROUGHLY, gap
    says = "after the shift it errs less on its single-view samples than with labels alone"
    gain = on_patches(difference("omitted_hard_single", "omitted_soft_single"))
    yield "synthetic: left out, soft minus hard", source, says, MORE, gain
    source = "ours: its own logit"
    says = "its logit answers to as many of its views as the others' logits do to theirs, to 0.1"
    gap = on_patches(difference("omitted_soft_heard", "omitted_soft_heard_others"))
    yield "synthetic: left out, views", source, says, ROUGHLY, gap
    says = "and to more of them than with labels alone"
    gain = on_patches(difference("omitted_soft_heard", "omitted_hard_heard"))
    yield "synthetic: left out, soft", source, says, MORE, gain


def difference_at(minuend: str, subtrahend: str, place: int) -> Estimate:
    """Estimate: the difference of two lists at one place."""
    return lambda table: table[minuend].str[place] - table[subtrahend].str[place]


def hottest(table: pd.DataFrame) -> pd.Series:
    """c at the hottest temperature."""
    return table["heat_coverage"].str[-1]


def _beside_rounds(chain: str) -> Estimate:
    """Estimate: c of the last round less what r + 1 lotteries would cover together."""

    def estimate(table: pd.DataFrame) -> pd.Series:
        lotteries = table[chain].str.len()  # the first teacher's and one a round
        return table[chain].str[-1] - (1 - (1 - table["one_coverage"]) ** lotteries)

    return estimate
