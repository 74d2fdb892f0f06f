"""Confusable sets, specialists' data, start and correction, and how they are combined."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import nn

from multiview import stream
from multiview.distill.combination import combine, consulted
from multiview.distill.confusable import adjusted_rand, confusable_sets, groups_of, sets_of
from multiview.distill.specialists import (
    corrected,
    specialist_from,
    specialist_labels,
    specialist_rows,
)

GROUPS = [[0, 5], [1, 3, 6], [2, 4, 7, 8]]  # classes that are confused with one another
SETS = ([0, 3], [4, 2, 5], [5, 1])  # of 6 classes, two of them overlapping


def normal(*shape: int, name: str = "") -> torch.Tensor:
    return torch.randn(*shape, generator=stream(0, "normal", name, *shape), dtype=torch.float64)


@pytest.mark.parametrize("columns", ["covariance", "correlation"])
def test_classes_that_are_predicted_together_form_a_set(columns):
    # Within a group only one class can be right: its columns are alike but for their own place.
    draws = stream(1)
    shared = torch.rand(400, 3, generator=draws).repeat_interleave(3, 1) / 9
    noise = torch.rand(400, 9, generator=draws) / 200
    order = torch.tensor([4, 0, 8, 3, 6, 1, 5, 2, 7])
    sets = confusable_sets((shared + noise)[:, order], 3, stream(2), columns=columns)
    expected = sets_of([int(each) // 3 for each in order])
    assert sets == expected


def test_correlation_sees_groups_whose_probabilities_are_small():
    draws = stream(1)
    shared = torch.rand(400, 3, generator=draws).repeat_interleave(3, 1)
    shared = shared * torch.tensor([1.0, 0.01, 0.01]).repeat_interleave(3) / 9
    noisy = shared * (1 + torch.rand(400, 9, generator=draws) / 10)
    assert confusable_sets(noisy, 3, stream(2), columns="correlation") == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
    ]
    assert [3, 4, 5] not in confusable_sets(noisy, 3, stream(2))


@given(st.integers(2, 7), st.integers(1, 7), st.integers(0, 99))
def test_each_class_is_in_exactly_one_set(k, num_sets, seed):
    probabilities = torch.randn(12, k, generator=stream(seed)).softmax(1)
    sets = confusable_sets(probabilities, min(num_sets, k), stream(seed), restarts=3)
    assert sorted(itertools.chain(*sets)) == list(range(k))
    assert all(classes == sorted(classes) for classes in sets)
    assert sets == sorted(sets)
    again = confusable_sets(probabilities, min(num_sets, k), stream(seed), restarts=3)
    assert sets == again
    if num_sets >= k:
        assert len(sets) == k  # sets of one class


def test_clusters_that_are_left_empty_are_left_out():
    same = torch.full((5, 4), 0.25)  # all columns are 0
    for columns in ("covariance", "correlation"):
        assert confusable_sets(same, 3, stream(0), columns=columns) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_sets": 0}, "num_sets=0"),
        ({"num_sets": 5}, "number of classes, 4"),
        ({"restarts": 0}, "restarts=0"),
        ({"probabilities": torch.ones(1, 4)}, "1 rows"),
    ],
)
def test_sets_that_cannot_be_found_are_refused(change, message):
    given_ = {"probabilities": torch.ones(3, 4), "num_sets": 2, "generator": stream(0)} | change
    with pytest.raises(ValueError, match=message):
        confusable_sets(**given_)


partitions = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 3), min_size=n, max_size=n)] * 2)
)


@given(partitions)
def test_adjusted_rand_counts_pairs(pair):
    first, second = pair
    pairs = list(itertools.combinations(range(len(first)), 2))
    a = [first[i] == first[j] for i, j in pairs]
    b = [second[i] == second[j] for i, j in pairs]
    both = sum(x and y for x, y in zip(a, b, strict=True))
    expected = sum(a) * sum(b) / len(pairs)
    most = (sum(a) + sum(b)) / 2
    index = adjusted_rand(first, second)
    assert index == pytest.approx((both - expected) / (most - expected) if most > expected else 1)
    assert index == pytest.approx(adjusted_rand(second, first))
    assert adjusted_rand(first, [3 - each for each in first]) == 1


def test_adjusted_rand_is_0_by_chance():
    group = torch.tensor(groups_of(GROUPS, 9))
    draws = stream(0)
    found = [
        adjusted_rand(group.tolist(), group[torch.randperm(9, generator=draws)].tolist())
        for _ in range(2000)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(2000)
    with pytest.raises(ValueError, match="3 and 2"):
        adjusted_rand([0, 1, 1], [0, 1])


def test_groups_and_sets_are_each_others_inverse():
    assert sets_of(groups_of(GROUPS, 9)) == GROUPS
    for wrong in ([[0, 1], [1, 2]], [[0, 2]], [[0], [1, 2, 3]]):
        with pytest.raises(ValueError, match="exactly once"):
            groups_of(wrong, 3)


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


def several(n: int = 8, scale: float = 2.0) -> tuple[torch.Tensor, list]:
    """A generalist of 6 classes and specialists of ``SETS``."""
    said = [
        (classes, scale * normal(n, len(classes) + 1, name=f"said {i}"))
        for i, classes in enumerate(SETS)
    ]
    return scale * normal(n, 6, name="generalist"), said


def divergence(q: torch.Tensor, generalist: torch.Tensor, said: list) -> torch.Tensor:
    """KL(p_g, q) + sum of KL(p_m, q), written out."""
    total = torch.zeros(len(q), dtype=torch.float64)
    for i, p in enumerate(generalist.softmax(1).unbind(1)):
        total += p * (p.log() - q[:, i].log())
    for classes, logits in said:
        *own, dustbin = logits.softmax(1).unbind(1)
        rest = torch.stack([q[:, i] for i in range(q.shape[1]) if i not in classes]).sum(0)
        total += dustbin * (dustbin.log() - rest.log())
        for i, p in zip(classes, own, strict=True):
            total += p * (p.log() - q[:, i].log())
    return total


def test_specialists_and_generalist_meet_at_the_minimum_that_scipy_finds():
    generalist, said = several(scale=3.0)
    q = combine(generalist, said, top=6).softmax(1)
    torch.testing.assert_close(q.sum(1), torch.ones(8, dtype=torch.float64))
    for row in range(8):
        mine = generalist[[row]], [(classes, logits[[row]]) for classes, logits in said]

        def loss(z: np.ndarray, mine: tuple = mine) -> float:
            return float(divergence(torch.from_numpy(z).softmax(0)[None], *mine))

        best = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-9})
        expected = torch.from_numpy(best.x).softmax(0)
        torch.testing.assert_close(q[row], expected, rtol=1e-4, atol=1e-5)
        assert float(divergence(q[[row]], *mine)) <= best.fun + 1e-9


def test_so_it_does_by_the_papers_gradient_descent_on_logits():
    generalist, said = several(4, scale=1.0)
    z = torch.zeros(4, 6, dtype=torch.float64, requires_grad=True)
    for _ in range(700):
        (slope,) = torch.autograd.grad(divergence(z.softmax(1), generalist, said).sum(), z)
        z = (z - 0.5 * slope).detach().requires_grad_()
    found = combine(generalist, said, top=6).softmax(1)
    torch.testing.assert_close(found, z.softmax(1).detach(), rtol=1e-5, atol=1e-6)


def test_one_specialist_has_a_closed_form():
    # Stationarity: within S the mean of both; outside, the generalist's proportions, with the mean
    # of its mass there and the dustbin's.
    generalist, (_, (classes, logits), _) = several(50, scale=4.0)
    p_g, p_m = generalist.softmax(1), logits.softmax(1)
    outside = p_g.clone()
    outside[:, classes] = 0
    mass = outside.sum(1, keepdim=True)
    expected = outside / mass * (mass + p_m[:, -1:]) / 2
    expected[:, classes] = (p_g[:, classes] + p_m[:, :-1]) / 2
    found = combine(generalist, [(classes, logits)], top=6)
    torch.testing.assert_close(found.softmax(1), expected, rtol=1e-9, atol=1e-15)


@given(st.integers(0, 999))
def test_specialists_that_say_what_the_generalist_says_change_nothing(seed):
    generalist = 3 * torch.randn(3, 6, generator=stream(seed), dtype=torch.float64)
    said = []
    for classes in SETS:
        rest = [i for i in range(6) if i not in classes]
        parts = [generalist[:, classes], generalist[:, rest].logsumexp(1, keepdim=True)]
        said.append((classes, torch.cat(parts, 1) + 1))
    found = combine(generalist, said, top=6)
    torch.testing.assert_close(found.softmax(1), generalist.softmax(1), rtol=0, atol=1e-7)


def test_only_those_of_the_best_classes_are_asked():
    generalist = torch.tensor([[9.0, 0, 1, 2, 3, 4], [0, 0, 9, 8, 0, 1], [0, 9, 0, 0, 0, 7]])
    sets = [[0, 3], [4, 2], [5, 3]]
    assert consulted(generalist, sets).tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, False],
    ]
    assert consulted(generalist, sets, 2).tolist() == [
        [True, False, True],
        [True, True, True],
        [False, False, True],
    ]
    assert consulted(generalist, sets, 6).all()
    for top in (0, 7):
        with pytest.raises(ValueError, match=f"top={top}"):
            consulted(generalist, sets, top)


def test_a_sample_hears_its_own_specialists_and_no_others():
    generalist, said = several(40)
    asked = consulted(generalist, [classes for classes, _ in said], top=1)
    assert 0 < (~asked.any(1)).sum() + asked.all(1).sum() + asked.sum() < asked.numel()
    found = combine(generalist, said, top=1)
    for row in range(40):
        mine = [
            (classes, logits[[row]])
            for (classes, logits), mine in zip(said, asked[row].tolist(), strict=True)
            if mine
        ]
        alone = combine(generalist[[row]], mine, top=6)[0]
        torch.testing.assert_close(found[row], alone, rtol=1e-6, atol=1e-6)
        if not mine:
            assert found[row].equal(generalist[row])


def test_where_nobody_is_asked_the_generalist_speaks_alone():
    generalist = normal(3, 6)
    assert combine(generalist, []).equal(generalist)
    sure = torch.tensor([[9.0, 0, 0, 0, 0, 0]])
    assert combine(sure, [([4, 2], torch.zeros(1, 3))]).equal(sure)


def test_extreme_logits_stay_finite_in_the_generalists_precision():
    generalist = torch.tensor([[500.0, 0, -500, 0, 0, 0], [0, -900, -900, -900, 500, -900]])
    said = [([0, 1], torch.tensor([[-800.0, 0, 800], [-800, -800, 900]]))]
    found = combine(generalist, said, top=6)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    torch.testing.assert_close(found[0].softmax(0)[0], torch.tensor(0.5))


def test_logits_that_do_not_fit_are_refused():
    generalist = torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"\(2, 2\): it takes \(2, 3\)"):
        combine(generalist, [([0, 1], torch.zeros(2, 2))])
    with pytest.raises(ValueError, match="not all"):
        combine(generalist, [([0, 1, 2, 3], torch.zeros(2, 5))])
