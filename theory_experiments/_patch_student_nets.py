"""Students of patch nets that differ only in their lesson, trained side by side."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from multiview.data import MultiViewSpec, PatchBatch
from multiview.distill import Hinton, PaperUpdate, Squares
from multiview.ensemble import mean_logits
from multiview.models import PatchNet
from multiview.train import TrainSpec, differentiated
from multiview.train.patch_gradient import Objective
from theory_experiments._contrast import Progress
from theory_experiments._patch_nets import SPEC, STUDENT, TeachingCell, fit

LessonName = Literal["labels", "hinton", "squares", "squares_centred", "paper"]
# Those taught by teachers of all sizes, and to students of students.
LESSONS = {"hinton": "Hinton", "paper": "the paper's update"}


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """One student: what it is taught beside the labels, by how many networks, and what is kept.

    Raises:
        ValueError: If the lesson is unknown or the temperature is not positive.
    """

    lesson: LessonName
    teachers: int = 1  # K; nothing to one of lesson "labels"
    temperature: float = 1.0  # of Hinton's loss alone
    omitted: int = -1  # class whose samples the student never meets; -1: it meets all

    def __post_init__(self) -> None:
        if self.lesson not in get_args(LessonName):
            raise ValueError(f"lesson={self.lesson!r}: choose one of {get_args(LessonName)}.")
        if self.teachers < 1:
            raise ValueError(f"teachers={self.teachers} counts networks: use at least 1.")
        if not self.temperature > 0:
            raise ValueError(f"temperature={self.temperature} must be > 0.")

    @property
    def method(self) -> str:
        """What its row is called."""
        if self.lesson == "labels":
            return self.lesson
        heat = f"_T{self.temperature:g}" if self.lesson == "hinton" else ""
        return f"{self.lesson}_of_{self.teachers}{heat}"

    @property
    def axes(self) -> dict[str, Any]:
        """``lesson``, ``size`` (K) and ``T``, where it has them."""
        if self.lesson == "labels":
            return {}
        heat = {"T": self.temperature} if self.lesson == "hinton" else {}
        return {"lesson": self.lesson, "size": self.teachers, **heat}


@dataclass(frozen=True, kw_only=True)
class PatchStudentsCell(TeachingCell):
    """Teachers of several sizes and their students, all of one fresh start.

    With 400 samples mu is 0.02, which leaves as many single-view samples as in the other
    experiments. With q = 3 a teacher's logit answers to another class's feature by about 0.2; with
    q = 4 by half of that, too little for students to learn it in time. q and the students' steps
    were chosen on the seeds 1001 to 1003.

    Raises:
        ValueError: If a value is out of its range, or students may stop before the last step.
    """

    part: str = "synthetic"
    spec: MultiViewSpec = field(default_factory=lambda: replace(SPEC, mu=0.02))
    num_train: int = 400
    q: float = 3
    student: TrainSpec = field(default_factory=lambda: replace(STUDENT, max_steps=100))
    train: TrainSpec = field(default_factory=lambda: TrainSpec(relative_step=1.0, loss_bound=0.05))
    sizes: tuple[int, ...] = (1, 2, 3, 5, 10)  # K of the teachers, rising
    temperatures: tuple[float, ...] = (1.0, 4.0, 16.0)
    samples_per_class: int = 4  # of the few that the scarce transfer set holds
    omitted: tuple[int, ...] = (0, 1)  # classes, each left out of a transfer set of its own
    rounds: int = 3  # of students taught by the round before, the first by one network
    num_validation: int = 1000  # by which shifts of biases are chosen
    num_test: int = 1000  # of single-view and of multi-view samples each
    probes_per_view: int = 40

    def __post_init__(self) -> None:
        if not self.sizes or list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] != 1:
            raise ValueError(f"sizes={self.sizes} must rise from 1, the teacher of one network.")
        if self.members != self.sizes[-1]:
            raise ValueError(f"members={self.members} must be the largest of sizes={self.sizes}.")
        if self.rounds < 1:
            raise ValueError(f"rounds={self.rounds} counts at least 1.")
        k = self.spec.num_classes
        if not self.omitted or not all(0 <= each < k for each in self.omitted):
            raise ValueError(f"omitted={self.omitted} must name classes from 0 to {k - 1}.")
        if self.student.loss_bound != 0:
            raise ValueError(
                f"student.loss_bound={self.student.loss_bound} must be 0: no student may stop "
                "earlier than another, for a net's place says whose lesson it has."
            )


def students_of(cell: PatchStudentsCell) -> dict[str, list[StudentSpec]]:
    """The students by what they vary; one that stands in two places is trained once."""
    K, T = cell.members, cell.temperature
    hinton = [StudentSpec(lesson="hinton", temperature=T, teachers=size) for size in cell.sizes]
    return {
        "labels": [StudentSpec(lesson="labels")],
        "hinton": hinton,
        "paper": [StudentSpec(lesson="paper", teachers=size) for size in cell.sizes],
        "heat": [
            StudentSpec(lesson="hinton", temperature=t, teachers=K) for t in cell.temperatures
        ],
        "heat_one": [StudentSpec(lesson="hinton", temperature=t) for t in cell.temperatures],
        "squares": [StudentSpec(lesson="squares", teachers=K)],
        "squares_centred": [StudentSpec(lesson="squares_centred", teachers=K)],
        "omitted_hinton": [replace(hinton[-1], omitted=each) for each in cell.omitted],
        "omitted_labels": [StudentSpec(lesson="labels", omitted=each) for each in cell.omitted],
    }


def teachers_of(
    logits: Float[Tensor, "n members k"], specs: Sequence[StudentSpec]
) -> Float[Tensor, "n students k"]:
    """Each student's teacher: the mean of the first of these networks."""
    return torch.stack([mean_logits(logits[:, : student.teachers]) for student in specs], 1)


def train_students(
    cell: PatchStudentsCell,
    start: PatchNet,
    batch: PatchBatch,
    taught: Float[Tensor, "N students k"],
    specs: Sequence[StudentSpec],
    progress: Progress,
    begin: float = 0.0,
    end: float = 1.0,
) -> PatchNet:
    """Train a copy of the one net ``start`` for each student; they differ in their lesson alone.

    Args:
        taught: Logits on the batch of each student's teacher.
    """
    begin_all = start.with_weight(start.weight.expand(len(specs), -1, -1, -1))
    objective = lessons(cell, batch.labels, taught, specs)
    return fit(
        "students", begin_all, batch, cell.student, progress, begin, end, objective=objective
    ).net


def lessons(
    cell: PatchStudentsCell,
    labels: Int[Tensor, " N"],
    taught: Float[Tensor, "N students k"],
    specs: Sequence[StudentSpec],
) -> Objective:
    """Labels and each student's lesson, students of one kind of lesson in one piece.

    As ``per_member`` of ``distillation_objective``, several times faster. All students go on to the
    end, so that net i is student i throughout. Squares of logits are over the number of classes:
    centred, they are then the limit of Hinton's loss for hot T.
    """
    kinds: dict[LessonName, list[int]] = defaultdict(list)
    for i, student in enumerate(specs):
        kinds[student.lesson].append(i)
    omitted = torch.tensor([student.omitted for student in specs])
    heat = torch.tensor([[student.temperature] for student in specs])

    kd_losses = {
        "squares": Squares(center=False),
        "squares_centred": Squares(),
        "paper": PaperUpdate(tau=cell.tau, scale=cell.scale),
    }

    def total(logits: Tensor, rows: Tensor) -> Tensor:
        n, number, _ = logits.shape
        label = labels[rows].unsqueeze(1).expand(n, number)
        loss = functional.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
        loss = loss.view(n, number)
        for kind, which in kinds.items():
            student, teacher = logits[:, which], taught[rows][:, which]
            if kind == "hinton":  # T^2 KL at T, of logits divided by T
                T = heat[which]
                soft = T.squeeze(1) ** 2 * Hinton(1.0)(student / T, teacher / T)
            elif kind != "labels":
                soft = kd_losses[kind](student, teacher) * (cell.push if kind == "paper" else 1)
            else:
                continue
            loss = loss.index_add(1, torch.tensor(which), soft)
        return loss * (label != omitted)

    return differentiated(total)
