import inspect
from dataclasses import replace
from itertools import product
from math import comb, inf, nan

import numpy as np
import pytest
from hypothesis import given
from oracles_data import features_redrawn_until_they_fit
from scipy import stats
from strategies import multi_view_specs

from multiview.data import MultiViewSpec

COUNTS = ["num_classes", "num_views", "patch_dim", "num_patches", "patches_per_feature"]
STRENGTHS = ["rho", "gamma_other", "label_strength", "other_strength"]
NUMBERS = ["sparsity", "mu", "gamma_noise", "sigma_p", "sigma_background"]

NOT_COUNTS = [0, -1, 2.0, 2.5, True, "3", None, np.float64(4), (2, 3)]
NOT_NUMBERS = [-0.1, nan, inf, -inf, np.float32(nan), 1e31, 10**400, True, "1", 1j, [0.1], ("a",)]
NOT_PAIRS = [(0.3, 0.2), (0.1, nan), (-0.1, 0.2), (1, 2, 3), (), ("a", "b"), (False, 1), (1, None)]
WRONG = [
    *product(COUNTS, NOT_COUNTS),
    *product(NUMBERS, [*NOT_NUMBERS, (0.1, 0.2)]),
    *product(STRENGTHS, [*NOT_NUMBERS, *NOT_PAIRS, None]),
    *product(["sparsity", "mu", "gamma_noise", "sigma_p"], [None]),
    *product(["num_classes", "num_views"], [1]),
    *product(["mu"], [1.01, 2]),
    *product(["rho"], [1.01, (0.5, 1.5), (1.5, 2.0)]),
    *product(["label_strength"], [0, 0.99, (0.5, 1.5)]),
]


def unchecked_spec(**values) -> MultiViewSpec:
    """A spec made as by a user, without the type check of the tests' import hook."""
    spec = object.__new__(MultiViewSpec)
    inspect.unwrap(MultiViewSpec.__init__)(spec, **values)
    return spec


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_value_is_refused_with_field_value_rule_and_remedy(field, value):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, every word is checked below
        unchecked_spec(**{field: value})
    message = str(refusal.value)
    assert message.startswith(f"{field}=")
    numbers = value if isinstance(value, tuple) else [value]
    assert all(str(number) in message for number in numbers)
    assert any(rule in message for rule in ("must be", "is reversed", "stronger", "below 1"))
    assert ": use " in message or ": rescale " in message


@given(multi_view_specs())
def test_features_that_do_not_fit_in_patch_space_are_refused(spec):
    num_features = spec.num_classes * spec.num_views
    assert replace(spec, patch_dim=num_features).patch_dim == num_features
    with pytest.raises(ValueError, match=f"^patch_dim=.* use at least {num_features}"):
        replace(spec, patch_dim=num_features - 1)


@given(multi_view_specs())
def test_label_views_that_do_not_fit_in_the_patches_are_refused(spec):
    needed = spec.num_views * spec.patches_per_feature
    assert replace(spec, num_patches=needed).max_other_features == 0
    with pytest.raises(ValueError, match=f"^num_patches=.* use at least {needed}"):
        replace(spec, num_patches=needed - 1)


@given(multi_view_specs())
def test_a_sparsity_above_the_number_of_classes_is_refused(spec):
    with pytest.raises(ValueError, match=r"^sparsity=.*use 0 <= sparsity <= num_classes"):
        replace(spec, sparsity=spec.num_classes + 0.01)


@given(multi_view_specs())
def test_every_feature_always_needs_room_for_every_feature(spec):
    room = spec.num_classes * spec.num_views * spec.patches_per_feature
    full = replace(spec, sparsity=spec.num_classes, num_patches=room)
    assert full.inclusion_probability == 1
    with pytest.raises(ValueError, match=f"^sparsity=.* use num_patches >= {room}"):
        replace(full, num_patches=room - 1)


def test_numbers_of_numpy_and_lists_become_pythons():
    numbers = {"num_classes": np.int64(4), "sparsity": np.float32(0.5), "rho": [0, np.float64(0.5)]}
    spec = unchecked_spec(mu=1, **numbers)
    expected = MultiViewSpec(num_classes=4, sparsity=0.5, mu=1.0, rho=(0.0, 0.5))
    assert spec == expected
    assert hash(spec) == hash(expected)
    types = [type(x) for x in (spec.num_classes, spec.sparsity, spec.mu, *spec.interval("rho"))]
    assert types == [int, float, float, float, float]


def test_interval_of_a_constant_is_a_point():
    spec = MultiViewSpec(rho=0.1, gamma_other=(0.2, 0.3))
    assert spec.interval("rho") == (0.1, 0.1)
    assert spec.interval("gamma_other") == (0.2, 0.3)


@given(multi_view_specs(may_truncate=False))
def test_with_room_for_all_features_nothing_is_redrawn(spec):
    assert spec.inclusion_probability == pytest.approx(spec.sparsity / spec.num_classes, abs=1e-12)


@given(multi_view_specs())
def test_counts_follow_the_binomial_that_fits(spec):
    trials, p = spec.num_other_features, spec.sparsity / spec.num_classes
    most = min(trials, spec.num_patches // spec.patches_per_feature - spec.num_views)
    weights = [comb(trials, m) * p**m * (1 - p) ** (trials - m) for m in range(most + 1)]
    expected = np.array(weights) / sum(weights)
    np.testing.assert_allclose(spec.other_count_probabilities(), expected, atol=1e-12)
    assert spec.inclusion_probability <= p + 1e-12


def test_inclusion_probability_is_that_of_literal_redrawing():
    # False-alarm rate 1e-6 with a fresh seed.
    spec = MultiViewSpec(num_classes=4, num_patches=5, sparsity=2.0)
    rng, n = np.random.default_rng(0), 3000
    occurred = sum(5 in features_redrawn_until_they_fit(spec, 0, rng) for _ in range(n))
    assert spec.inclusion_probability < 0.9 * spec.sparsity / spec.num_classes
    assert stats.binomtest(occurred, n, spec.inclusion_probability).pvalue > 1e-6


def test_a_truncation_beyond_floating_point_still_has_a_law():
    # The untruncated probability of no other feature is 1e-5998.
    spec = MultiViewSpec(num_classes=1000, patch_dim=2000, num_patches=3, sparsity=999.0, mu=0.0)
    assert spec.other_count_probabilities() == pytest.approx([1 / (1 + 1998 * 999), 1.0], abs=1e-6)
