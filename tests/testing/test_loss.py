"""check_distillation_loss: honest losses pass, and the check that names a bug catches it."""

import math

import pytest
import torch
from faulty_losses import (
    FAULTY,
    HONEST,
    cross_entropy,
    kd,
    matched,
    matched_centred,
    squares,
    without_square,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from multiview import stream
from multiview.testing import LOSS_CHECKS, check_distillation_loss
from multiview.testing.loss_divergence import _of_two_sure
from multiview.testing.loss_probe import LossProbe
from multiview.testing.loss_scale import hot_limit


def failed(loss, **settings):
    return {finding.check for finding in check_distillation_loss(loss, **settings).failures}


@pytest.mark.parametrize("name", LOSS_CHECKS)
@pytest.mark.parametrize("loss", HONEST.values(), ids=HONEST)
def test_honest_losses_pass(loss, name):
    check_distillation_loss(loss, only=[name]).raise_for_failures()


@settings(max_examples=10)
@given(st.integers(2, 40), st.integers(3, 300), st.integers(0, 10**6), st.sampled_from([*HONEST]))
def test_they_pass_at_any_size_and_seed(num_samples, num_classes, seed, name):
    sizes = {"num_samples": num_samples, "num_classes": num_classes, "seed": seed}
    check_distillation_loss(HONEST[name], **sizes).raise_for_failures()


@pytest.mark.parametrize("name", FAULTY)
def test_a_bug_is_caught_by_the_check_that_names_it(name):
    """And by those others only whose laws it breaks too."""
    loss, check, others = FAULTY[name]
    assert failed(loss) == {check} | others


@pytest.mark.parametrize("name", FAULTY)
def test_that_check_catches_it_at_other_sizes(name):
    loss, check, _ = FAULTY[name]
    assert failed(loss, only=[check], num_samples=16, num_classes=10, seed=3) == {check}


def test_every_check_can_fail():
    assert {check for _, check, _ in FAULTY.values()} == {*LOSS_CHECKS}


def test_losses_of_another_kind_pass_the_checks_that_are_left():
    assert failed(cross_entropy, skip=["zero_at_equal_logits"]) == set()
    assert failed(without_square, skip=["temperature_squared", "hot_limit"]) == set()
    # Matching of logits: symmetric, of squares, and with a mean that softmax does not see.
    squared = {"direction", "softmax_once"}
    assert failed(matched) == squared | {"hot_limit", "shift_invariance"}
    assert failed(matched_centred) == squared | {"hot_limit", "class_sum"}
    assert failed(squares) == squared | {"class_sum"}  # over k, it is the hot limit itself


@pytest.mark.parametrize("num_classes", [3, 6, 100])
def test_centred_squares_over_2k_are_the_limit_exactly(num_classes):
    found, _ = hot_limit(LossProbe(squares, 5, num_classes, 0))
    assert found < 1e-12
    hot, _ = hot_limit(LossProbe(kd, 5, num_classes, 0))
    assert hot < 1e-3


@given(st.integers(3, 50), st.floats(0.1, 30))
def test_the_divergence_of_two_sure_networks_is_what_torch_finds(num_classes, margin):
    logits = margin * torch.eye(num_classes, dtype=torch.float64)[:2]
    p, log_q = logits[:1].softmax(-1), logits[1:].log_softmax(-1)
    exact = functional.kl_div(log_q, p, reduction="sum").item()
    assert _of_two_sure(num_classes, margin) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "check", "measured"),
    [
        ("summed", "batch_mean", 8.0),
        ("over classes too", "class_sum", 0.5),
        ("without square", "temperature_squared", -2.0),
        ("fourth power", "temperature_squared", 2.0),
        ("weighted", "hot_limit", 0.1),
        ("reverse", "direction", 1.0),
        ("of probabilities", "softmax_once", 0.5),
    ],
)
def test_what_is_measured_of_a_bug_tells_its_size(name, check, measured):
    found = check_distillation_loss(FAULTY[name][0])[check]
    assert found.measured == pytest.approx(measured, abs=0.02)


def test_every_failure_is_reported_and_an_error_within_a_check_is_one():
    def small_only(student, teacher, T):
        if T > 10:
            raise RuntimeError("too hot")
        return kd(student, teacher, T) / student.shape[1]

    found = check_distillation_loss(small_only)
    assert {each.check for each in found.failures} == {
        "class_sum",
        "temperature_squared",
        "hot_limit",
    }
    assert math.isnan(found["hot_limit"].measured)
    assert found["hot_limit"].note == "raised RuntimeError: too hot"


def test_a_loss_that_turns_to_nan_within_a_check_fails_it():
    def nan_when_equal(student, teacher, T):
        return kd(student, teacher, T) * (math.nan if student.equal(teacher) else 1)

    assert failed(nan_when_equal) == {"zero_at_equal_logits", "least_at_equal_logits"}


def test_a_loss_that_does_not_move_with_large_margins_is_a_failure_and_no_error():
    """Not even where a quotient has nothing to divide by."""

    def capped(student, teacher, T):
        return (student - teacher.detach()).clamp(-1, 1).square().mean()

    found = check_distillation_loss(capped)
    assert math.isnan(found["direction"].measured)
    assert not any("raised" in each.note for each in found.findings)


def test_checking_draws_nothing_from_the_common_generator_and_works_without_gradients():
    before = torch.get_rng_state()
    with torch.no_grad():
        one = check_distillation_loss(kd)
    assert torch.get_rng_state().equal(before)
    assert one == check_distillation_loss(kd)
    assert one != check_distillation_loss(kd, seed=1)


def test_a_module_is_a_loss_too():
    class Loss(torch.nn.Module):
        def forward(self, student, teacher, T):
            return kd(student, teacher, T)

    found = check_distillation_loss(Loss())
    assert found.passed
    assert found.subject.endswith("Loss")


def test_the_logits_are_ordinary():
    """Neither centred, so that a mean is seen, nor equal for both."""
    probe = LossProbe(kd, 30, 50, 0)
    student, teacher = probe.pair()
    assert student.std() == pytest.approx(2, rel=0.15)
    assert (student.mean(1) - teacher.mean(1)).abs().max() > 0.3
    assert not student.equal(teacher)
    again = torch.randn(30, 50, generator=stream(0, "distillation loss", "student")).double()
    assert student.shape == again.shape
