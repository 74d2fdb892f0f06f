"""Training: one training of a cell by itself, for many workers to share a cell; run computes it."""

from dataclasses import dataclass
from typing import Any

from multiview.bench.cell import Cell, measured
from multiview.bench.method import Method
from multiview.bench.schedule import Together, schedule
from multiview.bench.setting import Setting
from multiview.bench.types import Context


@dataclass(frozen=True, kw_only=True)
class Training:
    """What some methods of a cell, trained in one go, take; computed for the artefact it leaves.

    Attributes:
        setting, seed: Those of the cell.
        names: What the cell calls the methods, or of which kind they are.
        steps: All that is trained for them, what they need first; last they themselves.
        part: The number of a training among those that they fall into; None: all of them.
    """

    setting: Setting
    seed: int
    names: tuple[str, ...]
    steps: tuple[Together, ...]
    part: int | None = None

    def __str__(self) -> str:
        part = "" if self.part is None else f", part {self.part + 1}"
        return f"training of {', '.join(self.names)}{part} in {self.setting}, seed {self.seed}"


def trainings_of(cell: Cell) -> list[tuple[Training, list[int]]]:
    """The trainings of a cell, each with the positions of those that it needs.

    What trains nothing, such as an ensemble of networks, is not among them. A cell of one training
    is not split. What is measured is that of the whole cell, bit for bit, if no teacher's outputs
    change from call to call, as those of ``Masks`` do: where its students are found, it is not
    asked.
    """
    called: dict[Method, str] = {}
    for name, method in cell.methods.items():
        called.setdefault(method, name)
    steps = schedule(list(cell.methods.values()), cell.setting.side_by_side)
    found: list[tuple[Training, list[int]]] = []
    of_steps: list[list[int]] = []  # the positions of the trainings of each step
    for step in steps:
        parts = type(step.methods[0]).trainings(cell.setting, step.methods)
        needs = [position for need in step.needs for position in of_steps[need]]
        of_steps.append(list(range(len(found), len(found) + parts)))
        for part in range(parts):
            training = Training(
                setting=cell.setting,
                seed=cell.seed,
                names=tuple(called.get(each, type(each).__name__) for each in step.methods),
                steps=(*(steps[need].methods for need in step.needs), step.methods),
                part=part if parts > 1 else None,
            )
            found.append((training, needs))
    return found if found[1:] else []


def run(cell: Cell | Training, context: Context) -> dict[str, dict[str, Any]]:
    """Compute a cell, or one training of it, as a row has it."""
    return train(cell, context) if isinstance(cell, Training) else measured(cell, context)


def train(training: Training, context: Context) -> dict[str, dict[str, Any]]:
    """Do one training, and those that it needs where they have not been done."""
    bench, own = training.setting.bench(training.seed, context), training.steps[-1]
    bench.plan(own)
    bench.trainings.only = own, training.part
    for methods in training.steps:
        bench.train(methods)
    return {"data": {"trained": list(training.names)}}
