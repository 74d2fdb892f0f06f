"""taught_loss: labels and a teacher that sees what the student sees, for ``train.loop.fit``."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor

from multiview.distill.losses import hinton_kd
from multiview.train.loop import Loss, target_loss


def taught_loss(
    targets: Int[Tensor, " n"] | Float[Tensor, "n k"],
    teacher: Callable[[Tensor], Tensor],
    *,
    temperature: float = 4.0,
    weight: float = 1.0,
    smoothing: float = 0.0,
) -> Loss:
    """Cross-entropy with the targets plus ``weight`` times ``hinton_kd``.

    Of one student's logits (batch, k), or of many side by side, (batch, members, k): the sum of
    theirs.

    Args:
        targets: Labels (n,) or probabilities (n, k) of all training samples.
        teacher: From the inputs as the students see them, augmented, to logits: (batch, k), or
            (batch, members, k) for a teacher of its own for each student. ``frozen`` makes one.
        smoothing: Of the targets, not of the teacher.
    """
    on_targets = target_loss(targets, smoothing)

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor) -> Tensor:
        taught = teacher(inputs)
        if logits.dim() > taught.dim():
            taught = taught.unsqueeze(1).expand_as(logits)
        students = logits.shape[1] if logits.dim() == 3 else 1
        lesson = students * hinton_kd(logits, taught, temperature)  # its mean is over students too
        return on_targets(logits, inputs, rows) + weight * lesson

    return loss
