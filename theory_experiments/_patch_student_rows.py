"""What is measured of students on synthetic patches that ``_patch_students`` trained."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview.data import PatchBatch
from multiview.distill import best_shift, shifted
from multiview.probes import Coverage, coverage_of
from multiview.probes.coverage import COVERED
from multiview.theory import ensemble_error, student_coverage
from multiview.train.metrics import wrong
from theory_experiments._patch_student_nets import (
    LESSONS,
    PatchStudentsCell,
    StudentSpec,
    students_of,
)
from theory_experiments._won_views import pairwise_agreement, won_views


def axes_of(cell: PatchStudentsCell, specs: Sequence[StudentSpec]) -> dict[str, dict[str, Any]]:
    """Every method, and where on which axis it stands."""
    chains = {
        _round(lesson, r): {"chain": lesson, "round": r}
        for lesson in LESSONS
        for r in range(cell.rounds + 1)
    }
    return {
        "member": {},
        **{f"ensemble_{size}": {"size": size} for size in cell.sizes},
        **{student.method: student.axes for student in specs if student.omitted < 0},
        "few_hinton": {},
        "few_labels": {},
        "self_same_start": {},
        **chains,
    }


def _round(lesson: str, r: int) -> str:
    return f"{lesson}_round_{r}"


def by_method(
    cell: PatchStudentsCell, specs: Sequence[StudentSpec], values: Mapping[str, Tensor]
) -> dict[str, float]:
    """One measure of each method.

    Args:
        values: By who: ``one`` (members,), ``teacher`` (sizes,), ``students`` (students,),
            ``scarce`` (2,), ``itself`` (1,), ``again`` (rounds, 2).
    """
    one = values["one"].double()
    names = {
        "teacher": [f"ensemble_{size}" for size in cell.sizes],
        "students": [student.method if student.omitted < 0 else "" for student in specs],
        "scarce": ["few_hinton", "few_labels"],
        "itself": ["self_same_start"],
        "again": [_round(lesson, r + 1) for r in range(cell.rounds) for lesson in LESSONS],
    }
    found = {"member": float(one.mean())} | {_round(name, 0): float(one[0]) for name in LESSONS}
    for who, methods in names.items():
        each = zip(methods, values[who].flatten().tolist(), strict=True)
        found |= {method: value for method, value in each if method}
    return found


def add_predictions(
    row: Mapping[str, dict[str, Any]],
    cell: PatchStudentsCell,
    teacher: Coverage,
    own: Bool[Tensor, "k L"],
) -> None:
    """Write c of students by size of the teacher: the closed form, and view by view; by round.

    Args:
        row: Holds c of networks taught by labels, ``member``.
        own: The views that the students' start learns from labels.
    """
    alone = row["member"]["coverage"]
    union = (teacher.covered | own).double().mean((-2, -1)).tolist()
    groups = students_of(cell)
    for lesson in LESSONS:
        for student, c, both in zip(groups[lesson], teacher.fraction, union, strict=True):
            predicted = student_coverage(float(c), alone)
            row[student.method].update(predicted=predicted, union=both)
        for r in range(cell.rounds + 1):  # the first teacher and each round draw views
            row[_round(lesson, r)]["predicted"] = 1 - ensemble_error(r + 1, alone)


def add_agreements(
    row: Mapping[str, dict[str, Any]],
    cell: PatchStudentsCell,
    one: Coverage,
    students: Coverage,
    specs: Sequence[StudentSpec],
) -> None:
    """Write the fraction of classes in which two networks won the same view; 1/2 by chance."""
    won, learned = won_views(one), won_views(students)
    groups = students_of(cell)

    def alike(a: Tensor, b: Tensor) -> float:
        return float((a == b).double().mean())

    row["member"]["same_view"] = pairwise_agreement(won)
    by_labels = learned[specs.index(groups["labels"][0])]
    for lesson in LESSONS:
        first = groups[lesson][0]
        views = learned[specs.index(first)]
        row[first.method]["same_view_as_teacher"] = alike(views, won[0])
        row[first.method]["same_view_as_labels"] = alike(views, by_labels)


def answered_views(logits: Float[Tensor, "n k"], probes: PatchBatch) -> Float[Tensor, "k L"]:
    """1 for the views that the logit of their class answers to, whatever the other logits do.

    It does if it is larger on a probe of the view than on one of another class at least 90% of the
    time. Coverage cannot tell that of a class whose bias was shifted: where every other class is
    recognised, what is none of them may be called that class without having been learned.
    """
    k, L = probes.strength.shape[1:]
    answered = torch.zeros(k, L, dtype=torch.float64)
    for j in range(k):
        rest = logits[probes.labels != j, j]
        for v in range(L):
            own = logits[(probes.labels == j) & (probes.lone_view == v), j]
            answered[j, v] = (own.unsqueeze(1) > rest).double().mean() >= COVERED
    return answered


def after_shift(
    omitted: int,
    validation: tuple[Float[Tensor, "v k"], Int[Tensor, " v"]],
    test: tuple[Float[Tensor, "t k"], Int[Tensor, " t"]],
    single: tuple[Float[Tensor, "s k"], Int[Tensor, " s"]],
    on_probes: Float[Tensor, "n k"],
    probes: PatchBatch,
) -> dict[str, dict[str, Any]]:
    """A student that never met the class ``omitted``, before and after one shift of its logit.

    Args:
        validation: Logits and labels that the shift is chosen by.
        single: Of single-view samples alone.

    Returns:
        Of the class ``omitted`` and of the ``others``: ``shifted``, the test error after the
        ``shift``; ``coverage`` then; and ``answered``, the fraction of ``answered_views``. Of the
        class left out also ``error``, before the shift, and ``single``, on its single-view samples
        after it.
    """
    logits, labels = test
    shift = best_shift(*validation, [omitted])
    missing = labels == omitted
    mistakes = wrong(shifted(logits, [omitted], shift), labels).double()
    with_one_view = wrong(shifted(single[0], [omitted], shift), single[1]).double()
    covered = coverage_of(shifted(on_probes, [omitted], shift), probes).covered.double().mean(-1)
    answered = answered_views(on_probes, probes).mean(-1)
    others = torch.arange(len(answered)) != omitted
    return {
        "omitted": {
            "error": float(wrong(logits, labels)[missing].double().mean()),
            "shift": shift,
            "shifted": float(mistakes[missing].mean()),
            "single": float(with_one_view[single[1] == omitted].mean()),
            "coverage": float(covered[omitted]),
            "answered": float(answered[omitted]),
        },
        "others": {
            "shifted": float(mistakes[~missing].mean()),
            "coverage": float(covered[others].mean()),
            "answered": float(answered[others].mean()),
        },
    }
