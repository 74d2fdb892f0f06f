"""Specialists' data, start and correction."""

import math

import pytest
import torch
from torch import nn

from multiview import stream
from multiview.distill.specialists import (
    corrected,
    specialist_from,
    specialist_labels,
    specialist_rows,
)


def normal(*shape: int, name: str = "") -> torch.Tensor:
    return torch.randn(*shape, generator=stream(0, "normal", name, *shape), dtype=torch.float64)


def test_labels_are_places_among_the_classes_or_the_dustbin():
    labels = torch.tensor([4, 0, 2, 1, 4, 3])
    assert specialist_labels(labels, [4, 1], 5).tolist() == [0, 2, 2, 1, 0, 2]


@pytest.mark.parametrize("classes", [[], [0, 1, 2], [3], [-1], [1, 1]])
def test_classes_of_no_specialist_are_refused(classes):
    with pytest.raises(ValueError, match="classes="):
        specialist_labels(torch.tensor([0, 1, 2]), classes, 3)
    with pytest.raises(ValueError, match="classes="):
        specialist_from(nn.Linear(2, 3), nn.Linear(2, 3), classes)


def test_half_of_the_samples_are_the_specialists_own():
    labels = torch.arange(10).repeat(20)
    taken = specialist_rows(labels, [7, 2], 10, stream(0))
    rows = taken.rows.tolist()
    own = torch.isin(labels, torch.tensor([7, 2])).nonzero().squeeze(1).tolist()
    assert set(own) < set(rows)
    assert len(rows) == len(set(rows)) == 2 * len(own) == 80
    assert taken.oversampling == (1 - 0.2) / 0.2
    assert set(rows[:40]) != set(own)  # in random order
    assert len(set(labels[taken.rows].tolist())) > 5
    assert specialist_rows(labels, [7, 2], 10, stream(0)).rows.equal(taken.rows)
    assert not specialist_rows(labels, [7, 2], 10, stream(1)).rows.equal(taken.rows)


def test_where_others_are_fewer_all_are_taken():
    labels = torch.tensor([0, 0, 0, 1, 2])
    taken = specialist_rows(labels, [0], 3, stream(0))
    assert sorted(taken.rows.tolist()) == [0, 1, 2, 3, 4]
    assert taken.oversampling == 1
    with pytest.raises(ValueError, match="0 samples of classes="):
        specialist_rows(labels, [3], 4, stream(0))


@pytest.mark.parametrize("classes", [[1], [0, 2], [0, 1, 2, 3]])
def test_a_calibrated_specialist_is_corrected_to_the_natural_mixture(classes):
    # Densities of 5 classes at 7 points, and labels as often as they occur.
    density, counts = normal(7, 5).exp(), torch.tensor([10, 40, 20, 90, 40])
    labels = torch.arange(5).repeat_interleave(counts)
    taken = specialist_rows(labels, classes, 5, stream(0))
    rest = [i for i in range(5) if i not in classes]
    drawn = len(taken.rows) - int(counts[classes].sum())
    # Of the others a random part is drawn, in their natural proportions.
    shown = counts.double()
    shown[rest] *= drawn / counts[rest].sum()

    def posterior(prior: torch.Tensor) -> torch.Tensor:
        joint = density * prior
        coarse = torch.cat([joint[:, classes], joint[:, rest].sum(1, keepdim=True)], 1)
        return coarse / coarse.sum(1, keepdim=True)

    trained = posterior(shown).log() + 3.0  # Bayes-optimal where it was trained
    found = corrected(trained, taken.oversampling).softmax(1)
    torch.testing.assert_close(found, posterior(counts.double()))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_an_oversampling_that_is_no_ratio_is_refused(value):
    with pytest.raises(ValueError, match="oversampling="):
        corrected(torch.zeros(1, 2), value)


@pytest.mark.parametrize("bias", [True, False])
def test_a_specialist_starts_with_its_generalists_logits(bias):
    head = nn.Linear(4, 6, bias=bias).double()
    net = nn.Sequential(nn.Linear(3, 4).double(), nn.Sequential(nn.Tanh(), head)).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = normal(9, 3)
    special = specialist_from(net, head, [4, 1])
    z, found = net(x), special(x)
    torch.testing.assert_close(found[:, :2], z[:, [4, 1]])
    rest = z[:, [0, 2, 3, 5]]
    torch.testing.assert_close(found[:, 2], rest.mean(1) + math.log(4))
    assert (found[:, 2] < rest.logsumexp(1)).all()
    for parameter in special.parameters():
        parameter.data.zero_()
    assert all(net.state_dict()[name].equal(value) for name, value in before.items())
    assert not any(part.training for part in special.modules())


def test_the_dustbins_start_is_exact_where_the_others_are_equal():
    head = nn.Linear(3, 5).double()
    with torch.no_grad():
        head.weight[1:] = head.weight[1].clone()
        head.bias[1:] = head.bias[1].clone()
    x = normal(6, 3)
    z, found = head(x), specialist_from(head, head, [0])(x)
    coarse = torch.stack([z[:, 0], z[:, 1:].logsumexp(1)], 1)
    torch.testing.assert_close(found, coarse)


def test_a_head_of_another_net_is_refused():
    with pytest.raises(ValueError, match="no part of generalist"):
        specialist_from(nn.Sequential(nn.Linear(2, 3)), nn.Linear(2, 3), [0])
