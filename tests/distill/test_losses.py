"""Distillation losses: limits, oracles and the paper's update."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import logit_pairs
from unchecked import unchecked

from multiview import stream
from multiview.distill import hinton_kd, l2_logits, paper_kd, truncated_probabilities


def kl_by_loops(student, teacher, temperature):
    total = 0.0
    for z, v in zip(student.tolist(), teacher.tolist(), strict=True):
        q = [math.exp(a / temperature) for a in z]
        p = [math.exp(a / temperature) for a in v]
        q, p = [a / sum(q) for a in q], [a / sum(p) for a in p]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return temperature**2 * total / len(student)


@given(logit_pairs(), st.floats(0.5, 20))
def test_hinton_kd_is_t_squared_kl_of_teacher_from_student_averaged_over_the_batch(pair, T):
    student, teacher = pair
    expected = kl_by_loops(student, teacher, T)
    assert hinton_kd(student, teacher, T).item() == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(logit_pairs(), st.floats(1e3, 1e5))
def test_hot_hinton_kd_is_half_the_mean_square_of_centred_logits(pair, T):
    student, teacher = pair
    k = student.shape[1]
    limit = l2_logits(student, teacher, center=True) / k
    assert hinton_kd(student, teacher, T).item() == pytest.approx(
        limit.item(), rel=50 / T, abs=1e-6
    )


@given(logit_pairs(), st.floats(0.5, 20))
def test_a_students_gradient_is_t_times_the_difference_of_probabilities(pair, T):
    student, teacher = pair
    leaf = student.clone().requires_grad_()
    hinton_kd(leaf, teacher, T).backward()
    expected = T * ((student / T).softmax(-1) - (teacher / T).softmax(-1)) / len(student)
    torch.testing.assert_close(leaf.grad, expected, rtol=1e-8, atol=1e-12)


@given(logit_pairs())
def test_l2_is_the_sum_of_squares_and_centring_ignores_a_common_shift(pair):
    student, teacher = pair
    expected = sum(
        0.5 * (a - b) ** 2
        for z, v in zip(student.tolist(), teacher.tolist(), strict=True)
        for a, b in zip(z, v, strict=True)
    ) / len(student)
    assert l2_logits(student, teacher).item() == pytest.approx(expected, rel=1e-9)
    shifted = student + 3.0
    assert l2_logits(shifted, teacher, center=True).item() == pytest.approx(
        l2_logits(student, teacher, center=True).item(), rel=1e-6, abs=1e-9
    )
    assert l2_logits(shifted, teacher, center=True) <= l2_logits(shifted, teacher) + 1e-12


@pytest.mark.parametrize("loss", [hinton_kd, l2_logits, paper_kd])
def test_teachers_get_no_gradient_and_a_perfect_student_has_no_loss(loss):
    teacher = torch.randn(4, 5, generator=stream(0, "teacher"), requires_grad=True)
    student = teacher.detach().clone().requires_grad_()
    value = loss(student, teacher)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-6


@pytest.mark.parametrize("loss", [hinton_kd, l2_logits, paper_kd])
def test_the_mean_is_over_samples(loss):
    student, teacher = torch.randn(2, 6, 3, generator=stream(1, "pair"))
    each = loss(student, teacher, reduction="none")
    assert each.shape == (6,)
    assert loss(student, teacher).item() == pytest.approx(each.mean().item(), rel=1e-6)
    with unchecked(), pytest.raises(ValueError, match="reduction"):
        loss(student, teacher, reduction="sum")


@given(logit_pairs(), st.floats(0.2, 1.0), st.floats(0.2, 5.0), st.booleans())
def test_paper_kd_pushes_up_where_the_student_is_below_the_teacher(pair, tau, scale, gated):
    student, teacher = pair
    leaf = student.clone().requires_grad_()
    paper_kd(leaf, teacher, tau, scale=scale, gated=gated).backward()
    assert leaf.grad is not None
    for n in range(len(student)):
        p = [math.exp(min(tau**2 * scale * a, 1) / tau) for a in student[n].tolist()]
        g = [math.exp(min(tau**2 * scale * a, 1) / tau) for a in teacher[n].tolist()]
        for i in range(student.shape[1]):
            push = min(0.0, p[i] / sum(p) - g[i] / sum(g))
            if gated and scale * student[n, i] >= 1 / tau**2:
                push = 0.0
            assert leaf.grad[n, i].item() * len(student) == pytest.approx(push, abs=1e-9)


def test_the_value_of_paper_kd_is_the_total_shortfall():
    tau = 0.5
    student, teacher = torch.tensor([[0.0, 1.0, 5.0]]), torch.tensor([[3.0, 0.5, 2.0]])
    p = truncated_probabilities(student, tau)[0]
    g = truncated_probabilities(teacher, tau)[0]
    short = (g - p).clamp(min=0)
    assert short[0] > 0.1  # the first output lags behind the teacher's
    assert paper_kd(student, teacher, tau).item() == pytest.approx(short.sum().item(), rel=1e-5)


def test_outputs_above_the_truncation_look_alike():
    tau = 0.5
    low = truncated_probabilities(torch.tensor([4.0, 9.0, 1.0]), tau)
    high = truncated_probabilities(torch.tensor([400.0, 4.1, 1.0]), tau)
    torch.testing.assert_close(low, high)
    assert low[0] > low[2]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_bad_temperatures_are_refused_by_name(value):
    logits = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="temperature"):
        hinton_kd(logits, logits, value)
    with pytest.raises(ValueError, match="tau"):
        paper_kd(logits, logits, value)


@pytest.mark.parametrize("temperature", [1e2, 1e3, 1e4, 1e5, 1e6])
def test_hot_hinton_kd_is_right_in_float32(temperature):
    """Its terms cancel to the square of 1 / temperature; float32 gave -1024 for 0.88."""
    student, teacher = torch.randn(2, 1000, 10, generator=stream(0, "hot"))
    found = hinton_kd(student, teacher, temperature=temperature)
    expected = l2_logits(student, teacher, center=True) / 10
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(expected), rel=3 / temperature + 1e-5)
