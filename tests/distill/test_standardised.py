"""Hinton's loss of standardised logits, against its formula and its invariances."""

import pytest
import torch

from multiview import stream
from multiview.distill import Hinton, Standardised
from multiview.distill.standardised import standardised

STUDENT = torch.randn(20, 6, generator=stream(0, "student"))
TEACHER = 3 * torch.randn(20, 6, generator=stream(0, "teacher"))


def test_it_is_the_divergence_of_z_scores():
    T = 3.0

    def softened(logits):
        z = (logits - logits.mean(-1, keepdim=True)) / logits.std(-1, keepdim=True, correction=0)
        return (z / T).log_softmax(-1)

    student, teacher = softened(STUDENT), softened(TEACHER)
    expected = T**2 * (teacher.exp() * (teacher - student)).sum(-1)
    torch.testing.assert_close(Standardised(T)(STUDENT, TEACHER), expected, rtol=1e-4, atol=1e-6)


def test_size_and_offset_of_either_side_change_nothing():
    loss = Standardised()(STUDENT, TEACHER)
    moved = Standardised()(0.1 * STUDENT + 5, 7 * TEACHER - 2)
    torch.testing.assert_close(moved, loss, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(Hinton(2.0)(0.1 * STUDENT, TEACHER), Hinton(2.0)(STUDENT, TEACHER))


def test_logits_of_the_teachers_shape_cost_nothing_and_equal_logits_are_no_error():
    assert Standardised()(TEACHER / 9, TEACHER).abs().max() < 1e-5
    flat = torch.zeros(4, 6, requires_grad=True)
    Standardised()(flat, TEACHER[:4]).sum().backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
    assert standardised(flat).abs().max() == 0


def test_a_temperature_is_positive():
    with pytest.raises(ValueError, match="temperature"):
        Standardised(0.0)
