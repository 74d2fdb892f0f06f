"""Objectives: the derivative belongs to the value."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from multiview import stream
from multiview.train import cross_entropy, differentiated, per_member, rescaled


@given(st.integers(1, 6), st.integers(1, 3), st.integers(2, 5), st.integers(0, 10**6))
def test_cross_entropy_is_torchs_with_autograds_derivative(n, nets, k, seed):
    generator = stream(seed, "objective")
    logits = 5 * torch.randn(n, nets, k, generator=generator, dtype=torch.float64)
    labels = torch.randint(k, (n,), generator=generator)
    loss, residual = cross_entropy(labels, k)(logits, torch.arange(n), torch.arange(nets))
    leaf = logits.clone().requires_grad_()
    expected = torch.stack(
        [functional.cross_entropy(leaf[:, e], labels, reduction="none") for e in range(nets)], 1
    )
    expected.sum().backward()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(residual, leaf.grad)


def test_soft_targets_that_are_one_hot_equal_labels():
    labels = torch.tensor([2, 0, 1])
    logits = torch.randn(3, 2, 3, generator=stream(0, "logits"))
    hard = cross_entropy(labels, 3)(logits, torch.arange(3), torch.arange(2))
    one_hot = functional.one_hot(labels, 3).float()
    soft = cross_entropy(one_hot, 3)(logits, torch.arange(3), torch.arange(2))
    assert all(torch.equal(a, b) for a, b in zip(hard, soft, strict=True))


def test_rows_choose_the_targets():
    labels = torch.tensor([0, 1, 2, 1])
    logits = torch.randn(2, 1, 3, generator=stream(1, "logits"))
    chosen = cross_entropy(labels, 3)(logits, torch.tensor([3, 2]), torch.arange(1))
    alone = cross_entropy(labels[[3, 2]], 3)(logits, torch.arange(2), torch.arange(1))
    assert torch.equal(chosen[0], alone[0])
    assert torch.equal(chosen[1], alone[1])


def test_differentiated_returns_the_losss_own_derivative():
    weights = torch.tensor([1.0, 2.0, 3.0])
    objective = differentiated(lambda F, rows: weights[rows][:, None] * F.square().sum(-1))
    logits = torch.randn(2, 4, 5, generator=stream(2, "logits"))
    value, residual = objective(logits, torch.tensor([2, 0]), torch.arange(4))
    scale = torch.tensor([3.0, 1.0])[:, None]
    torch.testing.assert_close(value, scale * logits.square().sum(-1))
    torch.testing.assert_close(residual, 2 * scale[..., None] * logits)
    assert not value.requires_grad


def test_each_member_has_its_own_loss_also_when_others_are_done():
    labels = torch.tensor([[0, 1], [2, 0], [1, 1]])
    logits = torch.randn(2, 3, 3, generator=stream(3, "logits"))
    rows = torch.arange(2)
    objective = per_member(*(cross_entropy(each, 3) for each in labels))
    for nets in (torch.arange(3), torch.tensor([0, 2]), torch.tensor([1])):
        loss, residual = objective(logits[:, nets], rows, nets)
        for column, e in enumerate(nets.tolist()):
            alone = cross_entropy(labels[e], 3)(logits[:, e : e + 1], rows, nets[:1])
            assert torch.equal(loss[:, column], alone[0][:, 0])
            assert torch.equal(residual[:, column], alone[1][:, 0])


def test_rescaled_is_the_loss_of_scaled_logits():
    labels = torch.tensor([0, 2, 1])
    logits = torch.randn(3, 2, 3, generator=stream(0, "rescaled"), dtype=torch.float64)
    leaf = logits.clone().requires_grad_()
    expected = torch.stack(
        [functional.cross_entropy(0.25 * leaf[:, e], labels, reduction="none") for e in (0, 1)], 1
    )
    expected.sum().backward()
    loss, residual = rescaled(cross_entropy(labels, 3), 0.25)(
        logits, torch.arange(3), torch.arange(2)
    )
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(residual, leaf.grad)
