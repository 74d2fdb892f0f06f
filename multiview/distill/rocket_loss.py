"""The loss of rocket launching: labels for both nets, and the booster's hint to the light net."""

from functools import partial
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import checks
from multiview.distill.distillation_loss import Teacher, distillation_loss
from multiview.distill.kd import Hinton, KDLoss
from multiview.distill.losses import check_logits
from multiview.models.rocket import RocketNets
from multiview.train import target_loss
from multiview.train.loop import Loss, numbered
from multiview.train.source import LoaderTargets

Hint = Literal["logits", "probabilities", "tempered"]
# Of the published code, for a hint that is a sum over classes and a mean over the batch.
HINT_WEIGHT = 0.03


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
    check_logits(light, booster, "none")
    return (light - booster).square().sum(-1)


def _squared(light: Tensor, booster: Tensor) -> Tensor:
    return _mimic(light.softmax(-1), booster.softmax(-1))


def _tempered(light: Tensor, booster: Tensor, temperature: float) -> Tensor:
    check_logits(light, booster, "none")
    target = (booster / temperature).softmax(-1)
    log_probability = (light / temperature).log_softmax(-1)
    log_probability = torch.where(target > 0, log_probability, 0)  # 0 ln 0 = 0
    return -(temperature**2) * (target * log_probability).sum(-1)


def official_kd_weight(num_classes: int, alpha: float = 0.9) -> float:
    """The weight of ``hinton_kd`` that the published code's ``alpha`` amounts to: 2 alpha / k.

    That code multiplies by 2 alpha T^2 a divergence averaged over classes too; ours is summed over
    them. With a rocket it adds this at T = 4 and leaves the labels as they are; alone, it weighs
    them 1 - alpha.

    Raises:
        ValueError: If ``num_classes`` is no integer >= 1, or ``alpha`` is negative or not finite.
    """
    alpha = checks.not_negative("alpha", alpha)
    return 2 * alpha / checks.count("num_classes", num_classes)


def rocket_loss(
    targets: Int[Tensor, " n"] | Float[Tensor, "n k"] | None,
    *,
    hint: Hint | KDLoss = "logits",
    weight: float = HINT_WEIGHT,
    block: bool = True,
    teacher: Teacher | None = None,
    teacher_weight: float = 0.0,
    kd_loss: KDLoss = Hinton(),
    rocket: RocketNets | None = None,
) -> Loss:
    """H(y, light) + H(y, booster) + ``weight`` hint(light, z), of logits (n, 2, k) of RocketNets.

    With ``block`` z is constant: the hint moves none of the booster's own weights, and shared ones
    through the light net alone. It is not stopped in what light net and booster share. Where there
    are several boosters, z is the mean of their logits, and each learns from the labels by itself.
    Every term is a mean over the batch, so that a partial one weighs no less per sample than the
    others: the published code divides the hint by a constant 128 instead.

    Args:
        targets: Labels (n,) or probabilities (n, k) of all training samples; None for a loader's.
        hint: A name of ``hint_loss``, whose temperature is 4, or a function of the light net's
            logits and z, as ``hint_loss`` gives. (``Hinton`` and its like detach z themselves, so
            that ``block=False`` changes nothing.)
        weight: lambda; 0.03 in the published code.
        teacher: A trained booster, which adds ``teacher_weight`` times ``kd_loss`` for the light
            net, as ``distillation_loss`` takes both; it stays as it is. See ``official_kd_weight``.
        rocket: Whose ``hint_acts`` multiplies the weight; None where the hint acts all along.

    Raises:
        ValueError: If a setting is out of range, or only one of teacher and its weight is given.
    """
    weight = checks.not_negative("weight", weight)
    block = checks.flag("block", block)
    if rocket is not None:
        checks.instance("rocket", rocket, RocketNets)
    distance, on_targets = distance_of(hint), target_loss(targets)
    on_teacher = teacher_loss(teacher, kd_loss, teacher_weight)

    def loss(
        logits: Float[Tensor, "n nets k"], inputs: Tensor, rows: Tensor | LoaderTargets
    ) -> Tensor:
        if logits.dim() != 3 or logits.shape[1] < 2:
            raise ValueError(f"logits have shape {tuple(logits.shape)}: give (n, 1 + boosters, k).")
        light, z = logits[:, 0], logits[:, 1:].mean(1)
        hinted = distance(light, z.detach() if block else z).mean()
        acts = 1.0 if rocket is None else rocket.hint_acts
        total = on_targets(logits, inputs, rows) + weight * acts * hinted
        return total if on_teacher is None else total + on_teacher(light, inputs, rows)

    return numbered(loss, targets)


def distance_of(hint: Hint | KDLoss) -> KDLoss:
    """The hint as a function of both nets' logits, whether given by name or as one."""
    if callable(hint):
        return checks.function("hint", hint)
    return hint_loss(hint)


def teacher_loss(teacher: Teacher | None, kd_loss: KDLoss, weight: float) -> Loss | None:
    """``weight`` times ``kd_loss`` of the light net from a trained booster; None without one.

    Raises:
        ValueError: If only one of teacher and its weight is given, or one is out of range.
    """
    weight = checks.not_negative("teacher_weight", weight)
    checks.function("kd_loss", kd_loss)
    if (teacher is None) != (weight == 0):
        raise ValueError(
            f"teacher_weight={weight} and {'no' if teacher is None else 'a'} teacher: give both, "
            "or neither."
        )
    if teacher is None:
        return None
    return distillation_loss(None, teacher, kd_loss, weight=weight, label_weight=0.0)
