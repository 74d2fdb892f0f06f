"""Rocket launching: a light net learns with the hints of boosters, beside them or after them."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from multiview import checks
from multiview.distill.distillation import check_labels
from multiview.distill.distillation_loss import distillation_loss
from multiview.distill.kd import Hinton, KDLoss
from multiview.distill.rocket_loss import (
    HINT_WEIGHT,
    Hint,
    distance_of,
    rocket_loss,
    teacher_loss,
)
from multiview.distill.teachers import share_weights
from multiview.models.groups import SideBySide
from multiview.models.rocket import RocketNets
from multiview.train import FitResult, OptimSpec, fit, frozen, target_loss
from multiview.train.loop import FitSettings, in_turn
from multiview.train.source import Loader, LoaderTargets

Booster = nn.Module | Sequence[nn.Module]
TrainedTeacher = nn.Module | Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class RocketResult:
    """The trained nets of a rocket, in eval mode, and their trainings."""

    light: nn.Module  # the net handed over, or of a sequential training a copy of it
    boosters: list[nn.Module]
    fits: tuple[FitResult, ...]  # of the joint training, or of the boosters' and then the light's


def rocket_launching(
    light: nn.Module,
    booster: Booster,
    inputs: Shaped[Tensor, "n ..."] | Loader,
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"] | None = None,
    *,
    spec: OptimSpec,
    generator: torch.Generator | int,
    hint: Hint | KDLoss = "logits",
    weight: float = HINT_WEIGHT,
    block: bool = True,
    delay: float = 0.0,
    teacher: TrainedTeacher | None = None,
    teacher_weight: float = 0.0,
    kd_loss: KDLoss = Hinton(),
    **settings: Unpack[FitSettings],
) -> RocketResult:
    """Train a light net with the hints of a booster that learns beside it (arXiv 1708.04106).

    Weights are shared where both nets hold the same ``nn.Parameter`` or layer: how they were built
    is the switch.

    Args:
        light: Trained in place.
        booster: Trained in place; of several, the hint is the mean of their logits.
        labels: Of the samples, where they are given as a tensor.
        generator: As in ``fit``.
        hint, weight, block, teacher, teacher_weight, kd_loss: See ``rocket_loss``.
        delay: Fraction of the steps before the hint acts.
        settings: Of ``fit``. ``score`` sees a module of the light net, first, and each booster.

    Raises:
        Diverged, ValueError: As ``fit``; if labels are missing or too few, a setting is out of
            range, or the teacher holds weights that are trained.
    """
    rocket = RocketNets(light, booster, delay=delay)
    _check_arguments(rocket, inputs, labels, teacher)
    loss = rocket_loss(
        labels,
        hint=hint,
        weight=weight,
        block=block,
        teacher=teacher,
        teacher_weight=teacher_weight,
        kd_loss=kd_loss,
        rocket=rocket,
    )
    after_step = in_turn(rocket.after_step, settings.get("after_step"))
    chosen: FitSettings = {**settings, "after_step": after_step}
    done = fit(rocket, inputs, loss, spec, generator, **chosen)
    return RocketResult(light=light, boosters=rocket.boosters, fits=(done,))


def sequential_rocket_launching(
    light: nn.Module,
    booster: Booster,
    inputs: Shaped[Tensor, "n ..."] | Loader,
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"] | None = None,
    *,
    spec: OptimSpec,
    generator: torch.Generator | int,
    hint: Hint | KDLoss = "logits",
    weight: float = HINT_WEIGHT,
    teacher: TrainedTeacher | None = None,
    teacher_weight: float = 0.0,
    kd_loss: KDLoss = Hinton(),
    **settings: Unpack[FitSettings],
) -> RocketResult:
    """Train the boosters on labels, then a copy of the light net on labels and their hint.

    The paper's ablation without joint training. The copy keeps what the boosters made of shared
    layers, and shares them no more.

    Args:
        light: Copied once the boosters are trained; what it shares with them has been trained then.
        booster: Trained in place; of several, the hint is the mean of their logits.
        labels: Of the samples, where they are given as a tensor.
        generator: As in ``fit``; orders one training after the other.
        hint, weight, teacher, teacher_weight, kd_loss: See ``rocket_loss``.
        settings: Of ``fit``, for both trainings, each with steps of its own. ``score`` sees the
            boosters, then the light net. The boosters' checkpoint has ``-booster`` added to its
            name.

    Raises:
        Diverged, ValueError: As ``rocket_launching``.
    """
    generator = checks.generator("generator", generator, "order")
    rocket = RocketNets(light, booster)
    _check_arguments(rocket, inputs, labels, teacher)
    boosters = SideBySide(rocket.boosters)
    outputs = frozen(boosters, settings.get("compute"))
    on_hint = distillation_loss(
        labels, lambda inputs: outputs(inputs).mean(1), distance_of(hint), weight=weight
    )
    on_teacher = teacher_loss(teacher, kd_loss, teacher_weight)

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor | LoaderTargets) -> Tensor:
        total = on_hint(logits, inputs, rows)
        return total if on_teacher is None else total + on_teacher(logits, inputs, rows)

    early = _of_boosters(settings)
    first = fit(boosters, inputs, target_loss(labels), spec, generator, **early)
    copied = copy.deepcopy(light)
    second = fit(copied, inputs, loss, spec, generator, **settings)
    return RocketResult(light=copied, boosters=rocket.boosters, fits=(first, second))


def _of_boosters(settings: FitSettings) -> FitSettings:
    """The settings with a checkpoint of another name."""
    checkpoint = settings.get("checkpoint")
    if checkpoint is None:
        return settings
    path = checkpoint.path
    named = path.with_name(f"{path.stem}-booster{path.suffix}")
    return {**settings, "checkpoint": replace(checkpoint, path=named)}


def _check_arguments(
    rocket: RocketNets,
    inputs: Tensor | Loader,
    labels: Tensor | None,
    teacher: TrainedTeacher | None,
) -> None:
    """Refuse missing labels, and a teacher that would change while it is asked."""
    if labels is None and isinstance(inputs, Tensor):
        raise ValueError("labels is None and inputs is a tensor: give one label for each sample.")
    check_labels(inputs, labels)
    if isinstance(teacher, nn.Module) and share_weights(rocket, teacher):
        raise ValueError("teacher holds weights of light or booster: use copy.deepcopy(...).")
