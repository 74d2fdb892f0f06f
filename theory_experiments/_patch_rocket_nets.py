"""Light nets and boosters on synthetic patches: what they share, and how they are trained."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import stream
from multiview.data import PatchBatch
from multiview.distill import (
    Hinton,
    knowledge_distillation,
    rocket_launching,
    sequential_rocket_launching,
)
from multiview.distill.rocket_loss import HINT_WEIGHT
from multiview.models import SideBySide, shared_patch_nets
from multiview.probes import view_norms
from multiview.train import OptimSpec, fit, target_loss
from theory_experiments._contrast import Progress, within
from theory_experiments._patch_nets import new_nets
from theory_experiments._patch_sgd import SGD, SgdCell

# A light net and its booster, or the boosters' mean: from patches (n, P, d) to logits (n, k).
Pair = tuple[nn.Module, nn.Module]


@dataclass(frozen=True, kw_only=True)
class PatchRocketCell(SgdCell):
    """Light nets of ``width`` neurons a class and boosters.

    The hint's weight is the published code's. The rate is half that of other networks trained by
    SGD here: shared neurons get two nets' gradients, and at 2 those of a booster twice as wide as
    its light net ended with fewer views with hints than without. Chosen on the seeds 1000 to 1003.
    """

    booster_width: int = 20
    weight: float = HINT_WEIGHT
    weights: tuple[float, ...] = (HINT_WEIGHT, 0.1, 0.3)  # each in turn
    shared: tuple[int, ...] = (0, 2, 5, 10)  # neurons a class; the last: all of the light net
    optim: OptimSpec = field(default_factory=lambda: replace(SGD, epochs=80, learning_rate=1.0))
    booster_widths: tuple[int, ...] = (10, 20, 40)
    delay: float = 0.5  # of the late hint
    teacher_weight: float = 1.0  # of Hinton's loss at ``temperature``
    temperature: float = 4.0
    members: int = 4  # boosters of the ensemble; the first is the one booster of all else

    def __post_init__(self) -> None:
        for name in ("weights", "shared", "booster_widths"):
            values = getattr(self, name)
            if not values or any(b <= a for a, b in pairwise(values)):
                raise ValueError(f"{name}={values} are one or more values in ascending order.")
        if self.weight not in self.weights:
            raise ValueError(f"weight={self.weight} must be one of weights={self.weights}.")
        if self.booster_width not in self.booster_widths:
            raise ValueError(
                f"booster_width={self.booster_width} must be one of {self.booster_widths}."
            )
        if self.shared[0] != 0 or self.shared[-1] != self.width:
            raise ValueError(f"shared={self.shared} begins with 0 and ends with {self.width}.")
        if min(self.booster_widths) < self.width:
            raise ValueError(f"booster_widths={self.booster_widths} must be >= {self.width}.")
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")


class Mean(nn.Module):
    """The mean logits of several nets."""

    def __init__(self, nets: list[nn.Module]) -> None:
        super().__init__()
        self.nets = SideBySide(nets)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n k"]:
        """Mean logits of all nets."""
        return self.nets(patches).mean(1)


def neuron_winners(
    cell: PatchRocketCell, net: nn.Module, features: Float[Tensor, "k L d"]
) -> Int[Tensor, " k"]:
    """The view of each class that its strongest neuron is on; of a ``Mean``, that of any net.

    Margins would not do to tell whether both won the same views: a light net that mimics its
    booster's logits has its margins, whatever its neurons have learned.
    """
    # All weights are (k, m, d), and those of one PatchNet (1, k, m, d).
    weight = torch.cat([each.detach().reshape(each.shape[-3:]) for each in net.parameters()], 1)
    plain = new_nets(cell, "light", 1).with_weight(weight.unsqueeze(0))
    return view_norms(plain, features)[0].argmax(-1)


def axes(cell: PatchRocketCell) -> dict[str, tuple[str, tuple[float, ...], float]]:
    """What is varied alone, by its name: the setting, its values, and that of the rocket."""
    return {
        "neurons_shared": ("shared", cell.shared, 0),
        "booster_neurons": ("width", cell.booster_widths, cell.booster_width),
        "hint_weight": ("weight", cell.weights, cell.weight),
    }


def along_axes(cell: PatchRocketCell) -> dict[str, dict[str, float]]:
    """Where pairs stand on the axes, by name; the rocket stands on each."""
    places: dict[str, dict[str, float]] = {"rocket": {}}
    for axis, (setting, values, usual) in axes(cell).items():
        for value in values:
            name = "rocket" if value == usual else f"{setting}_{value:g}"
            places.setdefault(name, {})[axis] = value
    return places


def untrained(
    cell: PatchRocketCell, shared: int = 0, width: int | None = None, boosters: int = 1
) -> tuple[nn.Module, list[nn.Module]]:
    """A light net and boosters of the starts that all trainings have in common."""
    light = new_nets(cell, "light", 1)
    wide = new_nets(cell, "booster", boosters, width=width or cell.booster_width)
    pairs = [shared_patch_nets(light, wide.member(i), shared) for i in range(boosters)]
    return pairs[0][0], [booster for _, booster in pairs]


def launched(
    cell: PatchRocketCell,
    train: PatchBatch,
    progress: Progress,
    *,
    weight: float | None = None,
    shared: int = 0,
    width: int | None = None,
    boosters: int = 1,
    joint: bool = True,
    **settings: Any,
) -> Pair:
    """The light net and its booster, or the mean of its boosters, trained together if ``joint``."""
    light, others = untrained(cell, shared, width, boosters)
    launch = rocket_launching if joint else sequential_rocket_launching
    result = launch(
        light,
        others,
        train.patches,
        train.labels,
        spec=cell.optim,
        generator=stream(cell.seed, "sgd", "rocket"),
        weight=cell.weight if weight is None else weight,
        kd_loss=Hinton(cell.temperature),
        progress=progress,
        **settings,
    )
    return result.light, result.boosters[0] if boosters == 1 else Mean(result.boosters)


def trainings(cell: PatchRocketCell) -> dict[str, dict[str, Any]]:
    """What is trained with hints, by name, beside ``rocket``: nothing shared, all defaults."""
    varied = {
        f"{setting}_{value:g}": {setting: value}
        for setting, values, usual in axes(cell).values()
        for value in values
        if value != usual
    }
    return varied | {
        "rocket": {},
        "no_block": {"block": False},
        "no_joint": {"joint": False},
        "no_joint_shared": {"joint": False, "shared": cell.width},
        "late": {"delay": cell.delay},
        "many": {"boosters": cell.members},
    }


def train_pairs(cell: PatchRocketCell, train: PatchBatch, progress: Progress) -> dict[str, Pair]:
    """Every pair by its name.

    ``base``: without hints; ``kd``: a light net taught by that booster, trained; ``rocket_kd``: a
    rocket taught beside by a trained booster of another start, so with views of its own, which is
    the second of the pair ``teacher``. All else as in ``trainings``.
    """
    chosen = trainings(cell)
    number = len(chosen) + 4
    parts = (within(progress, i / number, (i + 1) / number) for i in range(number))
    pairs = {"base": launched(cell, train, next(parts), weight=0.0)}
    student, _ = untrained(cell)
    knowledge_distillation(
        student,
        pairs["base"][1],
        train.patches,
        train.labels,
        spec=cell.optim,
        generator=stream(cell.seed, "sgd", "rocket"),
        kd_loss=Hinton(cell.temperature),
        weight=cell.teacher_weight,
        label_weight=1.0,
        progress=next(parts),
    )
    pairs["kd"] = (student, pairs["base"][1])
    teacher = new_nets(cell, "teacher", 1, width=cell.booster_width).single()
    order = stream(cell.seed, "sgd", "rocket")
    fit(teacher, train.patches, target_loss(train.labels), cell.optim, order, progress=next(parts))
    pairs["rocket_kd"] = launched(
        cell, train, next(parts), teacher=teacher, teacher_weight=cell.teacher_weight
    )
    for name, settings in chosen.items():
        pairs[name] = launched(cell, train, next(parts), **settings)
    pairs["teacher"] = (pairs["rocket_kd"][0], teacher)
    return pairs
