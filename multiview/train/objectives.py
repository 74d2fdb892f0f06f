"""Losses on logits with their derivatives, as the patch-net trainer takes them."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import checks, shapes
from multiview.train.patch_gradient import Objective


def cross_entropy(targets: Int[Tensor, " N"] | Float[Tensor, "N k"], num_classes: int) -> Objective:
    """Cross-entropy with labels (N,) or probabilities (N, k); derivative softmax(F) - target.

    Raises:
        ValueError: If a target is no class and no distribution over ``num_classes`` of them.
    """
    num_classes = checks.count("num_classes", num_classes)
    shapes.targets("targets", targets, num_classes)
    if targets.dim() == 1:
        targets = torch.nn.functional.one_hot(targets, num_classes).float()

    def objective(logits: Tensor, rows: Tensor, nets: Tensor) -> tuple[Tensor, Tensor]:
        target = shapes.at("targets", targets, rows).to(logits.dtype).unsqueeze(1)
        # Samples stand side by side in memory, as the gradient computes them: ten times as fast.
        log_probability = logits.movedim(0, 2).log_softmax(1).movedim(2, 0)
        return -(target * log_probability).sum(-1), log_probability.exp() - target

    objective.samples = len(targets)  # type: ignore[attr-defined]
    return objective


def per_member(*objectives: Objective) -> Objective:
    """A loss of its own for each network, so that different students train side by side.

    Raises:
        ValueError: If there is none; when called, if there are more networks.
    """
    for i, each in enumerate(objectives):
        checks.function(f"objectives[{i}]", each)
    if not objectives:
        raise ValueError("objectives is empty: give one for each network.")

    def objective(logits: Tensor, rows: Tensor, nets: Tensor) -> tuple[Tensor, Tensor]:
        if max(nets.tolist()) >= len(objectives):
            raise ValueError(
                f"objectives has {len(objectives)} losses and there is a network "
                f"{max(nets.tolist())}: give one for each network, counted from 0."
            )
        parts = [
            objectives[net](logits[:, e : e + 1], rows, nets[e : e + 1])
            for e, net in enumerate(nets.tolist())
        ]
        return torch.cat([loss for loss, _ in parts], 1), torch.cat([r for _, r in parts], 1)

    return objective


def rescaled(objective: Objective, factor: float) -> Objective:
    """The loss of ``factor`` times the logits.

    With ``TrainSpec(summed=True)`` and 1/E for E members it trains their mean.

    Raises:
        ValueError: If ``objective`` is no function, or ``factor`` is not finite.
    """
    checks.function("objective", objective)
    factor = checks.number("factor", factor, "(-inf, inf)", meaning="multiplies the logits")

    def scaled(logits: Tensor, rows: Tensor, nets: Tensor) -> tuple[Tensor, Tensor]:
        loss, residual = objective(factor * logits, rows, nets)
        return loss, factor * residual

    return scaled


def differentiated(loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """Objective of any differentiable ``loss(logits (n, e, k), rows (n,)) -> (n, e)``.

    Autograd sees the logits only, never the network, so its cost is small beside the gradient's.

    Raises:
        ValueError: When called, if the loss has another shape or does not depend on the logits.
    """
    checks.function("loss", loss)

    def objective(logits: Tensor, rows: Tensor, nets: Tensor) -> tuple[Tensor, Tensor]:
        leaf = logits.detach().requires_grad_()
        with torch.enable_grad():
            value = loss(leaf, rows)
            if value.shape != leaf.shape[:2] or not value.requires_grad:
                raise ValueError(
                    f"loss gave shape {tuple(value.shape)} for logits {tuple(leaf.shape)}: give "
                    f"one value of each sample and net, {tuple(leaf.shape[:2])}, that depends on "
                    "the logits."
                )
            (residual,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), residual

    return objective
