"""Kernel gradient descent: the training of a linearised network, step by step."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.ntk.lanczos import largest_eigenvalue
from multiview.ntk.layout import Kernel, Operator, product_with
from multiview.ntk.predict import DualModel
from multiview.ntk.spectrum import checked_start
from multiview.train import Diverged

Loss = Literal["cross_entropy", "squared"]
# Largest eigenvalue of one sample's loss as a function of its outputs. That of the cross-entropy,
# diag(p) - p p^T, is at most 1/2, reached by two equally probable classes.
CURVATURE = {"cross_entropy": 0.5, "squared": 1.0}


@dataclass(frozen=True, kw_only=True)
class Descent(DualModel):
    """Dual coefficients at the recorded steps, along their first axis, and how they were found."""

    steps: tuple[int, ...]
    losses: Float[Tensor, "recorded *descents"]
    learning_rate: float


def descend(
    kernel: Kernel | Operator,
    targets: Float[Tensor, "*descents n k"],
    *,
    loss: Loss = "cross_entropy",
    steps: int,
    learning_rate: float | None = None,
    start: Float[Tensor, "..."] | None = None,
    record_every: int | None = None,
) -> Descent:
    """Train f = f_0 + K dual by dual <- dual - learning_rate dL/df, from dual = 0.

    This is full-batch gradient descent of the network linearised at initialisation, seen in its
    outputs. L is a mean over samples: of the cross-entropy of softmax(f) with the targets, or of
    |f - y|^2 / 2 summed over outputs. Each step is one product with the kernel.

    Args:
        kernel: In any layout, or only multiplied by (``layout.Operator``); outputs that share
            parameters need the "full" one to be exact.
        targets: For cross-entropy probabilities, one-hot or a teacher's; anything for squared.
            Leading axes are several descents at once.
        steps: How many, >= 0.
        learning_rate: If None 1 / (largest curvature): 1 / (lambda_max c / n), with c = 1 for
            squared and 1/2 for cross-entropy. The loss then never rises.
        start: Outputs f_0 on the training samples before training, broadcast to the targets; zero
            if None. Predictions are then f_0 at the test samples plus ``predict``'s.
        record_every: Record step 0, every so many steps and the last; None: the last only.

    Returns:
        A Descent; ``losses`` and the first axis of ``dual`` run over the recorded ``steps``.

    Raises:
        ValueError: If an argument is out of range, or shapes disagree.
        Diverged: If a loss is not finite; the message names the step.
    """
    checks.choice("loss", loss, get_args(Loss))
    steps = checks.count("steps", steps, least=0)
    if record_every is not None:
        record_every = checks.count("record_every", record_every)
    if learning_rate is not None:
        learning_rate = checks.positive("learning_rate", learning_rate)
    layout, product = product_with(kernel)
    layout.check(targets)
    targets = targets.to(torch.float64)
    if loss == "cross_entropy":
        _check_probabilities(targets)
    first = torch.zeros_like(targets) if start is None else checked_start(layout, start, targets)
    if learning_rate is None:
        top = largest_eigenvalue(product, layout, targets.device)
        if top == 0:
            raise ValueError("kernel is zero: no step changes an output.")
        learning_rate = layout.n / (CURVATURE[loss] * top)

    dual, outputs = torch.zeros_like(targets), first
    recorded: list[tuple[int, Tensor, Tensor]] = []
    for step in range(steps + 1):
        if step:
            moved = product(layout.columns(dual))
            outputs = first + layout.targets(moved, targets.shape)
        value, gradient = _loss(loss, outputs, targets)
        if not value.isfinite().all():
            raise Diverged(
                f"the {loss} loss is not finite at step {step} of {steps} with learning_rate="
                f"{learning_rate}: use a smaller one, or None for one that cannot diverge."
            )
        if step == steps or (record_every is not None and step % record_every == 0):
            recorded.append((step, value, dual))
        dual = dual - learning_rate * gradient  # not in place: the record keeps it
    at, values, duals = zip(*recorded, strict=True)
    return Descent(
        dual=torch.stack(duals),
        layout=layout,
        steps=at,
        losses=torch.stack(values),
        learning_rate=learning_rate,
    )


def _loss(
    loss: str, outputs: Float[Tensor, "*descents n k"], targets: Float[Tensor, "*descents n k"]
) -> tuple[Float[Tensor, "*descents"], Float[Tensor, "*descents n k"]]:
    """The loss of each descent, and its gradient by the outputs."""
    n = outputs.shape[-2]
    if loss == "squared":
        residual = outputs - targets
        return residual.square().sum((-2, -1)) / (2 * n), residual / n
    log_p = outputs.log_softmax(-1)
    return -(targets * log_p).sum((-2, -1)) / n, (log_p.exp() - targets) / n


def _check_probabilities(targets: Float[Tensor, "*descents n k"]) -> None:
    off = float((targets.sum(-1) - 1).abs().max())
    if off > 1e-6 or (targets < 0).any():
        raise ValueError(
            "targets must be probabilities for loss='cross_entropy': entries >= 0, rows that sum "
            f"to 1 (one is off by {off:.1e}, the least entry is {float(targets.min()):.1e}). Use "
            "one-hot rows or a softmax, or loss='squared'."
        )
