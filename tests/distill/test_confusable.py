"""Confusable sets of classes, and how two partitions agree."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview import stream
from multiview.distill.confusable import adjusted_rand, confusable_sets, groups_of, sets_of

GROUPS = [[0, 5], [1, 3, 6], [2, 4, 7, 8]]  # classes that are confused with one another


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
