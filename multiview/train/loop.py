"""fit: the one minibatch loop, for any module and any loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from multiview.train.errors import Diverged
from multiview.train.optim import OptimSpec

# loss(outputs, inputs, rows): mean over the batch, given the module's outputs, the inputs as the
# module saw them (augmented), so that a teacher can see the same, and which samples they are.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FitResult:
    """What a training leaves beside the weights."""

    steps: int
    loss: Float[Tensor, " epochs"]  # mean over the epoch's samples, each before its step


def target_loss(targets: Int[Tensor, " n"] | Float[Tensor, "n k"]) -> Loss:
    """Cross-entropy with labels (n,) or with probabilities (n, k) of all training samples."""
    return lambda logits, inputs, rows: functional.cross_entropy(logits, targets[rows])


def fit(
    module: nn.Module,
    inputs: Shaped[Tensor, "n ..."],
    loss: Loss,
    spec: OptimSpec,
    generator: torch.Generator,
    *,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> FitResult:
    """Train ``module`` in place, and leave it in eval mode.

    Args:
        inputs: All training samples.
        generator: Order of the samples and, before it, the epoch's augmentation; advanced in
            place. The same module, inputs and generator state give the same bits.
        augment: Changes all samples anew at the start of each epoch, with ``generator``.
        progress: Called after every epoch with a line and the fraction done.

    Raises:
        Diverged: If a loss becomes infinite or NaN.
    """
    optimizer = spec.optimizer(module.parameters())
    n = len(inputs)
    total = spec.epochs * math.ceil(n / spec.batch_size)
    step = 0
    history = []
    module.train()
    for epoch in range(spec.epochs):
        seen = inputs if augment is None else augment(inputs, generator)
        losses = []
        order = torch.randperm(n, generator=generator).to(inputs.device)
        for rows in order.split(spec.batch_size):
            for group in optimizer.param_groups:
                group["lr"] = spec.rate(step, total)
            batch = seen[rows]
            value = loss(module(batch), batch, rows)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            losses.append(value.detach() * (len(rows) / n))
            step += 1
        # Looked at once an epoch: reading a loss makes a GPU wait.
        finite = torch.stack(losses).isfinite()
        if not finite.all():
            first = step - len(losses) + int((~finite).nonzero()[0])
            raise Diverged(
                f"the loss became infinite or NaN at step {first} of {total} (epoch {epoch}) "
                f"with {spec}: use a smaller learning_rate or a longer warmup."
            )
        history.append(torch.stack(losses).sum())
        if progress is not None:
            message = f"epoch {epoch + 1}/{spec.epochs} loss {float(history[-1]):.3f}"
            progress(message, (epoch + 1) / spec.epochs)
    module.eval()
    return FitResult(steps=step, loss=torch.stack(history).cpu())
