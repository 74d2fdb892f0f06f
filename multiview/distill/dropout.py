"""Dropout distillation: a student without dropout learns the mean prediction over masks."""

from collections.abc import Callable
from functools import partial
from typing import Literal, Unpack, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from multiview import checks
from multiview.distill.distillation import knowledge_distillation
from multiview.distill.kd import Hinton, KDLoss
from multiview.distill.losses import Reduction, check_logits, l2_logits
from multiview.distill.teachers import Average, averaged_logits, share_weights
from multiview.train import ComputeSpec, FitResult, OptimSpec
from multiview.train.compute import chosen
from multiview.train.loop import FitSettings
from multiview.train.source import Loader
from multiview.train.stochastic import dropout_off, stochastic
from multiview.train.training import forked_rng

Divergence = Literal["kl", "squared_logits", "squared_probabilities"]


def squared_probabilities(
    student_logits: Float[Tensor, "*batch k"],
    teacher_logits: Float[Tensor, "*batch k"],
    *,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*reduced"]:
    """Half the squared distance of the probabilities softmax(logits), as ``l2_logits`` of logits.

    Args:
        reduction: "mean" over all samples, or "none" for one value each.

    Raises:
        ValueError: If the logits are not of one shape, there are no samples to take a mean of, or a
            setting is out of range.
    """
    check_logits(student_logits, teacher_logits, reduction)
    student, teacher = student_logits.softmax(-1), teacher_logits.softmax(-1)
    return l2_logits(student, teacher, reduction=reduction)


# The loss of each divergence, and what its ideal student is the mean of.
_DIVERGENCES: dict[str, tuple[KDLoss, Average]] = {
    "kl": (Hinton(temperature=1.0), "probabilities"),
    "squared_logits": (partial(l2_logits, reduction="none"), "logits"),
    "squared_probabilities": (partial(squared_probabilities, reduction="none"), "probabilities"),
}


def bregman(divergence: Divergence) -> tuple[KDLoss, Average]:
    """The loss D(teacher || student) of this name, and which mean of the masks minimises it.

    For a Bregman divergence of a convex phi, masks m with predictions f_m and their mean fbar,

        E_m D(f_m || q) = D(fbar || q) + E_m phi(f_m) - phi(fbar),

    and the second part knows nothing of the student q: the gradient at one mask is, on average,
    that towards the mean of all (Rota Bulo, Porzi & Kontschieder, ICML 2016). For "kl" (phi is
    the negative entropy) and "squared_probabilities" the target is the mean probabilities, for
    "squared_logits" the mean logits, another ideal predictor.

    Raises:
        ValueError: If there is no such divergence; "reverse_kl", KL(student || teacher), is none.
    """
    if divergence == "reverse_kl":
        raise ValueError(
            "divergence='reverse_kl' is no Bregman divergence from the teacher to the student: at "
            "one mask its gradient is not, on average, that towards the mean of all masks. Use "
            "'kl'."
        )
    if divergence not in get_args(Divergence):
        names = ", ".join(get_args(Divergence))
        raise ValueError(f"divergence={divergence!r} is none of {names}.")
    return _DIVERGENCES[divergence]


def monte_carlo(
    module: nn.Module,
    masks: int = 100,
    average: Average = "probabilities",
    *,
    generator: torch.Generator | int | None = None,
    compute: ComputeSpec | None = None,
    batch_size: int = 500,
) -> Callable[[Tensor], Float[Tensor, "n k"]]:
    """The module as a function that averages its predictions over random dropout masks.

    The logits returned are the logarithm of the mean probabilities, or the mean logits, as
    ``averaged_logits`` has them. Only dropout is random, as ``stochastic`` says; ``frozen`` is the
    standard prediction, which scales the weights in place of averaging.

    Args:
        masks: For each sample, at each call.
        generator: Decides the masks, and is advanced in place at each call; None draws them from
            torch's global generator, as dropout in a training does.
        batch_size: Most samples, each with a mask, in one forward pass: memory does not grow with
            the number of masks, but for the logits of as many samples.

    Raises:
        ValueError: If ``masks`` or ``batch_size`` is not positive; and as ``averaged_logits`` and
            ``stochastic``, of which some show at the first call only.
    """
    masks = checks.count("masks", masks)
    batch_size = checks.count("batch_size", batch_size)
    checks.choice("average", average, get_args(Average))
    if generator is not None:
        generator = checks.generator("generator", generator, "masks")
    function = stochastic(module, compute)

    def averaged(inputs: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b k"]:
        at_once = max(1, batch_size // len(inputs))
        logits = [
            function(inputs.repeat_interleave(now, 0)).unflatten(0, (len(inputs), now))
            for now in _shares(masks, at_once)
        ]
        return averaged_logits(torch.cat(logits, 1), average)

    def outputs(inputs: Tensor) -> Tensor:
        if generator is None:
            return torch.cat([averaged(part) for part in inputs.split(batch_size)])
        with forked_rng(generator, inputs.device):
            values = torch.cat([averaged(part) for part in inputs.split(batch_size)])
        torch.randint(2**62, (), generator=generator)  # the next call draws other masks
        return values

    return outputs


def _shares(total: int, most: int) -> list[int]:
    """``total`` in numbers of at most ``most``."""
    return [min(most, total - first) for first in range(0, total, most)]


def dropout_distillation(
    student: nn.Module,
    teacher: nn.Module,
    inputs: Shaped[Tensor, "n ..."] | Loader,
    *,
    spec: OptimSpec,
    generator: torch.Generator | int,
    divergence: Divergence = "kl",
    masks: int = 1,
    **settings: Unpack[FitSettings],
) -> FitResult:
    """Train ``student``, any module, in place on ``teacher``, any module, under random dropout.

    Every sample has a new mask of the teacher at every step, so that the student, which has no
    dropout, learns the mean over all masks at the price of one (Rota Bulo, Porzi & Kontschieder,
    ICML 2016). No labels are needed. Only dropout of the teacher is random; nothing of it changes.
    Dropout that the student has is off; that of ``augment`` or a loader is as they say.

    >>> from multiview import stream
    >>> from multiview.train.stochastic import without_dropout
    >>> teacher = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 3))

    From here on the student of a net of one's own takes four lines:

    >>> student = without_dropout(teacher)
    >>> x, spec = torch.randn(64, 8, generator=stream(0)), OptimSpec(epochs=2, batch_size=16)
    >>> result = dropout_distillation(student, teacher, x, spec=spec, generator=stream(1))
    >>> result.steps
    8

    Args:
        student: ``without_dropout(teacher)``, which starts as the standard prediction, or a net of
            its own, smaller perhaps.
        inputs: All training samples, or a loader of batches, whose labels are not looked at.
        divergence: One of ``bregman``: the loss, and which mean over the masks is the target.
        masks: Of each sample at each step, averaged: more leave less noise and the same target.
        settings: Of ``fit``; ``compute`` is that of the teacher too, and does not compile.

    Raises:
        Diverged, ValueError: As ``fit``, ``bregman`` and ``monte_carlo``; or if student and teacher
            share weights, or ``compute`` compiles.
    """
    checks.module("student", student)
    checks.module("teacher", teacher)
    if share_weights(student, teacher):
        raise ValueError(
            "student and teacher share weights, so the teacher would change: use "
            "student=without_dropout(teacher), a copy."
        )
    compute = settings.get("compute")
    if chosen(compute).compile:
        raise ValueError(
            "compute.compile=True: compiled code does not see that dropout of the student is "
            "switched off: use dataclasses.replace(compute, compile=False)."
        )
    kd_loss, average = bregman(divergence)
    # The masks are drawn from torch's global generator, which ``fit`` lets follow from its own.
    teacher_logits = monte_carlo(teacher, masks, average, compute=compute)
    with dropout_off(student):
        return knowledge_distillation(
            student,
            teacher_logits,
            inputs,
            spec=spec,
            generator=generator,
            kd_loss=kd_loss,
            weight=1.0,
            label_weight=0.0,
            **settings,
        )
