"""knowledge_distillation and born_again: any module, any source of samples, teachers untouched."""

import doctest
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from unchecked import unchecked

from multiview import stream
from multiview.distill import (
    Hinton,
    Squares,
    born_again,
    distillation,
    ensemble_teacher,
    hinton_kd,
    knowledge_distillation,
    l2_logits,
)
from multiview.train.optim import OptimSpec

X = torch.randn(90, 6, generator=stream(0, "x"))
Y = torch.arange(90) % 3
SPEC = OptimSpec(epochs=30, batch_size=30, learning_rate=0.1, weight_decay=0.0)


def net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 3))


def plain(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(6, 3)


def test_the_five_lines_of_the_documentation_run():
    assert doctest.testmod(distillation).attempted >= 7
    assert doctest.testmod(distillation).failed == 0


@pytest.mark.parametrize(
    "kd_loss", [Hinton(), Squares(), hinton_kd, l2_logits, partial(l2_logits, center=True)]
)
def test_a_student_of_the_teachers_shape_becomes_the_teacher(kd_loss):
    teacher, student = plain(0), plain(1)
    spec = OptimSpec(epochs=300, batch_size=90, learning_rate=0.2, weight_decay=0.0)
    settings = {"spec": spec, "generator": stream(0), "kd_loss": kd_loss, "label_weight": 0.0}
    knowledge_distillation(student, teacher, X, **settings)
    of_teacher, of_student = teacher(X).softmax(-1), student(X).softmax(-1)
    assert (of_teacher - of_student).abs().max() < 0.01
    assert (of_teacher - plain(1)(X).softmax(-1)).abs().max() > 0.2


def test_a_teacher_in_train_mode_is_left_as_it_was_and_teaches_in_eval_mode():
    teacher, student = net(0).train(), plain(1)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    knowledge_distillation(student, teacher, X, Y, spec=SPEC, generator=stream(0))
    assert all(teacher.state_dict()[name].equal(value) for name, value in before.items())
    assert all(part.training for part in teacher.modules())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    again = plain(1)
    knowledge_distillation(again, teacher.eval(), X, Y, spec=SPEC, generator=stream(0))
    assert again.weight.equal(student.weight)  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_teacher_and_student_see_the_same_augmented_inputs():
    seen = {"teacher": [], "student": []}

    def noted(who):
        def forward(x):
            seen[who].append(x)
            return torch.zeros(len(x), 3, requires_grad=True)

        return forward

    student = plain(0)
    student.forward = noted("student")
    noise = lambda x, generator: x + torch.randn(x.shape, generator=generator)  # noqa: E731
    spec = OptimSpec(epochs=2, batch_size=40)
    settings = {"spec": spec, "generator": stream(0), "augment": noise, "label_weight": 0.0}
    knowledge_distillation(student, noted("teacher"), X, **settings)
    assert len(seen["teacher"]) == len(seen["student"]) == 6
    for a, b in zip(seen["teacher"], seen["student"], strict=True):
        assert a.equal(b)
    assert not torch.cat(seen["teacher"][:3]).sum().equal(torch.cat(seen["teacher"][3:]).sum())


def test_labels_come_from_the_loader_with_their_samples():
    loader = DataLoader(TensorDataset(X, X[:, :3].argmax(1)), batch_size=30, shuffle=True)
    student = plain(1)
    settings = {"generator": stream(0), "weight": 0.0, "label_weight": 1.0}
    spec = OptimSpec(epochs=60, learning_rate=0.5)
    knowledge_distillation(student, plain(0), loader, spec=spec, **settings)
    assert (student(X).argmax(1) == X[:, :3].argmax(1)).float().mean() > 0.95


def test_unlabelled_inputs_need_a_teacher_alone():
    with pytest.raises(ValueError, match="label_weight"):
        knowledge_distillation(plain(1), plain(0), X, spec=SPEC, generator=stream(0))
    with pytest.raises(ValueError, match="weight=-1"):
        knowledge_distillation(plain(1), plain(0), X, Y, spec=SPEC, generator=stream(0), weight=-1)


def test_what_would_teach_the_wrong_sample_is_refused():
    loader = DataLoader(TensorDataset(X, Y), batch_size=30, shuffle=True)
    settings = {"spec": SPEC, "generator": stream(0)}
    with pytest.raises(ValueError, match="90 labels for 3 inputs"):
        knowledge_distillation(plain(1), plain(0), loader, Y, **settings)
    with unchecked(), pytest.raises(ValueError, match="89 labels for 90 inputs"):
        knowledge_distillation(plain(1), plain(0), X, Y[1:], **settings)
    with unchecked(), pytest.raises(ValueError, match="teacher is a tensor"):
        knowledge_distillation(plain(1), plain(0)(X), X, Y, **settings)  # pyright: ignore
    student = plain(1)
    with pytest.raises(ValueError, match="share weights"):
        knowledge_distillation(student, student, X, Y, **settings)


def test_an_ensemble_teaches_by_default_at_the_default_temperature():
    members = [plain(0), plain(1)]
    teach, logits = ensemble_teacher(members), torch.stack([each(X) for each in members], 1)
    torch.testing.assert_close((teach(X) / 4).softmax(-1), (logits / 4).softmax(-1).mean(1))
    assert hinton_kd(logits[:, 0], logits[:, 1]) == hinton_kd(logits[:, 0], logits[:, 1], 4.0)


def test_each_generation_is_taught_by_the_one_before():
    nets, lessons = [plain(seed) for seed in range(4)], []
    generations = born_again(nets[0], nets[1:], lambda *pair: lessons.append(pair))
    assert generations == nets
    assert lessons == [(nets[1], nets[0]), (nets[2], nets[1]), (nets[3], nets[2])]
