"""check_training_step: honest loops pass, and the check that names a bug catches it."""

import copy
import random
import re
from functools import partial

import numpy as np
import pytest
import torch
from faulty_losses import reverse
from faulty_steps import FAULTY, HONEST, cached, plain
from torch import nn
from torch.nn.functional import cross_entropy
from unchecked import unchecked

from multiview import stream
from multiview.distill import hinton_kd, l2_logits, squared_probabilities
from multiview.testing import STEP_CHECKS, check_training_step
from multiview.testing.random_state import alike, common_states
from multiview.testing.watched import WatchedStudent, WatchedTeacher, samples, samples_of


def failed(step, **settings):
    return {finding.check for finding in check_training_step(step, **settings).failures}


@pytest.mark.parametrize("name", STEP_CHECKS)
@pytest.mark.parametrize("step", HONEST.values(), ids=HONEST)
def test_honest_steps_pass(step, name):
    check_training_step(step, only=[name]).raise_for_failures()


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 1},
        {"num_samples": 26, "seed": 2},
        {"input_shape": (1, 1, 2)},
        {"input_shape": (3, 9, 11), "num_samples": 8},
        {"teacher_mode": "eval"},
    ],
)
def test_they_pass_at_any_size_seed_and_mode(settings):
    for step in HONEST.values():
        check_training_step(step, **settings).raise_for_failures()


@pytest.mark.parametrize(
    "kd_loss",
    [
        partial(hinton_kd, temperature=1.0),
        partial(hinton_kd, temperature=20.0),
        partial(reverse, T=4.0),
        l2_logits,
        partial(l2_logits, center=True),
        squared_probabilities,
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_the_teacher_taught_is_read_off_any_loss(kd_loss, smoothing):
    def loss(student_logits, teacher_logits, labels):
        hard = cross_entropy(student_logits, labels, label_smoothing=smoothing)
        return 0.9 * kd_loss(student_logits, teacher_logits) + 0.1 * hard

    check_training_step(partial(plain, loss=loss)).raise_for_failures()
    moved = partial(plain, loss=lambda s, t, y: loss(s, t.roll(1, 0), y))
    assert failed(moved) == {"pairing"}
    without = partial(plain, loss=lambda s, t, y: loss(s, s.detach(), y))
    assert "teacher_teaches" in failed(without)


def test_smoothed_labels_are_no_teacher():
    def loss(student_logits, teacher_logits, labels):
        return cross_entropy(student_logits, labels, label_smoothing=0.1)

    assert failed(partial(plain, loss=loss)) == {"teacher_teaches", "pairing"}


def test_samples_that_the_loss_leaves_out_are_none_that_was_taught():
    def loss(student_logits, teacher_logits, labels):
        return hinton_kd(student_logits[:2], teacher_logits[:2])

    check_training_step(partial(plain, loss=loss)).raise_for_failures()


def test_gradients_of_several_backward_passes_count_together():
    def twice(student, teacher, inputs, labels):
        optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
        teacher.eval()
        with torch.no_grad():
            taught = teacher(inputs)
        logits = student(inputs)
        (1024 * cross_entropy(logits, labels)).backward(retain_graph=True)
        (1024 * hinton_kd(logits, taught)).backward()
        for parameter in student.parameters():
            parameter.grad /= 1024
        optimizer.step()

    check_training_step(twice).raise_for_failures()


def test_a_seed_is_found_though_the_teachers_dropout_draws_too():
    def step(student, teacher, inputs, labels):
        torch.manual_seed(0)
        plain(student, teacher, inputs, labels, evaluated=False)

    assert check_training_step(step)["random_state"].measured == 1


def test_a_teacher_that_becomes_nan_has_changed():
    def step(student, teacher, inputs, labels):
        plain(student, teacher, inputs, labels)
        [*teacher.parameters()][-1].data.fill_(torch.nan)
        next(teacher.buffers()).fill_(torch.nan)

    assert failed(step) == {"teacher_parameters", "teacher_buffers"}


def test_the_most_samples_are_told_apart_by_two_values_each():
    inputs, labels = samples(256, (2,), 0)
    assert samples_of(inputs, 256).equal(labels)
    assert samples_of(inputs.bfloat16(), 256).equal(labels)


def test_a_longer_training_passes():
    """The gradients of a student that has learned its samples tell little, and are left out."""
    check_training_step(partial(plain, epochs=30)).raise_for_failures()


@pytest.mark.parametrize("name", FAULTY)
def test_a_bug_is_caught_by_the_check_that_names_it(name):
    """And by those others only whose laws it breaks too."""
    step, check, others = FAULTY[name]
    assert failed(step) == {check} | others


@pytest.mark.parametrize("name", FAULTY)
def test_that_check_catches_it_at_other_sizes(name):
    step, check, _ = FAULTY[name]
    assert failed(step, only=[check], num_samples=24, seed=3) == {check}


def test_every_check_can_fail():
    assert {check for _, check, _ in FAULTY.values()} == {*STEP_CHECKS}


def test_a_step_that_does_nothing_passes_no_check_but_those_of_what_it_leaves():
    def nothing(student, teacher, inputs, labels):
        pass

    assert failed(nothing) == {*STEP_CHECKS} - {"teacher_mode_kept", "random_state"}


def test_logits_by_the_batch_are_right_where_nothing_is_shuffled():
    check_training_step(partial(cached, by_sample=False, shuffle=False)).raise_for_failures()


def test_a_teacher_whose_caller_has_called_eval():
    step = partial(plain, evaluated=False)
    assert failed(step) == {"teacher_mode", "teacher_buffers"}
    assert failed(step, teacher_mode="eval") == set()


def test_samples_that_cannot_be_told_apart_are_said_to_be_so():
    step = partial(plain, views=lambda x: ((x - 6.5) / 3.5,) * 2)
    found = check_training_step(step)
    assert {each.check for each in found.failures} == {"pairing", "teacher_teaches"}
    assert "leave normalisation" in found["pairing"].note


def test_a_few_misplaced_samples_are_caught():
    def loss(student_logits, teacher_logits, labels):
        order = torch.arange(len(labels))
        order[:2] = torch.tensor([1, 0])
        gap = student_logits - teacher_logits[order]
        return gap.square().mean()

    found = check_training_step(partial(plain, loss=loss))["pairing"]
    assert found.measured == pytest.approx(0.5, abs=0.1)  # two of each four
    assert not found.passed
    assert re.fullmatch(r"sample \d+ was taught the logits of sample \d+", found.note)


@pytest.mark.parametrize("change", [lambda x: x.flip(-1), lambda x: x.roll(1, -1)])
def test_samples_are_recognised_after_common_augmentations(change):
    inputs, labels = samples(50, (3, 8, 8), 0)
    assert samples_of(change(inputs), 50).equal(labels)
    padded = nn.functional.pad(inputs, (1, 1, 1, 1))[..., :8, 2:]
    assert samples_of(padded, 50).equal(labels)
    noisy = inputs + 0.1 * torch.randn(inputs.shape, generator=stream(0))
    assert samples_of(noisy, 50).equal(labels)
    assert (samples_of(inputs + 0.5, 50) == -1).any()
    assert (samples_of(inputs - 60, 50) == -1).all()


def test_networks_note_what_they_are_given_copies_too():
    inputs, _ = samples(5, (4,), 0)
    teacher = WatchedTeacher(5, (4,))
    logits = copy.deepcopy(teacher).eval()(inputs)
    assert logits.argmax(1).equal(torch.arange(5) + 5)
    assert [each.samples.tolist() for each in teacher.log.passes] == [[0, 1, 2, 3, 4]]
    assert not any(teacher.log.passes[0].training)
    student = WatchedStudent(5, (4,))
    out = student(inputs)
    (2 * out).sum().backward(retain_graph=True)
    (3 * out).sum().backward()
    gradient = student.log.passes[0].gradient
    assert gradient is not None
    assert gradient.equal(torch.full((5, 10), 5.0))


def test_common_generators_are_as_before_whatever_the_step_does():
    def seeded(student, teacher, inputs, labels):
        torch.manual_seed(3)
        np.random.seed(3)
        random.seed(3)
        raise RuntimeError("stop")

    with unchecked():  # what checks types draws from Python's generator
        before = common_states()
        with pytest.raises(ValueError, match="stop"):
            check_training_step(seeded)
        check_training_step(plain)
        assert alike(before, common_states()) == ["torch", "numpy", "random"]


def test_the_same_step_is_found_the_same():
    assert check_training_step(plain) == check_training_step(plain)


def test_it_works_without_gradients_and_the_step_may_look_at_the_student():
    def looking(student, teacher, inputs, labels):
        student.eval()
        with torch.no_grad():
            student(inputs)
        plain(student, teacher, inputs, labels)

    with torch.no_grad():
        check_training_step(looking).raise_for_failures()
