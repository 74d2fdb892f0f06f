"""Laws of what a distillation loss does not depend on."""

import torch
from torch import Tensor

from multiview.testing.check import Check
from multiview.testing.loss_probe import LossProbe, Pair, ratio

TEMPERATURE = 2.0  # where a law holds at any


def shift_invariance(probe: LossProbe) -> float:
    """The largest relative change of value and gradient when constants are added to the logits.

    A constant of its own for each sample, of the student or of the teacher.
    """
    student, teacher = probe.pair()
    shift = torch.arange(probe.num_samples, dtype=torch.float64).unsqueeze(1) - 1.5
    moved = ((student + shift, teacher), (student, teacher + shift))
    return _largest(*(_change(probe, pair, (student, teacher)) for pair in moved))


def teacher_gradient(probe: LossProbe) -> float:
    """Size of the teacher's gradient over that of the student's."""
    student, teacher = (each.requires_grad_() for each in probe.pair())
    with torch.enable_grad():
        probe.loss(student, teacher, TEMPERATURE).backward()
    if student.grad is None:
        return torch.nan
    size = 0.0 if teacher.grad is None else float(teacher.grad.norm())
    return ratio(size, float(student.grad.norm()))


def sample_order(probe: LossProbe) -> float:
    """Relative change of value and gradient when both networks' samples are permuted alike."""
    student, teacher = probe.pair()
    order = torch.arange(probe.num_samples).flip(0)
    return _change(probe, (student[order], teacher[order]), (student, teacher), order)


def _change(probe: LossProbe, new: Pair, old: Pair, order: Tensor | None = None) -> float:
    """The larger of the relative changes of value and gradient, whose rows are in ``order``."""
    values = [probe.value(*pair, TEMPERATURE) for pair in (new, old)]
    gradients = [probe.gradient(*pair, TEMPERATURE) for pair in (new, old)]
    expected = gradients[1] if order is None else gradients[1][order]
    of_gradient = float((gradients[0] - expected).norm() / expected.norm())
    return _largest(abs(ratio(values[0], values[1]) - 1), of_gradient)


def _largest(*values: float) -> float:
    """The largest of the values; NaN if one of them is, which max() may pass over."""
    return float(torch.tensor(values, dtype=torch.float64).max())


INVARIANCE = (
    Check(
        name="shift_invariance",
        quantity="relative change when constants are added to each sample's logits",
        measure=shift_invariance,
        expected=0.0,
        tolerance=1e-4,
        bug="the loss sees the mean of the logits, which softmax does not and which means nothing, "
        "as plain matching of logits does; or softmax is taken over the samples (dim=0).",
        remedy="take softmax over the classes, dim=-1; subtract the mean over the classes where "
        "logits are matched.",
        reports=("Lackel/DPN#1",),
    ),
    Check(
        name="teacher_gradient",
        quantity="size of the teacher's gradient, over that of the student's",
        measure=teacher_gradient,
        expected=0.0,
        tolerance=0.0,
        bug="the teacher's logits are not detached: where the teacher can learn it is drawn to the "
        "student, and its activations are kept in memory.",
        remedy="teacher_logits.detach(), beside torch.no_grad() around the teacher.",
        reports=("pytorch/translate#391",),
    ),
    Check(
        name="sample_order",
        quantity="relative change when the samples of both networks are permuted alike",
        measure=sample_order,
        expected=0.0,
        tolerance=1e-4,
        bug="a sample of the student is not compared with the same sample of the teacher, or "
        "counts by its place in the batch.",
        remedy="compare row i of the student's logits with row i of the teacher's, all alike.",
        reports=("DeepOpt-com/WrinkleFree-Monorepo#13",),
    ),
)
