"""The four methods on kernels of known features."""

from functools import partial
from typing import Any

import pytest
import torch
from closeness import close as as_close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import features_with_targets, randomised
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.distill import hinton_kd
from multiview.ntk import (
    centred_one_hot,
    descend,
    gram,
    kernel_methods,
    predict,
    sketch,
    soft_targets,
    solve,
)
from multiview.ntk.methods import descent_methods

close = partial(as_close, tolerance=1e-8)


def members_of(train, test, members):
    """Kernels of different maps of the same samples."""
    for e in range(members):
        maps = [torch.cat([x, x.roll(1, -1) * e], -1) for x in (train, test)]
        yield maps[0] @ maps[0].mT, maps[1] @ maps[0].mT


@given(features_with_targets(), st.integers(1, 3))
def test_methods_are_what_they_are_called(drawn, members):
    train, test, targets, ridge = drawn
    pairs = list(members_of(train, test, members))
    copies = [(a.clone(), b.clone()) for a, b in pairs]
    outputs = kernel_methods(iter(pairs), targets, ridge)
    fits = [solve(k, targets, ridge) for k, _ in pairs]
    close(
        outputs.single,
        torch.stack([predict(k, s) for (_, k), s in zip(pairs, fits, strict=True)], 1),
    )
    close(
        outputs.ensemble,
        sum(predict(k, s) for (_, k), s in zip(pairs, fits, strict=True)) / members,
    )
    kernel, k_test = (torch.stack([k[i] for k in pairs]).sum(0) for i in range(2))
    close(outputs.summed, predict(k_test, solve(kernel, targets, ridge)))
    teacher = sum(predict(k, s) for (k, _), s in zip(pairs, fits, strict=True)) / members
    close(outputs.distilled, predict(pairs[0][1], solve(pairs[0][0], teacher, ridge)))
    assert outputs.jitter == 0
    for (a, b), (c, d) in zip(pairs, copies, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


@given(features_with_targets())
def test_copies_of_one_model_gain_nothing(drawn):
    train, test, targets, ridge = drawn
    pair = (train @ train.mT, test @ train.mT)
    outputs = kernel_methods([pair, pair, pair], targets, ridge)
    close(outputs.ensemble, outputs.single[:, 0])
    close(outputs.summed, outputs.single[:, 0])


def test_summed_kernel_is_ridge_regression_on_all_features_together():
    generator = torch.Generator().manual_seed(0)
    train, test = ([torch.randn(n, 5, generator=generator).double() for _ in "ab"] for n in (8, 6))
    targets = torch.randn(8, 3, generator=generator).double()
    pairs = [(a @ a.T, b @ a.T) for a, b in zip(train, test, strict=True)]
    together, at_test = torch.cat(train, 1), torch.cat(test, 1)
    kernel = together @ together.T
    ridge = 0.1 * kernel.diagonal().mean() * torch.eye(10).double()
    weights = torch.linalg.solve(together.T @ together + ridge, together.T @ targets)
    close(kernel_methods(pairs, targets, 0.1).summed, at_test @ weights)


def test_random_features_give_the_methods_of_the_kernels_they_stand_for():
    generator = stream(0, "random features")
    nets = [nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)) for _ in range(2)]
    x = torch.randn(20, 3, generator=generator).double()
    targets = torch.randn(12, 2, generator=generator).double()
    exact, rough = [], []
    for net in nets:
        net = randomised(net, generator)
        kernel = gram(net, x, outputs="per_class")
        phi = sketch(net, x, 4000, generator)
        for kernels, k in ((exact, kernel), (rough, phi @ phi.mT)):
            kernels.append((k[:, :12, :12], k[:, 12:, :12]))
    wanted, found = (kernel_methods(pairs, targets, ridge=0.3) for pairs in (exact, rough))
    for name in ("single", "ensemble", "summed", "distilled"):
        value = getattr(wanted, name)
        error = (getattr(found, name) - value).norm() / value.norm()
        assert 1e-4 < error < 0.1, name  # 4,000 directions miss an entry by a few percent


def test_an_interpolating_student_learns_the_hard_labels_again():
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(9, 20, generator=generator).double() for _ in range(3)]
    targets = torch.randn(6, 2, generator=generator).double()
    pairs = [(x[:6] @ x[:6].T, x[6:] @ x[:6].T) for x in maps]
    outputs = kernel_methods(pairs, targets, ridge=0.0)
    close(outputs.distilled, outputs.single[:, 0])  # distillation cannot help where all is fitted


@given(features_with_targets())
def test_a_hot_teacher_is_its_centred_outputs(drawn):
    outputs = drawn[2]
    k, temperature = outputs.shape[1], 1e6
    soft = soft_targets(outputs, temperature)
    torch.testing.assert_close(soft.sum(1), torch.zeros(len(soft)).double())
    centred = outputs - outputs.mean(1, keepdim=True)
    torch.testing.assert_close(k * temperature * soft, centred, rtol=1e-3, atol=1e-4)


def test_temperature_softens_what_is_distilled():
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).double()
    targets = torch.eye(8)[:, :3].double()
    pair = (x @ x.T, x @ x.T)
    tempered = kernel_methods([pair], targets, 0.01, temperature=0.5).distilled
    teacher = soft_targets(kernel_methods([pair], targets, 0.01).single[:, 0], 0.5)
    close(tempered, predict(pair[1], solve(pair[0], teacher, 0.01)))


def test_a_singular_member_is_reported():
    singular = torch.ones(2, 2).double()
    outputs = kernel_methods(
        [(torch.eye(2).double(), singular), (singular, singular)], torch.ones(2, 1), ridge=0.0
    )
    assert outputs.jitter > 0


@given(features_with_targets(), st.floats(0.01, 10))
def test_the_student_may_have_a_ridge_of_its_own(drawn, student_ridge):
    train, test, targets, ridge = drawn
    pairs = list(members_of(train, test, 2))
    usual = kernel_methods(pairs, targets, ridge)
    outputs = kernel_methods(pairs, targets, ridge, student_ridge=student_ridge)
    for name in ("single", "ensemble", "summed"):
        close(getattr(outputs, name), getattr(usual, name))
    fits = [solve(k, targets, ridge) for k, _ in pairs]
    teacher = torch.stack([predict(k, s) for (k, _), s in zip(pairs, fits, strict=True)]).mean(0)
    student = solve(pairs[0][0], teacher, student_ridge)
    close(outputs.distilled, predict(pairs[0][1], student))


def roughly(actual, expected):
    """The learning rate rests on the largest eigenvalue, which is known to a few percent."""
    torch.testing.assert_close(actual, expected, rtol=0.02, atol=0.02)


def points(members=2, n=9, t=6, features=14):
    """Random features (members, n, f), (members, t, f) and one-hot labels of three classes."""
    generator = torch.Generator().manual_seed(0)
    train, test = (
        torch.randn(members, rows, features, generator=generator).double() for rows in (n, t)
    )
    return train, test, torch.eye(3).double()[torch.arange(n) % 3]


def trained_linear(train, loss, learning_rate, steps):
    """Weights (f, 3) after gradient descent from zero on loss(outputs), by autograd."""
    weights = torch.zeros(train.shape[1], 3, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(loss(train @ weights), weights)
        weights.data -= learning_rate * gradient
    return weights.detach()


@pytest.mark.parametrize("student_steps", [None, 70])
def test_descent_methods_train_linear_models_with_cross_entropy(student_steps):
    train, test, one_hot = points()
    pairs = [(a @ a.T, b @ a.T) for a, b in zip(train, test, strict=True)]
    outputs = descent_methods(
        pairs,
        one_hot,
        steps=40,
        student_steps=student_steps,
        temperature=2.5,
        relative_rate=1.5,
    )

    def rate(features):
        return 1.5 * 2 * len(features) / torch.linalg.eigvalsh(features @ features.T)[-1].item()

    def labels(f):
        return nn.functional.cross_entropy(f, one_hot)

    weights = [trained_linear(a, labels, rate(a), 40) for a in train]
    expected = torch.stack([b @ w for b, w in zip(test, weights, strict=True)], 1)
    roughly(outputs.single, expected)
    close(outputs.ensemble, outputs.single.mean(1))
    together, at_test = torch.cat([*train], 1), torch.cat([*test], 1)
    whole = trained_linear(together, labels, rate(together), 40)
    roughly(outputs.summed, at_test @ whole)
    teacher = torch.stack([a @ w for a, w in zip(train, weights, strict=True)]).mean(0)
    student = trained_linear(
        train[0], lambda f: hinton_kd(f, teacher, 2.5), rate(train[0]), student_steps or 40
    )
    roughly(outputs.distilled, test[0] @ student)
    assert outputs.jitter == 0
    assert (outputs.distilled - outputs.single[:, 0]).abs().max() > 0.1  # it is another fit


def test_copies_of_one_descent_gain_nothing():
    train, test, one_hot = points(members=1)
    pair = (train[0] @ train[0].T, test[0] @ train[0].T)
    outputs = descent_methods([pair, pair, pair], one_hot, steps=30)
    close(outputs.ensemble, outputs.single[:, 0])
    close(outputs.summed, outputs.single[:, 0])  # the rate knows the kernel's size
    descent = descend(pair[0], one_hot, steps=30)
    close(outputs.single[:, 0], predict(pair[1], descent)[0])


def test_one_step_of_cross_entropy_is_a_step_towards_the_centred_labels():
    train, test, one_hot = points(members=1)
    pair = (train[0] @ train[0].T, test[0] @ train[0].T)
    outputs = descent_methods([pair], one_hot, steps=1).single[:, 0]
    direction = pair[1] @ centred_one_hot(one_hot.argmax(1), 3)
    close(outputs, direction * (outputs.norm() / direction.norm()))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="at least one member"):
        kernel_methods([], torch.ones(2, 1))
    with pytest.raises(ValueError, match="temperature=0"):
        soft_targets(torch.ones(2, 2), 0)
    pairs = [(torch.eye(2), torch.eye(2))]
    descents: dict[str, Any] = {"kernels": pairs, "targets": torch.eye(2), "steps": 1}
    refused: list[tuple[dict[str, Any], str]] = [
        ({"kernels": []}, "at least one member"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"relative_rate": float("nan")}, "relative_rate=nan"),
        ({"steps": -1}, "steps=-1"),
        ({"student_steps": -2}, "steps=-2"),
        ({"targets": torch.ones(2, 2)}, "must be probabilities"),
    ]
    for change, message in refused:
        with unchecked(), pytest.raises(ValueError, match=message):
            descent_methods(**(descents | change))
