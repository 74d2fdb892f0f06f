"""Distillation losses on logits; a teacher's logits are constants."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from multiview import checks, shapes

Reduction = Literal["mean", "none"]


def hinton_kd(
    student_logits: Float[Tensor, "*batch k"],
    teacher_logits: Float[Tensor, "*batch k"],
    temperature: float = 4.0,
    *,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*reduced"]:
    """T^2 KL(teacher || student) of the softened probabilities softmax(logits / T).

    T^2 keeps the gradient's size independent of T (Hinton, Vinyals & Dean, arXiv 1503.02531,
    Section 2.1); for hot T the loss tends to half the mean squared difference of centred logits.

    Args:
        temperature: T > 0.
        reduction: "mean" over all samples (not over classes), or "none" for one value each.

    Raises:
        ValueError: If the logits are not of one shape, there are no samples to take a mean of, or
            a setting is out of range; as all losses here.
    """
    check_logits(student_logits, teacher_logits, reduction)
    temperature = checks.temperature("temperature", temperature)
    # A hot divergence is the small rest of a sum of large terms, which float32 loses from T = 1000.
    student = functional.log_softmax(student_logits.double() / temperature, -1)
    teacher = functional.log_softmax(teacher_logits.detach().double() / temperature, -1)
    divergence = temperature**2 * relative_entropy(teacher, student)
    return _reduce(divergence.to(student_logits.dtype), reduction)


def l2_logits(
    student_logits: Float[Tensor, "*batch k"],
    teacher_logits: Float[Tensor, "*batch k"],
    *,
    center: bool = False,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*reduced"]:
    """Half the squared distance of logits (Ba & Caruana, arXiv 1312.6184, Section 2.3).

    Args:
        center: Subtract each sample's mean difference first, which softmax cannot see.
        reduction: "mean" over all samples, or "none" for one value each.

    Raises:
        ValueError: If the logits are not of one shape, there are no samples to take a mean of, or a
            setting is out of range.
    """
    check_logits(student_logits, teacher_logits, reduction)
    checks.flag("center", center)
    difference = student_logits - teacher_logits.detach()
    if center:
        difference = difference - difference.mean(-1, keepdim=True)
    return _reduce(difference.square().sum(-1) / 2, reduction)


def truncated_probabilities(
    logits: Float[Tensor, "*batch k"], tau: float
) -> Float[Tensor, "*batch k"]:
    """softmax(min(tau^2 F, 1) / tau): outputs above 1 / tau^2 all look alike.

    Source: arXiv 2012.09816, Section 3 (there tau = 1 / log^2 k).

    Raises:
        ValueError: If ``logits`` are no floating-point numbers of one class or more, or ``tau`` is
            not from 1e-6 to 1e6.
    """
    shapes.fit(logits=(logits, "float *batch k"))
    tau = checks.temperature("tau", tau)
    return ((tau**2 * logits).clamp(max=1) / tau).softmax(-1)


def paper_kd(
    student_logits: Float[Tensor, "*batch k"],
    teacher_logits: Float[Tensor, "*batch k"],
    tau: float = 1 / 3,
    *,
    scale: float = 1.0,
    gated: bool = True,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*reduced"]:
    """The paper's distillation term: it raises F_i where the student is below the teacher.

    With p = ``truncated_probabilities``, the derivative with respect to F_i is
    [p_i(student) - p_i(teacher)]^-, exactly as in the update of arXiv 2012.09816, Section 3. That
    is no loss's gradient; the value returned is the total shortfall, sum_i -[...]^-, while
    autograd sees the paper's derivative (that of F, not of ``scale`` F).

    Args:
        tau: The paper's temperature; outputs are truncated at 1 / tau^2.
        scale: The paper's Theta(1) factor on both networks' outputs; outputs above
            1 / (scale tau^2) count as fully present.
        gated: Multiply the derivative by 1[scale F_i < 1 / tau^2]. The literal update (False) keeps
            raising outputs that are truncated already and diverges at finite size.
        reduction: "mean" over all samples, or "none" for one value each.

    Raises:
        ValueError: If the logits are not of one shape, there are no samples to take a mean of, or a
            setting is out of range.
    """
    check_logits(student_logits, teacher_logits, reduction)
    tau = checks.temperature("tau", tau)
    scale = checks.positive("scale", scale)
    checks.flag("gated", gated)
    student = student_logits.detach()
    teacher = truncated_probabilities(scale * teacher_logits.detach(), tau)
    shortfall = (truncated_probabilities(scale * student, tau) - teacher).clamp(max=0)
    derivative = torch.where(scale * student < 1 / tau**2, shortfall, 0) if gated else shortfall
    # Zero in value, with that `derivative`; where a logit is infinite the difference would be NaN.
    none = torch.where(student.isinf(), 0, student_logits - student)
    carrier = (derivative * none).sum(-1)
    return _reduce(carrier - shortfall.sum(-1), reduction)


def relative_entropy(
    teacher: Float[Tensor, "*batch k"], student: Float[Tensor, "*batch k"]
) -> Float[Tensor, "*batch"]:
    """KL(teacher || student) of log-probabilities; what has probability 0 adds 0 ln 0 = 0."""
    p = teacher.exp()
    return (p * torch.where(p > 0, teacher - student, 0)).sum(-1)


def check_logits(student_logits: Any, teacher_logits: Any, reduction: Any) -> None:
    """Refuse logits that are not of one shape, or of no sample where a mean is asked for."""
    checks.choice("reduction", reduction, get_args(Reduction))
    shapes.fit(
        student_logits=(student_logits, "float *batch k"),
        teacher_logits=(teacher_logits, "float *batch k"),
    )
    if reduction == "mean" and not student_logits.numel():
        raise ValueError(
            f"student_logits of shape {tuple(student_logits.shape)} holds no sample, and nothing "
            'has no mean: give at least one, or use reduction="none".'
        )


def _reduce(values: Tensor, reduction: Reduction) -> Tensor:
    return values.mean() if reduction == "mean" else values
