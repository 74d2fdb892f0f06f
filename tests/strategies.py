"""Hypothesis strategies shared by the tests."""

from typing import Any

import torch
from hypothesis import strategies as st

from multiview import stream
from multiview.data import MultiViewSpec


def seeds() -> st.SearchStrategy[int]:
    """Any seed of an experiment."""
    return st.integers(0, 2**63 - 1)


def generators() -> st.SearchStrategy:
    """Freshly seeded torch generators."""
    return seeds().map(lambda seed: stream(seed, "test"))


def strengths(low: float, high: float) -> st.SearchStrategy:
    """A constant in [low, high], or a (low, high) pair inside it."""
    number = st.floats(low, high, width=32)
    return number | st.tuples(number, number).map(sorted).map(tuple)


@st.composite
def multi_view_specs(
    draw: st.DrawFn,
    *,
    max_classes: int = 5,
    max_views: int = 4,
    max_patches_per_feature: int = 3,
    may_truncate: bool = True,
    min_spare_dims: int = 0,
    **fixed: Any,
) -> MultiViewSpec:
    """Small valid specs of every kind; the simplest is also the smallest.

    Args:
        may_truncate: Whether ``num_patches`` may be too small for all features at once.
        min_spare_dims: Directions of patch space orthogonal to all features, at least.
        fixed: Fields that are given instead of drawn.
    """
    k = draw(st.integers(2, max_classes))
    L = draw(st.integers(2, max_views))
    C_p = draw(st.integers(1, max_patches_per_feature))
    fewest = C_p * L * (1 if may_truncate else k)
    # s = k with too few patches is refused, so the random s stays below it.
    drawn = {
        "num_classes": k,
        "num_views": L,
        "patch_dim": k * L + draw(st.integers(min_spare_dims, min_spare_dims + 6)),
        "num_patches": draw(st.integers(fewest, C_p * L * k + 4)),
        "patches_per_feature": C_p,
        "sparsity": draw(st.floats(0, 0.9 * k)),
        "mu": draw(st.sampled_from([0.0, 1.0]) | st.floats(0, 1)),
        "rho": draw(strengths(0, 1)),
        "gamma_other": draw(strengths(0, 1)),
        "gamma_noise": draw(st.just(0.0) | st.floats(0.01, 0.5)),
        "sigma_p": draw(st.just(0.0) | st.floats(0.01, 2)),
        "sigma_background": draw(st.none() | st.just(0.0) | st.floats(0.01, 2)),
        "label_strength": draw(strengths(1, 3)),
        "other_strength": draw(strengths(0, 1)),
    }
    return MultiViewSpec(**(drawn | fixed))


@st.composite
def logit_pairs(draw):
    """(student, teacher) logits (n, k) in float64."""
    shape = (draw(st.integers(1, 5)), draw(st.integers(2, 6)))
    generator = stream(draw(st.integers(0, 2**31)), "logits")
    spread = draw(st.floats(0.1, 5.0))
    student, teacher = spread * torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return student, teacher
