"""Rocket launching of wide residual networks on images: the method, its ablations, its hints."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from multiview import stream
from multiview.data.augment import flip_and_crop
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.distill import (
    Hinton,
    RocketResult,
    distillation_loss,
    hint_loss,
    official_kd_weight,
    rocket_launching,
    sequential_rocket_launching,
)
from multiview.distill.rocket_loss import HINT_WEIGHT, Hint
from multiview.models import light_convolutions, rocket_wide_resnets
from multiview.models.rocket_wide_resnet import Variant
from multiview.runs.experiment import Context
from multiview.train import Checkpoint, ComputeSpec, OptimSpec, fit, outputs_of, target_loss
from theory_experiments._contrast import Progress, error, within

OPTIM = OptimSpec(
    epochs=10, batch_size=50, learning_rate=0.1, warmup=0.0, weight_decay=5e-4, schedule="steps"
)


@dataclass(frozen=True, kw_only=True)
class RocketImageCell:
    """One repetition of one pair of nets.

    All boosters start from the same weights, and all light nets from the same but where they take
    the booster's. All trainings see images in the same order with the same augmentation, but the
    light net's without joint training, which comes second and goes on drawing where its booster
    ended.

    The paper's optimiser, on fewer images: SGD, and the rate falls by 0.2 at 0.3, 0.6 and 0.8 of
    the epochs. On training images held out from training, with seed 1000, rates of 0.03 to 0.1,
    boosters of depth 16 and 22, and 1,000 to 3,000 images in as many steps were tried; in none was
    the booster alone better than the light net by more than two points. The weight of the hint of
    logits is the published code's; those of the other two hints come from one look at such images
    with seed 1000, and all presets use them.
    """

    seed: int = 0
    part: str = "cifar10"
    data: Literal["cifar10", "cifar100", "multi_view"] = "cifar10"  # or made up
    num_train: int | None = 1500  # None: all but those for validation
    num_validation: int = 500  # of the training file too, for the choice of settings
    num_test: int | None = 5000  # None: all
    shrink: int = 2  # images are averaged over squares of so many pixels' side
    padding: int = 1
    booster_depth: int = 16
    light_depth: int = 10
    widen: int = 1
    variant: Variant = "interval"
    optim: OptimSpec = OPTIM
    weight: float = HINT_WEIGHT  # of the squared distance of logits
    squared_weight: float = 0.3  # of that of probabilities
    tempered_weight: float = HINT_WEIGHT
    temperature: float = 4.0  # of the tempered hint and of KD
    alpha: float = 0.9  # of KD, as in the published code
    ablations: bool = True  # and the other hints
    depths: tuple[int, ...] = (4,)  # shared convolutions, beside none and all
    compute: ComputeSpec = field(
        default_factory=lambda: ComputeSpec(channels_last=True, bfloat16=True)
    )

    def __post_init__(self) -> None:
        if self.shrink < 1:
            raise ValueError(f"shrink={self.shrink} is a side in pixels: use 1 for none.")
        most = light_convolutions(self.booster_depth, self.light_depth, self.variant)
        if any(not 0 < depth < most for depth in self.depths):
            raise ValueError(
                f"depths={self.depths}: 0 and all {most} are measured anyway, use 1 to {most - 1}."
            )


def trainings(cell: RocketImageCell) -> dict[str, dict[str, Any]]:
    """Joint trainings by name: how each differs from the rocket, which stands first."""
    found: dict[str, dict[str, Any]] = {"rocket": {}, "rocket_kd": {"kd": True}}
    if cell.ablations:
        found |= {
            "no_block": {"block": False},
            "no_sharing": {"shared": 0},
            "squared": {"hint": "probabilities", "weight": cell.squared_weight},
            "tempered": {"hint": "tempered", "weight": cell.tempered_weight},
        }
    return found | {f"depth_{n}": {"shared": n} for n in cell.depths}


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """The images of a cell, and how nets are trained on them."""

    cell: RocketImageCell
    splits: Splits
    context: Context
    parts: int  # of the work, trainings
    done: list[str] = field(default_factory=list)

    def nets(self, shared: int | Literal["all"] = "all") -> tuple[nn.Module, nn.Module]:
        """An untrained light net and its booster."""
        cell = self.cell
        nets = rocket_wide_resnets(
            booster_depth=cell.booster_depth,
            light_depth=cell.light_depth,
            widen=cell.widen,
            variant=cell.variant,
            shared=shared,
            num_classes=self.splits.num_classes,
            image_shape=self.splits.image_shape,
            generator=stream(cell.seed, "init"),
        )
        for net in nets:
            net.to(self.splits.train.device)  # what is shared stays so: data move, not parameters
        return nets

    def settings(self, name: str) -> dict[str, Any]:
        """What all trainings have in common."""
        self.done.append(name)
        i, scratch = len(self.done) - 1, self.context.scratch
        inner = within(self.context.progress, i / self.parts, (i + 1) / self.parts)
        path = None if scratch is None else scratch / f"{name.replace(' ', '-')}.pt"
        return {
            "spec": self.cell.optim,
            "generator": stream(self.cell.seed, "order"),
            "augment": partial(flip_and_crop, padding=self.cell.padding),
            "compute": self.cell.compute,
            "checkpoint": None if path is None else Checkpoint(path=path, strict=False),
            "progress": _labelled(name, inner),
        }

    def launched(
        self,
        name: str,
        *,
        shared: int | Literal["all"] = "all",
        hint: Hint = "logits",
        weight: float | None = None,
        teacher: nn.Module | None = None,
        joint: bool = True,
        **settings: Any,
    ) -> RocketResult:
        """A light net trained with the hints of its booster, beside it or after it."""
        cell = self.cell
        kd = official_kd_weight(self.splits.num_classes, cell.alpha)
        launch = rocket_launching if joint else sequential_rocket_launching
        return launch(
            *self.nets(shared),
            self.splits.train,
            self.splits.train_labels,
            hint=hint_loss(hint, cell.temperature),
            weight=cell.weight if weight is None else weight,
            teacher=teacher,
            teacher_weight=0.0 if teacher is None else kd,
            kd_loss=Hinton(cell.temperature),
            **self.settings(name),
            **settings,
        )

    def warm_up(self) -> None:
        """One step's passes of both nets, untimed: what a process only does once is done."""
        for net in self.nets():
            call = self.cell.compute.prepared(net)
            call(self.splits.train[: self.cell.optim.batch_size]).sum().backward()

    def alone(self, name: str, teacher: nn.Module | None = None) -> nn.Module:
        """The light net, trained on labels, or on labels and a trained booster."""
        cell, (light, _) = self.cell, self.nets(0)
        if teacher is None:
            loss = target_loss(self.splits.train_labels)
        else:
            loss = distillation_loss(
                self.splits.train_labels,
                teacher,
                Hinton(cell.temperature),
                weight=official_kd_weight(self.splits.num_classes, cell.alpha),
                label_weight=1 - cell.alpha,
            )
        settings = self.settings(name)
        spec, generator = settings.pop("spec"), settings.pop("generator")
        fit(light, self.splits.train, loss, spec, generator, **settings)
        return light

    def errors(self, net: nn.Module) -> dict[str, Any]:
        """Errors on test images, and on images of the training file that are held out."""
        splits, outputs = self.splits, partial(outputs_of, net, compute=self.cell.compute)
        return {
            "error": error(outputs(splits.test), splits.test_labels),
            "validation": error(outputs(splits.validation), splits.validation_labels),
        }


def _labelled(name: str, progress: Progress) -> Progress:
    return lambda message, fraction: progress(f"{name}: {message}", fraction)


def _smaller(images: Float[Tensor, "n C H W"], shrink: int) -> Float[Tensor, "n C h w"]:
    return nn.functional.avg_pool2d(images, shrink) if shrink > 1 else images


def splits_of(cell: RocketImageCell, images: ImageData, device: str) -> Splits:
    """The cell's images, shrunk."""
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    whole = split(images, *sizes, stream(cell.seed, "images"), device)
    names = ("train", "validation", "test")
    return replace(whole, **{name: _smaller(getattr(whole, name), cell.shrink) for name in names})


def run_images(
    cell: RocketImageCell, images: ImageData, context: Context
) -> dict[str, dict[str, Any]]:
    """Train light nets in every way, and measure test errors.

    Returns:
        ``error`` and ``validation``, on test images and on held-out training images, of light nets:
        ``base``, on labels; ``kd``, taught by ``booster``, which is the rocket's booster trained
        alone, from the same start with the images in the same order; it is the teacher of
        ``rocket_kd`` and gives the hints of ``no_joint`` too. ``rocket`` (with ``rocket_booster``),
        ``rocket_kd``, ``no_joint``, and where the cell has ablations ``no_block``, ``no_sharing``,
        ``squared`` and ``tempered`` hints. ``shared_convolutions``, of those that differ in it
        alone: no sharing, the depths, and the rocket, which shares all. ``training_seconds``: of
        ``rocket``, and of ``no_joint``, booster and then light net; NaN where the cell began with
        a checkpoint, from which a training may go on. Of "data": ``train_images``, how many, and
        ``pixels``, their side.
    """
    splits = splits_of(cell, images, context.device)
    chosen = trainings(cell)
    work = Work(cell=cell, splits=splits, context=context, parts=len(chosen) + 3)
    resumed = context.scratch is not None and any(context.scratch.glob("*.pt"))
    work.warm_up()
    row = {"base": work.errors(work.alone("base"))}
    separate, seconds = _timed(lambda: work.launched("no_joint", joint=False))
    booster = separate.boosters[0]
    row["booster"] = work.errors(booster)
    row["no_joint"] = work.errors(separate.light)
    row["no_joint"]["training_seconds"] = math.nan if resumed else seconds
    row["kd"] = work.errors(work.alone("kd", booster))
    for name, changes in chosen.items():
        settings = {key: value for key, value in changes.items() if key != "kd"}
        teacher = booster if changes.get("kd") else None
        result, seconds = _timed(partial(work.launched, name, teacher=teacher, **settings))
        row[name] = work.errors(result.light)
        if name == "rocket":
            row["rocket_booster"] = work.errors(result.boosters[0])
            row[name]["training_seconds"] = math.nan if resumed else seconds
    for name, number in depths(cell).items():
        row[name]["shared_convolutions"] = number
    return row | {"data": {"train_images": len(splits.train), "pixels": splits.image_shape[1]}}


def depths(cell: RocketImageCell) -> dict[str, int]:
    """Convolutions shared by the trainings that differ in their number alone."""
    most = light_convolutions(cell.booster_depth, cell.light_depth, cell.variant)
    none = {"no_sharing": 0} if cell.ablations else {}
    return {**none, **{f"depth_{n}": n for n in cell.depths}, "rocket": most}


def _timed(work: Callable[[], RocketResult]) -> tuple[RocketResult, float]:
    """A training and its wall time, which ends on a GPU with what it has queued."""
    begin = time.perf_counter()
    result = work()
    result.fits[-1].loss.tolist()  # the last epoch's loss was read, so all steps are done
    return result, time.perf_counter() - begin
