"""Students of an ensemble by the temperature of Hinton's loss, and by the paper's update."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from multiview.data import PatchBatch
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.train import TrainResult, TrainSpec, per_member
from multiview.train.patch_gradient import Objective
from theory_experiments._averages import means, measured
from theory_experiments._contrast import Progress
from theory_experiments._patch_nets import (
    STUDENT,
    TeachingCell,
    draw_features,
    draw_train,
    fit,
    hinton_lesson,
    logits_of,
    new_nets,
    paper_lesson,
)


@dataclass(frozen=True, kw_only=True)
class TemperatureCell(TeachingCell):
    """Students of the ensemble of all members, by Hinton's loss at each of ``temperatures``."""

    part: str = "temperature"
    temperatures: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    student: TrainSpec = field(default_factory=lambda: replace(STUDENT, max_steps=150))
    num_test: int = 2000
    probes_per_view: int = 50


def run_temperature(cell: TemperatureCell, progress: Progress) -> dict[str, dict[str, Any]]:
    """Students by temperature and by start, all of the same teachers.

    Returns:
        What is ``measured`` of ``member`` (mean over the members), ``ensemble``, ``first``, member
        0 alone, and of students: "fresh_T4" and its like by Hinton's loss of a
        ``student_temperature``, ``fresh_paper`` by the paper's update; ``continued_...`` started
        from member 0 and so from one of their teachers. Of students also their ``start``;
        ``loss``, the training loss at the end; ``coverage_half`` and ``single_half``, coverage and
        error after half of the steps, which tell a student that cannot learn more from one that is
        slow.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    begin = new_nets(cell, "members", cell.members)
    members = fit("members", begin, train, cell.train, progress, 0.0, 0.2).net
    teacher = mean_logits(logits_of(members, train))

    lessons = [hinton_lesson(T, train, teacher) for T in cell.temperatures]
    lessons.append(paper_lesson(cell, train, teacher))
    starts = {"fresh": new_nets(cell, "student", 1).weight, "continued": members.weight[:1]}
    weights = [weight.expand(len(lessons), -1, -1, -1) for weight in starts.values()]
    students, half = _train_students(
        members.with_weight(torch.cat(weights)), cell, train, lessons * len(starts), progress
    )

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        single = logits_of(members, batch)
        return {
            "member": single,
            "first": single[:, 0],
            "ensemble": mean_logits(single),
            "students": logits_of(students.net, batch),
            "halfway": logits_of(half, batch),
        }

    found = measured(cell, features, train, outputs, cell.num_test, cell.probes_per_view)
    of_students, halfway = found.pop("students"), found.pop("halfway")
    of_students |= {f"{name}_half": halfway[name] for name in ("single", "coverage")}
    of_students["loss"] = students.loss[-1]
    return {**means(found), **_by_student(cell, list(starts), of_students)}


def _by_student(
    cell: TemperatureCell, starts: Sequence[str], found: Mapping[str, Tensor]
) -> dict[str, dict[str, Any]]:
    """Measures of all students, one after the other, as those of each."""
    lessons = {f"T{T:g}": T for T in cell.temperatures} | {"paper": None}
    students = [(start, *lesson) for start in starts for lesson in lessons.items()]
    return {
        f"{start}_{lesson}": {
            "start": start,
            "student_temperature": temperature,
            **{measure: float(values[i]) for measure, values in found.items()},
        }
        for i, (start, lesson, temperature) in enumerate(students)
    }


def _train_students(
    start: PatchNet,
    cell: TemperatureCell,
    train: PatchBatch,
    lessons: list[Objective],
    progress: Progress,
) -> tuple[TrainResult, PatchNet]:
    """Train each member of ``start`` by its lesson; also as they were after half of the steps."""
    step, kept = count(), []

    def observe(time: Tensor, net: PatchNet) -> None:
        if next(step) == cell.student.max_steps // 2:
            kept.append(net)

    result = fit(
        "students",
        start,
        train,
        cell.student,
        progress,
        0.2,
        1.0,
        objective=per_member(*lessons),
        observe=observe,
    )
    return result, (kept or [result.net])[0]
