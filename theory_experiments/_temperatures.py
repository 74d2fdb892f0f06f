"""Students of an ensemble by the temperature of Hinton's loss, and by the paper's update."""

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
from theory_experiments._averages import measured
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


def run_temperature(cell: TemperatureCell, progress: Progress) -> dict[str, Any]:
    """Students by temperature and by start, all of the same teachers.

    Returns:
        For each start, ``fresh`` or ``member``, which is member 0 and so itself one of the
        teachers, lists in the order of ``temperatures``: ``<start>``, errors on single-view test
        samples; ``_multi``, ``_train``, ``_coverage`` and ``_both`` as in ``run_joint``; ``_loss``,
        the training loss at the end; ``_coverage_half`` and ``_half``, coverage and error after
        half of the steps, which tell a student that cannot learn more from one that is slow.
        ``<start>_paper...`` are numbers, of the paper's update. For comparison ``one``,
        ``ensemble`` and ``start``, member 0 alone.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    begin = new_nets(cell, "members", cell.members)
    members = fit("members", begin, train, cell.train, progress, 0.0, 0.2).net
    teacher = mean_logits(logits_of(members, train))

    lessons = [hinton_lesson(T, train, teacher) for T in cell.temperatures]
    lessons.append(paper_lesson(cell, train, teacher))
    number = len(lessons)
    starts = {"fresh": new_nets(cell, "student", 1).weight, "member": members.weight[:1]}
    students, half = _train_students(
        members.with_weight(torch.cat([w.expand(number, -1, -1, -1) for w in starts.values()])),
        cell,
        train,
        lessons * len(starts),
        progress,
    )

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        single = logits_of(members, batch)
        return {
            "one": single,
            "start": single[:, 0],
            "ensemble": mean_logits(single),
            "students": logits_of(students.net, batch),
            "halfway": logits_of(half, batch),
        }

    columns = measured(cell, features, train, outputs, cell.num_test, cell.probes_per_view)
    row = {
        name: float(values.mean())
        for name, values in columns.items()
        if not name.startswith(("students", "halfway"))
    }
    of_students = {
        "": columns["students"],
        "_multi": columns["students_multi"],
        "_train": columns["students_train"],
        "_coverage": columns["students_coverage"],
        "_both": columns["students_both"],
        "_loss": students.loss[-1],
        "_half": columns["halfway"],
        "_coverage_half": columns["halfway_coverage"],
    }
    for ending, values in of_students.items():
        for start, theirs in zip(starts, values.split(number), strict=True):
            *by_temperature, paper = theirs.tolist()
            row |= {f"{start}{ending}": by_temperature, f"{start}_paper{ending}": paper}
    return row


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
