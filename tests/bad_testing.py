"""Losses and training steps that cannot be checked."""

from typing import Any

import torch
from faulty_losses import kd
from one_bad_input import BadInput
from torch import Tensor

from multiview.testing import (
    LOSS_CHECKS,
    STEP_CHECKS,
    check_distillation_loss,
    check_training_step,
)


def loss(name: str, message: str, given: Any, **settings: Any) -> BadInput:
    """A line about the check of a loss."""
    return BadInput(name, lambda here: check_distillation_loss(given, **settings), message)


def step(name: str, message: str, given: Any, **settings: Any) -> BadInput:
    """A line about the check of a training step."""
    return BadInput(name, lambda here: check_training_step(given, **settings), message)


WEIGHT = torch.nn.Parameter(torch.ones(()))


def broken(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """A loss with an error in it."""
    return student_logits @ teacher_logits


def failing(student: Any, teacher: Any, inputs: Tensor, labels: Tensor) -> None:
    """A step with an error in it."""
    raise KeyError("weights")


def idle(student: Any, teacher: Any, inputs: Tensor, labels: Tensor) -> None:
    """A step that does nothing."""


TESTING: list[BadInput] = [
    loss("a loss by name", "loss='kd' is no function: give one, or an object like it.", "kd"),
    loss(
        "a class for a loss",
        "loss=<class 'torch.nn.modules.loss.KLDivLoss'> is no function: give one, or an object "
        "like it.",
        torch.nn.KLDivLoss,
    ),
    loss(
        "a loss without a temperature",
        "loss cannot be called as loss(student_logits, teacher_logits, temperature): too many "
        "positional arguments. Wrap it, such as lambda s, t, temperature: my_loss(s, t).",
        lambda student, teacher: kd(student, teacher, 4.0),
    ),
    loss(
        "a loss with labels",
        "loss cannot be called as loss(student_logits, teacher_logits, temperature): missing a "
        "required argument: 'labels'. Wrap it, such as lambda s, t, temperature: my_loss(s, t).",
        lambda student, teacher, temperature, labels: kd(student, teacher, temperature),
    ),
    loss(
        "a value for each sample",
        "loss gives tensor of shape (8,) and torch.float32 for logits of shape (8, 6): return one "
        "number, a tensor without axes; of one value per sample, its mean().",
        lambda student, teacher, T: (student - teacher).square().sum(-1),
    ),
    loss(
        "a number of Python",
        "loss gives 1.0 for logits of shape (8, 6): return one number, a tensor without axes; of "
        "one value per sample, its mean().",
        lambda student, teacher, T: 1.0,
    ),
    loss(
        "NaN",
        "loss has a value that is NaN or infinite on random logits of shape (8, 6) at "
        "temperature=2.0: take log_softmax(logits / temperature) for the logarithms of "
        "probabilities.",
        lambda student, teacher, T: kd(student, teacher, T) * torch.nan,
    ),
    loss(
        "a gradient of NaN",
        "loss has a gradient that is NaN or infinite on random logits of shape (8, 6) at "
        "temperature=2.0: take log_softmax(logits / temperature) for the logarithms of "
        "probabilities.",
        lambda student, teacher, T: kd(student, teacher, T) + (0 * student).sum().sqrt(),
    ),
    loss(
        "a loss that is detached",
        "loss gives no gradient to student_logits: compute it from them by differentiable "
        "operations, outside of torch.no_grad() and without detach().",
        lambda student, teacher, T: kd(student, teacher, T).detach(),
    ),
    loss(
        "student and teacher in the other order",
        "loss gives no gradient to student_logits: compute it from them by differentiable "
        "operations, outside of torch.no_grad() and without detach().",
        lambda student, teacher, T: kd(teacher, student, T),
    ),
    loss(
        "a loss of the teacher and a weight of its own",
        "loss does not depend on student_logits, which come first: compare them with "
        "teacher_logits.",
        lambda student, teacher, T: (WEIGHT * teacher).mean(),
    ),
    loss(
        "an error",
        "loss raised RuntimeError on logits of shape (8, 6) and torch.float32 at temperature=2.0: "
        "mat1 and mat2 shapes cannot be multiplied (8x6 and 8x6). It must take "
        "loss(student_logits, teacher_logits, temperature).",
        broken,
    ),
    loss(
        "an unknown check",
        f"only=['reduction'] names no check by 'reduction': choose among {', '.join(LOSS_CHECKS)}.",
        kd,
        only=["reduction"],
    ),
    loss(
        "a check's name in place of a list",
        "skip='hot_limit' is no sequence: give a list or a tuple.",
        kd,
        skip="hot_limit",
    ),
    loss(
        "no check",
        "only=['hot_limit'] and skip=['hot_limit'] leave no check: name one to run.",
        kd,
        only=["hot_limit"],
        skip=["hot_limit"],
    ),
    loss("two classes", "num_classes=2 is a count: use 3 to 1000, an integer.", kd, num_classes=2),
    step(
        "a step without labels",
        "step cannot be called as step(student, teacher, inputs, labels): too many positional "
        "arguments. Wrap your loop in a function of these four.",
        lambda student, teacher, inputs: None,
    ),
    step(
        "a step with an error",
        "step raised KeyError when called as step(student, teacher, inputs, labels) with inputs of "
        "shape (12, 3, 8, 8), labels 0 to 11 and networks with 24 outputs: 'weights'",
        failing,
    ),
    step("a step by name", "step='plain' is no function: give one, or an object like it.", "plain"),
    step(
        "a mode of neither kind",
        "teacher_mode='test': choose one of ('train', 'eval').",
        idle,
        teacher_mode="test",
    ),
    step(
        "samples of one value",
        "input_shape=(1,) gives samples of size 1: use a size of 2 to 262144.",
        idle,
        input_shape=(1,),
    ),
    step(
        "an unknown check of steps",
        f"skip=['class_sum'] names no check by 'class_sum': choose among {', '.join(STEP_CHECKS)}.",
        idle,
        skip=["class_sum"],
    ),
]
