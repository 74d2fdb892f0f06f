"""Closed forms against enumeration."""

import itertools

import pytest

from multiview.theory import distractor_probability, ensemble_error, single_view_error


@pytest.mark.parametrize(("members", "views"), [(1, 2), (3, 2), (2, 3), (4, 3)])
def test_ensemble_error_counts_the_draws_that_miss_a_view(members, views):
    draws = list(itertools.product(range(views), repeat=members))
    missed = sum(0 not in draw for draw in draws)
    assert ensemble_error(members, views) == pytest.approx(missed / len(draws))


def test_distractors_by_enumeration():
    p, others = 0.3, 4
    present = 0.0
    for occurs in itertools.product((True, False), repeat=others):
        weight = 1.0
        for each in occurs:
            weight *= p if each else 1 - p
        present += weight * any(occurs)
    assert distractor_probability(p, others + 1) == pytest.approx(present)
    # Two views learned of each class are twice as many features.
    assert distractor_probability(p, 3, 2.0) == pytest.approx(present)


def test_errors_are_lost_views_with_a_distractor():
    assert single_view_error(0.5) == 0.5  # Theorem 1
    assert single_view_error(0.75, 0.8) == pytest.approx(0.2)
    assert single_view_error(1.0) == 0.0
