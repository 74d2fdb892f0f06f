"""Closed forms against enumeration."""

import itertools
from dataclasses import replace

import pytest

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.theory import (
    coverage,
    ensemble_error,
    kept_coverage,
    lost_error,
    mixed_error,
    single_view_error,
    student_coverage,
)

SPEC = MultiViewSpec(
    num_classes=4, patch_dim=8, num_patches=8, sparsity=1.2, rho=0.1, gamma_other=0.3
)


@pytest.mark.parametrize(("members", "views"), [(1, 2), (3, 2), (2, 3), (4, 3)])
def test_ensemble_error_counts_the_draws_that_miss_a_view(members, views):
    draws = list(itertools.product(range(views), repeat=members))
    missed = sum(0 not in draw for draw in draws)
    assert ensemble_error(members, coverage(0.0, views)) == pytest.approx(missed / len(draws))


def test_classes_with_every_view_learned_raise_coverage():
    assert coverage(0.0) == 0.5
    assert coverage(0.2, 4) == pytest.approx(0.2 + 0.8 / 4)
    assert ensemble_error(3, coverage(0.2)) == pytest.approx(0.4**3)
    assert ensemble_error(4) == 2**-4


@pytest.mark.parametrize(("members", "kept", "views"), [(1, 2, 4), (3, 2, 3), (2, 3, 3), (3, 3, 4)])
def test_kept_coverage_counts_the_strong_views_that_some_network_drew(members, kept, views):
    draws = itertools.product(range(views), *[range(kept)] * members)
    known = [strong in nets for strong, *nets in draws]
    assert kept_coverage(members, kept, views) == pytest.approx(sum(known) / len(known))


def test_an_ensemble_gains_by_the_views_left():
    def gain(kept, members=5, views=4):
        return kept_coverage(members, kept, views) - kept_coverage(1, kept, views)

    for kept in (1, 2, 3, 4):
        assert kept_coverage(1, kept, 4) == pytest.approx(1 / 4)  # one network sees no difference
        closed = kept / 4 * ((1 - 1 / kept) - (1 - 1 / kept) ** 5)
        assert gain(kept) == pytest.approx(closed)
        assert gain(kept, members=200) == pytest.approx((kept - 1) / 4)
    assert gain(1) == 0
    assert gain(1) < gain(2) < gain(3) < gain(4)
    assert kept_coverage(3, 2, 2) == pytest.approx(1 - ensemble_error(3))  # all kept: Theorem 2


@pytest.mark.parametrize("kept", [0, 5])
def test_views_that_are_not_there_cannot_be_kept(kept):
    with pytest.raises(ValueError, match="use 1 to 4"):
        kept_coverage(2, kept, 4)


@pytest.mark.parametrize("views", [2, 3])
def test_a_student_lacks_what_its_teachers_and_its_own_draw_lack(views):
    teachers = 2
    taught = 1 - ensemble_error(teachers, 1 / views)
    assert 1 - student_coverage(taught, 1 / views) == pytest.approx(ensemble_error(3, 1 / views))
    assert single_view_error(student_coverage(0.5)) == 0.25  # Theorem 4


def test_an_occurring_learned_feature_costs_a_lost_view():
    expected = 1 - (1 - 0.3) ** 3  # one learned view of each of three other classes, s/k = 0.3
    assert lost_error(SPEC) == pytest.approx(expected)
    assert lost_error(SPEC, 2.0) == pytest.approx(1 - 0.7**6)
    assert lost_error(replace(SPEC, rho=0.4)) == 0.0  # the weak view is stronger


def test_lost_error_counts_samples_where_features_are_redrawn_until_they_fit():
    spec = replace(SPEC, num_patches=4, sparsity=2.0)  # room for two of six other features
    batch = sample_patches(
        spec, make_features(spec, stream(0, "f")), 20_000, stream(0, "s"), kind="single"
    )
    present = (batch.strength[:, :, 0] > 0).float()  # one learned view, 0, of every class
    others = present.sum(1) - present.gather(1, batch.labels.unsqueeze(1)).squeeze(1)
    measured = float((others > 0).float().mean())
    assert lost_error(spec) == pytest.approx(measured, abs=0.01)
    assert lost_error(spec) != pytest.approx(1 - (1 - spec.inclusion_probability) ** 3, abs=0.01)


def test_a_lost_view_does_no_harm_where_rho_exceeds_gamma():
    # One distractor at 0.2 certainly present: it wins where rho, uniform on [0.1, 0.3], is below.
    spec = replace(
        SPEC, num_classes=2, num_patches=4, sparsity=2.0, rho=(0.1, 0.3), gamma_other=0.2
    )
    assert lost_error(spec) == pytest.approx(0.5, abs=1e-3)
    # Both uniform on the same interval: either is the stronger half of the time.
    assert lost_error(replace(spec, gamma_other=(0.1, 0.3))) == pytest.approx(0.5, abs=1e-3)


def test_errors_are_lost_views():
    assert single_view_error(0.5) == 0.5  # Theorem 1
    assert single_view_error(0.75, 0.8) == pytest.approx(0.2)
    assert single_view_error(1.0) == 0.0
    assert mixed_error(0.1, 0.5, 0.01) == pytest.approx(0.05 + 0.009)
