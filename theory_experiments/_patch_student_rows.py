"""Columns about students on synthetic patches, from what ``_patch_students`` trained."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview.data import PatchBatch
from multiview.distill import best_shift, shifted
from multiview.probes import Coverage, coverage_of
from multiview.probes.coverage import COVERED
from multiview.theory import student_coverage
from multiview.train.metrics import wrong
from theory_experiments._won_views import pairwise_agreement, won_views


def columns(
    ending: str, values: Mapping[str, Tensor], places: Mapping[str, list[int]]
) -> dict[str, Any]:
    """The columns of one measure.

    Args:
        values: By who: ``one`` (members,), ``teacher`` (sizes,), ``students`` (students,),
            ``scarce`` (2,), ``itself`` (1,), ``again`` (rounds, 2).
        places: Which of the students stand in a group.
    """
    one, students = values["one"].double(), values["students"].double()
    row: dict[str, Any] = {"one": float(one.mean()), "teacher": values["teacher"].tolist()}
    for name in ("hinton", "paper", "heat", "heat_one"):
        row[name] = students[places[name]].tolist()
    for name in ("labels", "l2", "l2_centred"):
        row[name] = float(students[places[name][0]])
    row["scarce_soft"], row["scarce_hard"] = values["scarce"].tolist()
    (row["itself"],) = values["itself"].tolist()
    for name, chain in zip(("hinton", "paper"), values["again"].unbind(1), strict=True):
        row[f"again_{name}"] = [float(one[0]), *chain.tolist()]
    return {name + ending: value for name, value in row.items()}


def predictions(teacher: Coverage, one: float, own: Bool[Tensor, "k L"]) -> dict[str, list[float]]:
    """c of students by size of the teacher: the closed form, and view by view.

    Args:
        one: c of networks taught by labels.
        own: The views that the students' start learns from labels.
    """
    union = (teacher.covered | own).double().mean((-2, -1))
    return {
        "predicted": [student_coverage(float(c), one) for c in teacher.fraction],
        "union": union.tolist(),
    }


def agreements(
    one: Coverage, students: Coverage, places: Mapping[str, list[int]]
) -> dict[str, float]:
    """Fraction of classes in which two networks won the same view; 1/2 where independent."""
    won, learned = won_views(one), won_views(students)

    def alike(a: Tensor, b: Tensor) -> float:
        return float((a == b).double().mean())

    row = {"one_agrees": pairwise_agreement(won)}
    for name in ("hinton", "paper"):
        student = learned[places[name][0]]
        row[f"{name}_agrees_teacher"] = alike(student, won[0])
        row[f"{name}_agrees_labels"] = alike(student, learned[places["labels"][0]])
    return row


def heard_views(logits: Float[Tensor, "n k"], probes: PatchBatch) -> Float[Tensor, "k L"]:
    """1 for the views that the logit of their class answers to, whatever the other logits do.

    It does if it is larger on a probe of the view than on one of another class at least 90% of the
    time. Coverage cannot tell that of a class whose bias was shifted: where every other class is
    recognised, what is none of them may be called that class without having been learned.
    """
    k, L = probes.strength.shape[1:]
    heard = torch.zeros(k, L, dtype=torch.float64)
    for j in range(k):
        rest = logits[probes.labels != j, j]
        for v in range(L):
            own = logits[(probes.labels == j) & (probes.lone_view == v), j]
            heard[j, v] = (own.unsqueeze(1) > rest).double().mean() >= COVERED
    return heard


def after_shift(
    omitted: int,
    validation: tuple[Float[Tensor, "v k"], Int[Tensor, " v"]],
    test: tuple[Float[Tensor, "t k"], Int[Tensor, " t"]],
    single: tuple[Float[Tensor, "s k"], Int[Tensor, " s"]],
    on_probes: Float[Tensor, "n k"],
    probes: PatchBatch,
) -> dict[str, float]:
    """A student that never met the class ``omitted``, before and after one shift of its logit.

    Args:
        validation: Logits and labels that the shift is chosen by.
        single: Of single-view samples alone.
    """
    logits, labels = test
    shift = best_shift(*validation, [omitted])
    missing = labels == omitted
    mistakes = wrong(shifted(logits, [omitted], shift), labels).double()
    with_one_view = wrong(shifted(single[0], [omitted], shift), single[1]).double()
    covered = coverage_of(shifted(on_probes, [omitted], shift), probes).covered.double().mean(-1)
    heard = heard_views(on_probes, probes).mean(-1)
    others = torch.arange(len(heard)) != omitted
    return {
        "error": float(wrong(logits, labels)[missing].double().mean()),
        "shift": shift,
        "shifted": float(mistakes[missing].mean()),
        "shifted_others": float(mistakes[~missing].mean()),
        "single": float(with_one_view[single[1] == omitted].mean()),
        "coverage": float(covered[omitted]),
        "coverage_others": float(covered[others].mean()),
        "heard": float(heard[omitted]),
        "heard_others": float(heard[others].mean()),
    }
