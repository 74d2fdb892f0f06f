"""Distillation objectives for patch nets."""

import pytest
import torch
from torch.nn import functional

from multiview import stream
from multiview.distill import Hinton, distillation_objective, hinton_kd


def test_the_objective_is_cross_entropy_plus_the_weighted_loss_sample_by_sample():
    generator = stream(0, "objective")
    labels = torch.tensor([1, 0, 2, 2])
    teacher = torch.randn(4, 3, generator=generator)
    logits = torch.randn(2, 5, 3, generator=generator)
    rows = torch.tensor([3, 0])
    value, residual = distillation_objective(labels, teacher, Hinton(2.0), weight=0.7)(
        logits, rows, torch.arange(logits.shape[1])
    )
    for i, row in enumerate(rows.tolist()):
        for net in range(5):
            leaf = logits[i, net].clone().requires_grad_()
            expected = functional.cross_entropy(leaf[None], labels[row : row + 1])
            expected = expected + 0.7 * hinton_kd(leaf[None], teacher[row : row + 1], 2.0)
            expected.backward()
            torch.testing.assert_close(value[i, net], expected.detach())
            torch.testing.assert_close(residual[i, net], leaf.grad)


def test_a_mean_is_refused_where_each_sample_is_asked_for():
    teacher, labels = torch.zeros(4, 3), torch.tensor([1, 0, 2, 2])
    objective = distillation_objective(labels, teacher, hinton_kd)
    with pytest.raises(ValueError, match=r"one value per sample and net, \(2, 5\), and no mean"):
        objective(torch.ones(2, 5, 3), torch.tensor([3, 0]), torch.arange(5))
