"""Dropped views are gone, and nothing else is."""

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import multi_view_specs, seeds

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.data.views import without_views


@st.composite
def choices(draw, **fixed):
    """A spec and which of its views are dropped."""
    spec = draw(multi_view_specs(**fixed))
    size = spec.num_classes * spec.num_views
    flags = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return spec, torch.tensor(flags).view(spec.num_classes, spec.num_views)


def drawn(spec, seed=0, n=7):
    features = make_features(spec, stream(seed, "features"))
    return features, sample_patches(spec, features, n, stream(seed, "batch")).patches


def close(actual, expected, patches):
    """Equal to the rounding of float32 numbers as large as the patches."""
    size = patches.norm(dim=-1).max().item()
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6 * size + 1e-30)


@given(choices(min_spare_dims=2), seeds())
def test_dropped_views_are_gone_and_all_else_stays(choice, seed):
    spec, dropped = choice
    features, patches = drawn(spec, seed)
    before = patches.clone()
    left = without_views(patches, features, dropped)
    assert torch.equal(patches, before)
    amounts = torch.einsum("npd,kvd->npkv", left, features)
    expected = torch.einsum("npd,kvd->npkv", patches, features) * ~dropped
    close(amounts, expected, patches)
    frame = features.flatten(0, 1)
    noise = left - amounts.flatten(2) @ frame
    full = torch.einsum("npd,kvd->npkv", patches, features).flatten(2)
    close(noise, patches - full @ frame, patches)  # what no feature holds
    close(without_views(left, features, dropped), left, patches)


@given(choices())
def test_one_view_after_the_other_by_loops(choice):
    spec, dropped = choice
    features, patches = drawn(spec)
    expected = patches.double()
    for j, v in dropped.nonzero().tolist():
        view = features[j, v].double()
        for n in range(len(patches)):
            for p in range(spec.num_patches):
                expected[n, p] -= (expected[n, p] @ view) * view
    close(without_views(patches, features, dropped), expected.float(), patches)


@given(multi_view_specs())
def test_with_nothing_dropped_every_bit_stays(spec):
    features, patches = drawn(spec)
    nothing = torch.zeros(spec.num_classes, spec.num_views, dtype=torch.bool)
    assert torch.equal(without_views(patches, features, nothing), patches)


def test_a_dropped_patch_keeps_its_noise():
    spec = MultiViewSpec(num_classes=3, num_views=3, patch_dim=30, num_patches=12, sigma_p=0.0)
    features, _ = drawn(spec)
    batch = sample_patches(spec, features, 20, stream(0, "batch"))
    dropped = torch.zeros(3, 3, dtype=torch.bool)
    dropped[:, 1:] = True
    left = without_views(batch.patches, features, dropped)
    lost = (batch.placement % 3 > 0) & (batch.placement >= 0)
    assert lost.any()
    assert left[lost].norm(dim=-1).max() < 1e-6
    assert torch.allclose(left[~lost], batch.patches[~lost], atol=1e-6)
    noisy = replace(spec, sigma_p=1.0)
    batch = sample_patches(noisy, features, 400, stream(0, "batch"))
    left = without_views(batch.patches, features, dropped)
    squared = left[batch.placement == 1].square().sum(-1).mean().item()
    assert abs(squared - (30 - 6)) < 0.5  # six of thirty directions are gone


def test_patches_keep_their_precision():
    spec = MultiViewSpec(num_classes=3, num_views=4, patch_dim=40, num_patches=12)
    features, patches = drawn(spec)
    dropped = torch.ones(3, 4, dtype=torch.bool)
    left = without_views(1e4 * patches.double(), features, dropped)
    assert left.dtype == torch.float64
    along = torch.einsum("npd,kvd->npkv", left, features.double())
    assert along.abs().max() < 1e-2  # features are orthonormal to 1e-6
