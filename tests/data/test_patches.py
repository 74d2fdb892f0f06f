"""Laws of the generator.

A statistical test bounds p-values by ALARM: with a fresh seed, each check fails by chance with
that probability. The examples are fixed (see conftest.py): on given code it always or never does.
"""

import inspect
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_data import features_redrawn_until_they_fit, signal
from scipy import stats
from strategies import generators, multi_view_specs, seeds
from unchecked import unchecked

from multiview import stream
from multiview.data import (
    MultiViewSpec,
    PatchBatch,
    make_features,
    sample_patches,
    stream_patches,
)
from multiview.data import provenance as provenance_module
from multiview.data.provenance import Kind

ALARM = 1e-7
TWO_BLOCKS = 300  # no block is larger than 256 samples
kinds = st.sampled_from(["mixed", "multi", "single"])


def draw(
    spec: MultiViewSpec, generator: torch.Generator, n: int, kind: Kind = "mixed"
) -> tuple[PatchBatch, torch.Tensor]:
    features = make_features(spec, generator)
    return sample_patches(spec, features, n, generator, kind), features


def own_features(spec: MultiViewSpec, batch: PatchBatch) -> torch.Tensor:
    """(n, k, L) bool: the label's."""
    own = torch.nn.functional.one_hot(batch.labels, spec.num_classes).bool()
    return own.unsqueeze(-1).expand(-1, -1, spec.num_views)


def patch_counts(spec: MultiViewSpec, batch: PatchBatch) -> torch.Tensor:
    """(n, k, L): on how many patches each feature lies."""
    num_features = spec.num_classes * spec.num_views
    held = batch.placement.unsqueeze(-1) == torch.arange(num_features)
    return held.sum(1).view(-1, spec.num_classes, spec.num_views)


def same(one: PatchBatch, other: PatchBatch) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def looks_like(sample: torch.Tensor, law) -> bool:
    """Kolmogorov-Smirnov test against a scipy law."""
    return bool(stats.kstest(sample.double().flatten().numpy(), law.cdf).pvalue > ALARM)


def occurs_with(probability: float, occurrences: int, n: int) -> bool:
    """Binomial test; what is as rare as 1e-50 alarms by occurring once, and scipy before 1.17
    fails for rarer things."""
    rare = max(probability, 1e-50)
    return n == 0 or bool(stats.binomtest(occurrences, n, rare).pvalue > ALARM)


# Placement


@given(multi_view_specs(), generators(), kinds)
def test_every_present_feature_has_its_own_patches(spec, generator, kind):
    batch, _ = draw(spec, generator, TWO_BLOCKS, kind)
    counts = patch_counts(spec, batch)
    assert ((counts == 0) | (counts == spec.patches_per_feature)).all()
    assert (counts[own_features(spec, batch)] == spec.patches_per_feature).all()
    assert (counts.sum((1, 2)) == (batch.placement >= 0).sum(1)).all()
    assert ((batch.amount == 0) | (batch.placement >= 0)).all()


@given(multi_view_specs(max_classes=3, sigma_p=0.0, sigma_background=None, gamma_noise=0.0))
def test_without_noise_a_patch_is_its_feature_alone(spec):
    batch, features = draw(spec, stream(0, "noiseless"), 20)
    torch.testing.assert_close(
        batch.patches.double(), signal(batch, features), rtol=1e-6, atol=1e-7
    )


def test_every_patch_and_every_split_is_equally_likely():
    spec = MultiViewSpec(num_classes=3, num_patches=14, patches_per_feature=2, sparsity=1.0)
    batch, _ = draw(spec, stream(0, "placement"), 4000)
    for feature in range(6):
        n, held = Counter[int](), batch.placement == feature
        n.update(held.nonzero()[:, 1].tolist())
        # Two patches of one sample exclude each other, so this chi-square is, if anything, small.
        assert stats.chisquare([n[p] for p in range(14)]).pvalue > ALARM
        first = held & (held.cumsum(1) == 1)
        total = batch.strength.flatten(1)[held.any(1), feature]
        assert looks_like(batch.amount[first] / total, stats.uniform())


# Strengths


@given(multi_view_specs(), generators(), kinds)
def test_coefficients_sum_to_strengths_in_the_interval_of_their_case(spec, generator, kind):
    batch, _ = draw(spec, generator, TWO_BLOCKS, kind)
    counts, own = patch_counts(spec, batch), own_features(spec, batch)
    totals = torch.zeros(len(batch), spec.num_classes * spec.num_views + 1)
    totals.scatter_add_(1, batch.placement % totals.shape[1], batch.amount)
    totals = totals[:, :-1].view(batch.strength.shape)
    torch.testing.assert_close(totals, batch.strength, rtol=1e-5, atol=1e-6)
    assert (batch.amount >= 0).all()
    assert (batch.strength[counts == 0] == 0).all()

    single = batch.is_single.view(-1, 1, 1)
    lone = torch.arange(spec.num_views) == batch.lone_view.view(-1, 1, 1)
    cases = {
        "label_strength": own & (~single | lone),
        "rho": own & single & ~lone,
        "other_strength": ~own & ~single & (counts > 0),
        "gamma_other": ~own & single & (counts > 0),
    }
    for field, case in cases.items():
        low, high = spec.interval(field)
        assert (batch.strength[case] >= low).all(), field
        assert (batch.strength[case] <= high).all(), field


def test_strengths_are_uniform_on_their_intervals():
    spec = MultiViewSpec(
        num_classes=4, num_views=3, patch_dim=12, sparsity=1.0, mu=0.5,
        rho=(0.5, 0.9), gamma_other=(0.3, 0.4), label_strength=(1, 3), other_strength=(0.1, 0.2),
    )  # fmt: skip
    batch, _ = draw(spec, stream(0, "strengths"), 3000)
    for field in ("rho", "gamma_other", "label_strength", "other_strength"):
        low, high = spec.interval(field)  # these intervals are disjoint
        strength = batch.strength[(batch.strength >= low) & (batch.strength <= high)]
        assert len(strength) > 2000
        assert looks_like(strength, stats.uniform(low, high - low)), field


# Noise


@settings(max_examples=15)
@given(multi_view_specs(min_spare_dims=3), generators())
def test_what_is_neither_signal_nor_feature_noise_is_white_gaussian(spec, generator):
    batch, features = draw(spec, generator, TWO_BLOCKS)
    frame = features.double().flatten(0, 1)
    rest = batch.patches.double() - signal(batch, features)
    if spec.gamma_noise > 0:  # coordinates in the orthogonal complement, free of feature noise
        rest = rest @ torch.linalg.qr(frame.T, mode="complete")[0][:, len(frame) :]
    carrier = batch.placement >= 0
    for part, sigma in ((carrier, spec.sigma_p), (~carrier, spec.sigma_background)):
        sigma = spec.sigma_p if sigma is None else sigma
        noise = rest[part]
        if sigma == 0:
            assert (noise.abs() < 1e-6).all()
            continue
        if noise.numel() == 0:
            continue
        assert looks_like(noise, stats.norm(0, sigma))
        energy = stats.chi2(noise.numel()).cdf(float(noise.square().sum()) / sigma**2)
        assert ALARM / 2 < energy < 1 - ALARM / 2
        # Neighbours in rows of (samples and patches), and in coordinates, are independent.
        for a, b in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1])):
            if a.numel() > 500:  # below, the sum of products is too far from normal
                assert abs(float((a * b).sum())) < 6 * sigma**2 * a.numel() ** 0.5


@settings(max_examples=15)
@given(multi_view_specs(sigma_p=0.0, sigma_background=None), generators())
def test_feature_noise_is_uniform_up_to_gamma_on_every_feature_and_patch(spec, generator):
    batch, features = draw(spec, generator, TWO_BLOCKS)
    frame = features.double().flatten(0, 1)
    rest = batch.patches.double() - signal(batch, features)
    alpha = rest @ frame.T
    torch.testing.assert_close(alpha @ frame, rest, rtol=0, atol=3e-6)
    assert alpha.min() > -3e-6
    assert alpha.max() < spec.gamma_noise + 3e-6
    if spec.gamma_noise > 0:
        assert looks_like(alpha, stats.uniform(0, spec.gamma_noise))
        centred = alpha / spec.gamma_noise - 0.5
        neighbours = float((centred[..., 1:] * centred[..., :-1]).sum())
        assert abs(neighbours) * 12 < 6 * centred[..., 1:].numel() ** 0.5


@given(seeds())
@settings(max_examples=5)
def test_noise_differs_from_block_to_block(seed):
    spec = MultiViewSpec(num_classes=2, patch_dim=4, num_patches=4, sparsity=1.0)
    batch, _ = draw(spec, stream(seed, "blocks"), 5 * 256)
    assert len(batch.patches.flatten(1).unique(dim=0)) == len(batch)


# Frequencies


@given(multi_view_specs(), generators(), kinds)
def test_labels_kinds_and_lone_views_have_their_frequencies(spec, generator, kind):
    n = 2000
    batch, _ = draw(spec, generator, n, kind)
    mu = {"mixed": spec.mu, "multi": 0, "single": 1}[kind]
    num_single = int(batch.is_single.sum())
    assert occurs_with(mu, num_single, n)
    for j in range(spec.num_classes):
        assert occurs_with(1 / spec.num_classes, int((batch.labels == j).sum()), n)
    for v in range(spec.num_views):
        assert occurs_with(1 / spec.num_views, int((batch.lone_view == v).sum()), num_single)
    assert ((batch.lone_view == -1) == ~batch.is_single).all()


@given(multi_view_specs(max_patches_per_feature=2), generators(), kinds)
def test_other_features_occur_with_the_probability_of_the_spec(spec, generator, kind):
    batch, _ = draw(spec, generator, 2000, kind)
    present = patch_counts(spec, batch) > 0
    for j in range(spec.num_classes):
        others = present[batch.labels != j, j]  # (samples, L)
        for v in range(spec.num_views):
            occurred = int(others[:, v].sum())
            assert occurs_with(spec.inclusion_probability, occurred, len(others))


@pytest.mark.parametrize("num_patches", [4, 5, 6])
def test_feature_sets_are_those_of_literal_redrawing(num_patches):
    # 4 other-class features of which 2, 3 or (never redrawn) 4 fit: all sets, in frequency.
    spec = MultiViewSpec(num_classes=3, num_patches=num_patches, sparsity=1.5, patch_dim=6)
    n, rng = 6000, np.random.default_rng(num_patches)
    batch, _ = draw(spec, stream(0, "sets"), n)
    present = patch_counts(spec, batch).flatten(1).bool()
    drawn = Counter(frozenset(row.nonzero().flatten().tolist()) for row in present)
    literal = Counter(
        features_redrawn_until_they_fit(spec, label, rng) for label in batch.labels.tolist()
    )
    assert set(drawn) == set(literal)
    table = [[counter[key] for key in literal] for counter in (drawn, literal)]
    p_value: Any = stats.chi2_contingency(table)[1]
    assert p_value > ALARM


# Streams


@settings(max_examples=20)
@given(multi_view_specs(), seeds(), kinds, st.integers(0, 600), st.integers(0, 600))
def test_a_shorter_draw_is_the_start_of_a_longer_one(spec, seed, kind, n, more):
    features = make_features(spec, stream(seed, "features"))
    short, long = stream(seed, "samples"), stream(seed, "samples")
    batch = sample_patches(spec, features, n, short, kind)
    assert len(batch) == n
    assert same(sample_patches(spec, features, n + more, long, kind)[:n], batch)
    # Both generators now stand at the same place, and what follows is new.
    assert torch.equal(short.get_state(), long.get_state())
    start = sample_patches(spec, features, 50, stream(seed, "samples"), kind)
    second = sample_patches(spec, features, 50, short, kind)
    assert not torch.equal(second.labels, start.labels)  # by chance at most once in 2^50


@settings(max_examples=10)
@given(multi_view_specs(), seeds())
def test_same_seed_same_bits_on_any_number_of_threads(spec, seed):
    threads, batches = torch.get_num_threads(), []
    try:
        for num_threads in (1, 2, 8):
            torch.set_num_threads(num_threads)
            batches.append(draw(spec, stream(seed), TWO_BLOCKS)[0])
    finally:
        torch.set_num_threads(threads)
    assert same(batches[0], batches[1])
    assert same(batches[0], batches[2])


def test_same_bits_where_blas_would_add_in_another_order():
    # At this size float32 products with the features did differ between 1 and 8 threads.
    spec = MultiViewSpec(patch_dim=200, num_patches=22, sparsity=1.0, gamma_noise=0.03)
    test_same_seed_same_bits_on_any_number_of_threads.hypothesis.inner_test(spec, 0)


def test_bits_ignore_the_default_dtype_and_the_global_generator():
    spec = MultiViewSpec(gamma_noise=0.1, sigma_background=0.2)
    expected, features = draw(spec, stream(0, "x"), 10)
    torch.set_default_dtype(torch.float64)
    try:
        generator = stream(0, "x")
        make_features(spec, generator)
        batch = sample_patches(spec, features.double(), 10, generator)
    finally:
        torch.set_default_dtype(torch.float32)
    assert batch.patches.dtype == torch.float32
    assert same(batch, expected)


# Bad input and extremes


def test_a_batch_is_indexed_by_slice_mask_and_numbers():
    batch, _ = draw(MultiViewSpec(mu=0.5), stream(0), 10)
    even = torch.arange(0, 10, 2)
    assert same(batch[::2], batch[even])
    assert same(batch[batch.is_single], batch[batch.is_single.nonzero().squeeze(1)])
    assert len(batch[::2]) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(10, 2, 299)}, r"^features has shape \(10, 2, 299\).*make_feat"),
        ({"n": -1}, r"^n=-1 must be .*: use n >= 0"),
        ({"kind": "both"}, r"^kind='both' is unknown: use "),
    ],
)
def test_arguments_that_cannot_be_drawn_are_refused(change, message):
    spec = MultiViewSpec()
    arguments = {"features": make_features(spec, stream(0)), "n": 1, "kind": "mixed"} | change
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(sample_patches)(spec, generator=stream(0), **arguments)


NO_NOISE = {"sigma_p": 0, "gamma_noise": 0}


@pytest.mark.parametrize(
    "settings_",
    [
        {"num_classes": 2, "num_views": 4, "patches_per_feature": 3, "patch_dim": 8,
         "num_patches": 24, "sparsity": 2, "mu": 1, **NO_NOISE},
        {"num_classes": 2, "num_views": 4, "patches_per_feature": 3, "patch_dim": 8,
         "num_patches": 12, "sparsity": 1.9, "mu": 0, **NO_NOISE},
        {"sparsity": 0, "mu": 0.5, "sigma_background": 0.0},
        {"num_patches": 3, "sparsity": 9.9, "mu": 1, "rho": 0, "gamma_other": 0},
        {"num_patches": 2, "patch_dim": 20, "other_strength": 0, "sigma_p": 0, "gamma_noise": 1},
        {"label_strength": 1e30, "sigma_p": 1e30, "gamma_noise": 1e30},
        {"num_patches": 1000, "patch_dim": 1100},  # one sample is larger than a block
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [0, 1, 257])
def test_extreme_specs_and_sizes_are_drawn(settings_, n):
    spec = MultiViewSpec(**settings_)
    batch, _ = draw(spec, stream(0), min(n, 20) if spec.num_patches == 1000 else n)
    assert batch.patches.shape[1:] == (spec.num_patches, spec.patch_dim)
    assert torch.isfinite(batch.patches).all()
    assert (patch_counts(spec, batch)[own_features(spec, batch)] == spec.patches_per_feature).all()
    if spec.sparsity == spec.num_classes:
        assert (batch.strength > 0).all()
    if spec.sparsity == 0:
        assert (batch.strength.flatten(1).count_nonzero(1) == 2).all()


@pytest.mark.parametrize("number", [0.0, 1 - 2.0**-24])
def test_the_ends_of_torchs_uniform_numbers_do_no_harm(monkeypatch, number):
    def constant(generator, *shape):
        return torch.full(shape, number)

    monkeypatch.setattr(provenance_module, "uniform", constant)
    spec = MultiViewSpec(num_patches=60, patches_per_feature=3, mu=0.5, rho=(0.1, 0.3))
    batch, _ = draw(spec, stream(0), 50)
    totals = batch.strength.sum((1, 2))
    torch.testing.assert_close(batch.amount.sum(1), totals)
    assert (batch.strength <= torch.tensor(1.2)).all()


def test_streamed_batches_are_fresh_samples_of_the_kind():
    spec = MultiViewSpec(num_classes=3, patch_dim=10, num_patches=8)
    features = make_features(spec, stream(0, "features"))
    batches = list(stream_patches(spec, features, 250, stream(0, "test"), "single", at_once=100))
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert all(batch.is_single.all() for batch in batches)
    assert not torch.equal(batches[0].patches, batches[1].patches)
    again = sample_patches(spec, features, 100, stream(0, "test"), "single")
    assert torch.equal(batches[0].patches, again.patches)
    with unchecked(), pytest.raises(ValueError, match="at_once=0"):
        stream_patches(spec, features, 5, stream(0, "test"), at_once=0)
    with unchecked(), pytest.raises(ValueError, match="n=-1"):
        stream_patches(spec, features, -1, stream(0, "test"))
