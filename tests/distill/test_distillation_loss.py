"""distillation_loss: labels and teacher add up for one student and many; teachers are frozen."""

from functools import partial

import pytest
import torch
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.distill import Hinton, distillation_loss, hinton_kd, l2_logits, per_student
from multiview.ensemble import mean_logits
from multiview.models import SideBySide
from multiview.train.compute import frozen
from multiview.train.loop import fit, target_loss
from multiview.train.optim import OptimSpec
from multiview.train.source import LoaderTargets

Y = torch.tensor([0, 2, 1, 1, 0])
ROWS = torch.tensor([4, 1])


def logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=stream(0, "logits", *map(str, shape)))


def test_one_student_has_labels_and_teacher_in_the_stated_proportion():
    student, teacher, inputs = logits(2, 3), 3 * logits(2, 3).flip(0), logits(2, 7)

    def teach(seen):
        assert seen is inputs
        return teacher

    loss = distillation_loss(Y, teach, Hinton(2.5), weight=0.7, smoothing=0.1)
    expected = target_loss(Y, 0.1)(student, inputs, ROWS) + 0.7 * hinton_kd(student, teacher, 2.5)
    torch.testing.assert_close(loss(student, inputs, ROWS), expected)


@pytest.mark.parametrize("own", [False, True])
def test_the_loss_of_many_students_is_the_sum_of_theirs(own):
    students, inputs = logits(2, 4, 3), logits(2, 7)
    teacher = logits(2, 4, 3).flip(1) if own else logits(2, 3)
    together = distillation_loss(Y, lambda seen: teacher)(students, inputs, ROWS)
    each = [
        distillation_loss(Y, lambda seen, e=e: teacher[:, e] if own else teacher)(
            students[:, e], inputs, ROWS
        )
        for e in range(4)
    ]
    torch.testing.assert_close(together, torch.stack(each).sum())


def test_teachers_are_in_eval_mode_without_gradient_and_unchanged():
    x, y = logits(24, 6), torch.arange(24) % 3

    def net(i):
        torch.manual_seed(i)
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))

    teachers = SideBySide([net(0), net(1)]).train()  # a careless user's
    before = {name: value.clone() for name, value in teachers.state_dict().items()}
    teach = frozen(teachers)
    loss = distillation_loss(y, lambda seen: mean_logits(teach(seen)))
    student = net(2)
    fit(student, x, loss, OptimSpec(epochs=2, batch_size=8), stream(0, "order"))
    for name, value in teachers.state_dict().items():
        assert value.equal(before[name]), name
    assert all(p.grad is None for p in teachers.parameters())
    assert not teach(x).requires_grad
    assert teach(x).equal(teach(x))  # no dropout
    assert teachers.training  # its mode is its owner's


def test_a_teachers_logits_may_be_given_for_all_samples():
    student, taught, inputs = logits(2, 3), logits(5, 3), logits(2, 7)
    given = distillation_loss(Y, taught)(student, inputs, ROWS)
    asked = distillation_loss(Y, lambda seen: taught[ROWS])(student, inputs, ROWS)
    torch.testing.assert_close(given, asked)


def test_labels_and_teacher_are_mixed_as_hinton_does():
    student, taught, inputs = logits(2, 3), 2 * logits(2, 3).flip(1), logits(2, 7)
    on_labels = target_loss(Y)(student, inputs, ROWS)
    mixed = distillation_loss(Y, lambda seen: taught, weight=0.7, label_weight=0.3)
    expected = 0.7 * hinton_kd(student, taught) + 0.3 * on_labels
    torch.testing.assert_close(mixed(student, inputs, ROWS), expected)


def test_without_label_weight_no_target_is_looked_at():
    student, taught, inputs = logits(2, 3), logits(2, 3).flip(1), logits(2, 7)
    loss = distillation_loss(None, lambda seen: taught, label_weight=0.0)
    nothing = torch.empty(0)
    torch.testing.assert_close(loss(student, inputs, nothing), hinton_kd(student, taught))
    from_loader = distillation_loss(None, lambda seen: taught, weight=0.0)(
        student, inputs, LoaderTargets(Y[ROWS])
    )
    torch.testing.assert_close(from_loader, target_loss(Y)(student, inputs, ROWS))


def test_logits_by_sample_are_refused_where_samples_have_no_number():
    with pytest.raises(ValueError, match="numbered by sample"):
        distillation_loss(None, logits(5, 3), label_weight=0.0)(
            logits(2, 3), logits(2, 7), LoaderTargets(None)
        )
    with unchecked(), pytest.raises(ValueError, match="4 samples for 5 targets"):
        distillation_loss(Y, logits(4, 3))


def test_a_module_is_frozen_and_no_teacher_gets_a_gradient():
    module = nn.Sequential(nn.Linear(7, 3), nn.BatchNorm1d(3)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    student, inputs = logits(2, 3).requires_grad_(), logits(2, 7)

    def squares(students, teachers):  # a loss that forgets to detach
        return (students - teachers).square().mean()

    distillation_loss(None, module, squares, label_weight=0.0)(student, inputs, ROWS).backward()
    open_teacher = logits(2, 3).requires_grad_()
    distillation_loss(None, lambda seen: open_teacher * 1, squares, label_weight=0.0)(
        student, inputs, ROWS
    ).backward()
    assert all(parameter.grad is None for parameter in module.parameters())
    assert open_teacher.grad is None
    assert all(module.state_dict()[name].equal(value) for name, value in before.items())
    assert module.training


def test_students_side_by_side_may_have_a_loss_each():
    students, taught, inputs = logits(2, 2, 3), logits(2, 2, 3).flip(0), logits(2, 7)
    own = per_student(Hinton(9.0), partial(l2_logits, reduction="none"))
    total = distillation_loss(None, lambda seen: taught, own, label_weight=0.0)(
        students, inputs, ROWS
    )
    expected = hinton_kd(students[:, 0], taught[:, 0], 9.0) + l2_logits(
        students[:, 1], taught[:, 1]
    )
    torch.testing.assert_close(total, expected)
    values = own(students, taught)
    assert values.shape == (2, 2)
    torch.testing.assert_close(values[:, 0], Hinton(9.0)(students[:, 0], taught[:, 0]))
    with pytest.raises(ValueError, match="3 students have 2 kd_losses"):
        own(logits(2, 3, 3), logits(2, 3, 3))


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 3)])
def test_one_value_per_sample_and_their_mean_come_to_the_same(shape):
    student, teacher, inputs = logits(*shape).requires_grad_(), logits(*shape).flip(0), logits(2, 7)
    losses = [
        distillation_loss(Y, lambda seen: teacher, kd_loss)(student, inputs, ROWS)
        for kd_loss in (Hinton(), hinton_kd)
    ]
    gradients = [torch.autograd.grad(loss, student)[0] for loss in losses]
    assert losses[0].equal(losses[1])
    assert gradients[0].equal(gradients[1])


@pytest.mark.parametrize("wrong", [lambda s, t: s - t, lambda s, t: (s - t).sum(0), lambda s, t: 0])
def test_other_shapes_of_a_loss_are_refused(wrong):
    loss = distillation_loss(Y, lambda seen: logits(2, 3), wrong)
    with pytest.raises(ValueError, match=r"kd_loss gives .* one value per sample, \(2,\)"):
        loss(logits(2, 3).flip(0), logits(2, 7), ROWS)


@pytest.mark.parametrize("name", ["weight", "label_weight"])
def test_negative_weights_are_refused(name):
    with pytest.raises(ValueError, match=name):
        distillation_loss(Y, logits(5, 3), **{name: -0.1})  # pyright: ignore[reportArgumentType]
