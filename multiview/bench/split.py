"""Training: one training of a cell by itself, for many workers to share a cell; run computes it."""

from dataclasses import dataclass, replace
from typing import Any

from multiview.bench.cell import Cell, measured
from multiview.bench.method import Method
from multiview.bench.schedule import Step, schedule
from multiview.bench.types import Context


@dataclass(frozen=True, kw_only=True)
class Training:
    """What some methods of a cell, trained in one go, take; computed for the artefact it leaves.

    Attributes:
        of: The cell, without its measures.
        step: Its place among all that is trained for the cell, as ``schedule`` has it.
        part: The number of a training among those that its methods fall into; None: all of them.
    """

    of: Cell
    step: int
    part: int | None = None

    @property
    def seed(self) -> int:
        """That of the cell."""
        return self.of.seed

    def __str__(self) -> str:
        part = "" if self.part is None else f", part {self.part + 1}"
        return f"training {self.step + 1}{part}: {', '.join(self.names)} of [{self.of}]"

    @property
    def names(self) -> list[str]:
        """What the cell calls the methods, or of which kind they are."""
        called: dict[Method, str] = {}
        for name, method in self.of.methods.items():
            called.setdefault(method, name)
        methods = steps_of(self.of)[self.step].methods
        return [called.get(method, type(method).__name__) for method in methods]


def steps_of(cell: Cell) -> list[Step]:
    """All that is trained for a cell, in order."""
    return schedule(list(cell.methods.values()), cell.setting.side_by_side)


def trainings_of(cell: Cell) -> list[tuple[Training, list[int]]]:
    """The trainings of a cell, each with the positions of those that it needs.

    What trains nothing, such as an ensemble of networks, is not among them. A cell of one training
    is not split. What is measured is that of the whole cell, bit for bit, if no teacher's outputs
    change from call to call, as those of ``Masks`` do: where its students are found, it is not
    asked.
    """
    bare = replace(cell, measures=())
    found: list[tuple[Training, list[int]]] = []
    of_steps: list[list[int]] = []  # the positions of the trainings of each step
    for number, step in enumerate(steps_of(cell)):
        parts = type(step.methods[0]).trainings(cell.setting, step.methods)
        needs = [position for need in step.needs for position in of_steps[need]]
        of_steps.append(list(range(len(found), len(found) + parts)))
        for part in range(parts):
            only = Training(of=bare, step=number, part=part if parts > 1 else None)
            found.append((only, needs))
    return found if found[1:] else []


def run(cell: Cell | Training, context: Context) -> dict[str, dict[str, Any]]:
    """Compute a cell, or one training of it, as a row has it."""
    return train(cell, context) if isinstance(cell, Training) else measured(cell, context)


def train(training: Training, context: Context) -> dict[str, dict[str, Any]]:
    """Do one training, and those that it needs where they have not been done."""
    cell, steps = training.of, steps_of(training.of)
    bench, step = cell.setting.bench(cell.seed, context), steps[training.step]
    bench.plan(step.methods)
    bench.trainings.only = step.methods, training.part
    for number in (*step.needs, training.step):
        bench.train(steps[number].methods)
    return {"data": {"trained": training.names}}
