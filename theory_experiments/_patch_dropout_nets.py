"""Patch nets trained with and without dropout, and their students."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch
from multiview.distill import Hinton, dropout_distillation, knowledge_distillation, monte_carlo
from multiview.models import DropoutPatchNet, SingleMember
from multiview.train import OptimSpec, fit, target_loss
from multiview.train.source import Augment
from multiview.train.stochastic import without_dropout
from theory_experiments._contrast import Progress, within
from theory_experiments._patch_nets import new_nets
from theory_experiments._patch_sgd import SGD, SgdCell


@dataclass(frozen=True, kw_only=True)
class PatchDropoutCell(SgdCell):
    """Networks trained with and without dropout; chosen on the seed 1000."""

    copies: int = 2  # networks at each other setting, of the same starts as the first members
    student: OptimSpec = field(default_factory=lambda: replace(SGD, epochs=100))
    neuron: float = 0.25  # dropout of hidden neurons, of the teacher and at every width
    neurons: tuple[float, ...] = (0.1, 0.25, 0.5)
    patches: tuple[float, ...] = (0.2, 0.5)  # dropout of whole patches; the last covers all views
    widths: tuple[int, ...] = (5, 10, 20)
    hidden: float = 0.5  # fraction of the patches zeroed in transfer inputs
    num_masks: int = 100

    def __post_init__(self) -> None:
        for name in ("neurons", "patches", "widths"):
            values = getattr(self, name)
            if not values or any(b <= a for a, b in pairwise(values)):
                raise ValueError(f"{name}={values} are one or more values in ascending order.")
        if self.neuron not in self.neurons:
            raise ValueError(f"neuron={self.neuron} must be one of neurons={self.neurons}.")
        if self.width not in self.widths:
            raise ValueError(f"width={self.width} must be one of widths={self.widths}.")
        if not 1 <= self.copies <= self.members:
            raise ValueError(f"copies={self.copies} must be 1 to members={self.members}.")
        if not 0 < self.hidden < 1:
            raise ValueError(f"hidden={self.hidden} is a fraction of the patches in (0, 1).")


def hiding(fraction: float) -> Augment:
    """Augmentation: this fraction of all patches, drawn anew each time, is 0."""

    def augment(patches: Tensor, generator: torch.Generator) -> Tensor:
        kept = torch.rand(patches.shape[:2], generator=generator) >= fraction
        return patches * kept.unsqueeze(-1)

    return augment


class Setting(NamedTuple):
    """What networks are trained with: which units are dropped, how often, and of how many."""

    dropped: Literal["nothing", "neuron", "patch"]
    probability: float
    num_neurons: int  # of a class

    @property
    def name(self) -> str:
        """Method name of the networks."""
        return f"{self.dropped}_{self.probability:g}_width_{self.num_neurons}"


def settings_of(cell: PatchDropoutCell) -> list[Setting]:
    """Every probability at the cell's width; every other width with one probability and none."""
    settings = [Setting("neuron", p, cell.width) for p in cell.neurons]
    settings += [Setting("patch", p, cell.width) for p in cell.patches]
    for width in cell.widths:
        if width != cell.width:
            settings += [Setting("neuron", cell.neuron, width), Setting("nothing", 0.0, width)]
    return settings


def train_nets(
    cell: PatchDropoutCell, train: PatchBatch, progress: Progress
) -> tuple[DropoutPatchNet, dict[Setting, DropoutPatchNet]]:
    """Networks without dropout; and those with it, and of other widths."""
    settings = settings_of(cell)
    nets = {}
    for i, setting in enumerate(settings):
        inner = within(progress, 0.5 * i / len(settings), 0.5 * (i + 1) / len(settings))
        nets[setting] = _trained(cell, train, cell.copies, inner, setting)
    inner, plain = within(progress, 0.5, 0.6), Setting("nothing", 0.0, cell.width)
    return _trained(cell, train, cell.members, inner, plain), nets


def _trained(
    cell: PatchDropoutCell, train: PatchBatch, members: int, progress: Progress, setting: Setting
) -> DropoutPatchNet:
    """Networks of the members' starts trained on labels with this dropout; left in eval mode."""
    start = new_nets(cell, "members", members, width=setting.num_neurons)
    drop = {} if setting.dropped == "nothing" else {setting.dropped: setting.probability}
    net = DropoutPatchNet(start, **drop)
    generator = stream(cell.seed, "sgd", "members")
    fit(net, train.patches, target_loss(train.labels), cell.optim, generator, progress=progress)
    return net


def classifiers(
    cell: PatchDropoutCell,
    train: PatchBatch,
    plain: DropoutPatchNet,
    nets: Mapping[Setting, DropoutPatchNet],
    progress: Progress,
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Single classifiers: a teacher and its masks' mean, and students, as logits of patches."""
    teacher = SingleMember(nets[Setting("neuron", cell.neuron, cell.width)].member(0))
    standard = without_dropout(teacher)
    copied = without_dropout(teacher)
    fresh = SingleMember(DropoutPatchNet(new_nets(cell, "student", 1)))
    # A copy knows what it is taught but for the masks' mean, and needs less time.
    parts = (within(progress, start, start + 0.06) for start in (0.6, 0.66, 0.72, 0.79, 0.86, 0.93))
    for student, optim in ((copied, cell.optim), (fresh, cell.student)):
        dropout_distillation(
            student,
            teacher,
            train.patches,
            spec=optim,
            generator=stream(cell.seed, "sgd", "student"),
            progress=next(parts),
        )
    teachers = {
        "one": SingleMember(plain.member(0)),
        "all": SingleMember(nets[Setting("patch", cell.patches[-1], cell.width)].member(0)),
    }
    students = {}
    for name, each in teachers.items():
        for inputs, augment in (("clean", None), ("hidden", hiding(cell.hidden))):
            student = students[f"{name}_{inputs}"] = SingleMember(
                DropoutPatchNet(new_nets(cell, "student", 1))
            )
            knowledge_distillation(
                student,
                each,
                train.patches,
                spec=cell.student,
                generator=stream(cell.seed, "sgd", "student"),
                kd_loss=Hinton(temperature=1.0),
                weight=1.0,
                label_weight=0.0,
                augment=augment,
                progress=next(parts),
            )
    masks = monte_carlo(teacher, cell.num_masks, generator=stream(cell.seed, "masks"))
    coarse = SingleMember(nets[Setting("patch", cell.patches[0], cell.width)].member(0)).eval()
    coarse_masks = monte_carlo(coarse, cell.num_masks, generator=stream(cell.seed, "coarse"))
    taught = {"copied": copied, "fresh": fresh, **students}
    return {
        "standard": standard,
        "masks": masks,
        "coarse": coarse,
        "coarse_masks": coarse_masks,
        **taught,
        **{f"{name}_teacher": net.eval() for name, net in teachers.items()},
    }
