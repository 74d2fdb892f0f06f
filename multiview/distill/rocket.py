"""Rocket launching: a light net and its booster learn together, and the booster gives hints."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from multiview import checks
from multiview.distill.distillation import refuse_labels
from multiview.distill.distillation_loss import Teacher, distillation_loss
from multiview.distill.kd import Hinton, KDLoss
from multiview.distill.losses import refuse_misfits
from multiview.models.groups import SideBySide
from multiview.models.rocket import Rocket
from multiview.train.compute import frozen
from multiview.train.loop import FitResult, Loss, fit, numbered, target_loss
from multiview.train.optim import OptimSpec
from multiview.train.source import Given, Loader

Hint = Literal["logits", "probabilities", "tempered"]
# Of the published code, for a hint that is a sum over classes and a mean over the batch.
HINT_WEIGHT = 0.03


@dataclass(frozen=True, kw_only=True)
class RocketResult:
    """What ``rocket_launching`` leaves."""

    light: nn.Module  # the net handed over; without joint training a copy with weights of its own
    boosters: list[nn.Module]
    fits: tuple[FitResult, ...]  # of the joint training, or of the boosters' and then the light's


def hint_loss(hint: Hint = "logits", temperature: float = 4.0) -> KDLoss:
    """How far the light net's logits l are from the booster's z, one value per sample.

    - "logits", L_mimic: ||l - z||^2, without a factor 1/2.
    - "probabilities", L_MSE: ||p - q||^2 of p = softmax(l) and q = softmax(z); its derivative
      2 p_i [p_i - q_i + sum_k p_k (q_k - p_k)] vanishes where p_i does.
    - "tempered", L_KD: T^2 times the cross-entropy of softmax(l / T) with softmax(z / T); T^2 keeps
      its gradient's size independent of T.

    Gradients flow to both arguments. Source: arXiv 1708.04106, Sections 3 and 4.

    Args:
        temperature: T > 0 of "tempered".

    Raises:
        ValueError: If there is no such hint, or ``temperature`` is not positive.
    """
    checks.choice("hint", hint, get_args(Hint))
    temperature = checks.temperature("temperature", temperature)
    if hint == "tempered":
        return partial(_tempered, temperature=temperature)
    return _mimic if hint == "logits" else _squared


def _mimic(light: Tensor, booster: Tensor) -> Tensor:
    refuse_misfits(light, booster, "none")
    return (light - booster).square().sum(-1)


def _squared(light: Tensor, booster: Tensor) -> Tensor:
    return _mimic(light.softmax(-1), booster.softmax(-1))


def _tempered(light: Tensor, booster: Tensor, temperature: float) -> Tensor:
    refuse_misfits(light, booster, "none")
    target = (booster / temperature).softmax(-1)
    log_probability = (light / temperature).log_softmax(-1)
    log_probability = torch.where(target > 0, log_probability, 0)  # 0 ln 0 = 0
    return -(temperature**2) * (target * log_probability).sum(-1)


def official_kd_weight(num_classes: int, alpha: float = 0.9) -> float:
    """The weight of ``hinton_kd`` that the published code's ``alpha`` amounts to: 2 alpha / k.

    That code multiplies by 2 alpha T^2 a divergence averaged over classes too; ours is summed over
    them. With a rocket it adds this at T = 4 and leaves the labels as they are; alone, it weighs
    them 1 - alpha.
    """
    alpha = checks.not_negative("alpha", alpha)
    return 2 * alpha / checks.count("num_classes", num_classes)


def rocket_loss(
    targets: Int[Tensor, " n"] | Float[Tensor, "n k"] | None,
    *,
    hint: Hint = "logits",
    weight: float = HINT_WEIGHT,
    block: bool = True,
    temperature: float = 4.0,
    teacher: Teacher | None = None,
    teacher_weight: float = 0.0,
    rocket: Rocket | None = None,
) -> Loss:
    """H(y, light) + H(y, booster) + ``weight`` hint(light, z), of a ``Rocket``'s logits (n, 2, k).

    With ``block`` z is constant: the hint moves none of the booster's own weights, and shared ones
    through the light net alone. It is not stopped in what light net and booster share. Where there
    are several boosters, z is the mean of their logits, and each learns from the labels by itself.
    Every term is a mean over the batch, so that a partial one weighs no less per sample than the
    others: the published code divides the hint by a constant 128 instead.

    Args:
        targets: Labels (n,) or probabilities (n, k) of all training samples; None for a loader's.
        hint: See ``hint_loss``.
        weight: lambda; 0.03 in the published code.
        temperature: Of the tempered hint, and of the teacher's ``Hinton``.
        teacher: A trained booster, which adds ``teacher_weight`` times ``Hinton`` for the light
            net, as ``distillation_loss`` takes it; it stays as it is. See ``official_kd_weight``.
        rocket: Whose ``hint_acts`` multiplies the weight; None where the hint acts all along.

    Raises:
        ValueError: If a setting is out of range, or only one of teacher and its weight is given.
    """
    weight = checks.not_negative("weight", weight)
    teacher_weight = checks.not_negative("teacher_weight", teacher_weight)
    block = checks.flag("block", block)
    if rocket is not None:
        checks.instance("rocket", rocket, Rocket)
    if (teacher is None) != (teacher_weight == 0):
        raise ValueError(
            f"teacher_weight={teacher_weight} and {'no' if teacher is None else 'a'} teacher: give "
            "both, or neither."
        )
    distance, on_targets = hint_loss(hint, temperature), target_loss(targets)
    further = _teaching(teacher, teacher_weight, temperature)

    def loss(logits: Float[Tensor, "n nets k"], inputs: Tensor, rows: Tensor | Given) -> Tensor:
        if logits.dim() != 3 or logits.shape[1] < 2:
            raise ValueError(
                f"logits have shape {tuple(logits.shape)}: give (n, 1 + boosters, k), as a Rocket."
            )
        light, boosters = logits[:, 0], logits[:, 1:]
        shown = boosters.mean(1)
        distant = distance(light, shown.detach() if block else shown).mean()
        acts = 1.0 if rocket is None else rocket.hint_acts
        total = on_targets(logits, inputs, rows) + weight * acts * distant
        return total if further is None else total + further(light, inputs, rows)

    return numbered(loss, targets)


def rocket_launching(
    light: nn.Module,
    booster: nn.Module | Sequence[nn.Module],
    inputs: Shaped[Tensor, "n ..."] | Loader,
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"] | None = None,
    *,
    spec: OptimSpec,
    generator: torch.Generator,
    hint: Hint = "logits",
    weight: float = HINT_WEIGHT,
    block: bool = True,
    joint: bool = True,
    temperature: float = 4.0,
    teacher: nn.Module | Callable[[Tensor], Tensor] | None = None,
    teacher_weight: float = 0.0,
    delay: float = 0.0,
    **settings: Any,
) -> RocketResult:
    """Train a light net with the hints of a booster that learns beside it (arXiv 1708.04106).

    Weights are shared where both nets hold the same ``nn.Parameter`` or layer: how they were built
    is the switch. Without ``joint`` the booster is trained alone first; then a copy of the light
    net, which keeps what the booster made of shared layers and shares them no more, learns from the
    labels and the hint of the booster as it was left.

    Args:
        light: Trained in place if ``joint``.
        booster: Trained in place; of several, the hint is the mean of their logits.
        labels: Of the samples, where they are given as a tensor.
        generator: As in ``fit``; without ``joint`` it orders one training after the other.
        hint, weight, block, temperature, teacher, teacher_weight: See ``rocket_loss``.
        delay: Fraction of the steps before the hint acts.
        settings: ``augment``, ``score``, ``progress``, ``compute``, ``checkpoint`` or
            ``after_step`` of ``fit``. Without ``joint`` they serve both trainings, one after the
            other, each with steps of its own, and the boosters' checkpoint has ``-booster`` added
            to its name.

    Returns:
        The trained nets in eval mode. ``score`` sees a module of the light net, first, and each
        booster; without ``joint`` the boosters alone, and then the light net alone.

    Raises:
        Diverged, ValueError: As ``fit``; if labels are missing or too few, a setting is out of
            range, the teacher holds weights that are trained, or ``delay`` or ``block=False`` is
            asked of a training that is not joint.
    """
    if labels is None and isinstance(inputs, Tensor):
        raise ValueError("labels is None and inputs is a tensor: give one label for each sample.")
    refuse_labels(inputs, labels)
    checks.flag("joint", joint)
    checks.flag("block", block)
    if not joint and (delay or not block):
        raise ValueError(
            f"joint=False with delay={delay} and block={block}: the booster has been trained when "
            "its hints begin, so use delay=0 and block=True."
        )
    rocket = Rocket(light, booster, delay=delay)
    if isinstance(teacher, nn.Module):
        own = {id(each) for each in rocket.parameters()}
        if any(id(each) in own for each in teacher.parameters()):
            raise ValueError("teacher holds weights of light or booster: use copy.deepcopy(...).")
    shared: dict[str, Any] = {"hint": hint, "weight": weight, "temperature": temperature}
    shared |= {"teacher": teacher, "teacher_weight": teacher_weight}
    loss = rocket_loss(labels, block=block, rocket=rocket, **shared)
    if joint:
        then = settings.pop("after_step", None)

        def after_step(done: int, total: int) -> None:
            rocket.after_step(done, total)
            if then is not None:
                then(done, total)

        done = fit(rocket, inputs, loss, spec, generator, after_step=after_step, **settings)
        return RocketResult(light=light, boosters=rocket.boosters, fits=(done,))
    return _one_after_the_other(rocket, inputs, labels, spec, generator, shared, settings)


def _one_after_the_other(
    rocket: Rocket,
    inputs: Tensor | Loader,
    labels: Tensor | None,
    spec: OptimSpec,
    generator: torch.Generator,
    shared: dict[str, Any],
    settings: dict[str, Any],
) -> RocketResult:
    """Boosters on labels; then a copy of the light net on labels, their hint and any teacher."""
    boosters = SideBySide(rocket.boosters)
    kept = settings.get("checkpoint")
    early = settings
    if kept is not None:
        path = kept.path.with_name(f"{kept.path.stem}-booster{kept.path.suffix}")
        early = settings | {"checkpoint": replace(kept, path=path)}
    first = fit(boosters, inputs, target_loss(labels), spec, generator, **early)
    light = copy.deepcopy(rocket.light)

    taught = frozen(boosters, settings.get("compute"))
    kd_loss = hint_loss(shared["hint"], shared["temperature"])
    hinted = distillation_loss(
        labels, lambda seen: taught(seen).mean(1), kd_loss, weight=shared["weight"]
    )
    further = _teaching(shared["teacher"], shared["teacher_weight"], shared["temperature"])

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor | Given) -> Tensor:
        total = hinted(logits, inputs, rows)
        return total if further is None else total + further(logits, inputs, rows)

    second = fit(light, inputs, loss, spec, generator, **settings)
    return RocketResult(light=light, boosters=rocket.boosters, fits=(first, second))


def _teaching(teacher: Teacher | None, weight: float, temperature: float) -> Loss | None:
    """What a trained booster adds for the light net."""
    if teacher is None:
        return None
    kd_loss = Hinton(temperature)
    return distillation_loss(None, teacher, kd_loss, weight=weight, label_weight=0.0)
