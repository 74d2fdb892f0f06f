"""Where a logit comes from, against loops; noise that was and was not learned by heart."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from strategies import multi_view_specs

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.models import PatchNet
from multiview.probes import (
    logit_parts,
    noise_share,
    patch_logits,
    with_fresh_noise,
    without_noise,
)

SPEC = MultiViewSpec(
    num_classes=3,
    num_views=3,
    patch_dim=30,
    num_patches=12,
    patches_per_feature=2,
    sparsity=1.0,
    mu=0.5,
    rho=0.4,
    sigma_p=0.3,
    sigma_background=0.7,
)


def net_and_batch(spec=SPEC, members=2, n=40):
    features = make_features(spec, stream(0, "features"))
    batch = sample_patches(spec, features, n, stream(0, "batch"))
    net = PatchNet(
        members=members,
        num_classes=spec.num_classes,
        width=4,
        patch_dim=spec.patch_dim,
        relu_knee=1.0,
        sigma_init=0.5,
        generator=stream(0, "net"),
    )
    return net, batch, features


def smoothed(z, q=4, knee=1.0):
    if z <= 0:
        return 0.0
    return z**q / (q * knee ** (q - 1)) if z <= knee else z - (1 - 1 / q) * knee


def test_parts_by_loops():
    net, batch, _ = net_and_batch()
    assert batch.is_single.any()
    assert (~batch.is_single).any()
    each, parts = patch_logits(net, batch), logit_parts(net, batch)
    weight, L = net.weight.detach(), SPEC.num_views
    for n in range(len(batch)):
        y = int(batch.labels[n])
        for e in range(2):
            expected = {"strong": 0.0, "weak": 0.0, "other": 0.0, "background": 0.0}
            for p in range(SPEC.num_patches):
                value = sum(smoothed(float(w @ batch.patches[n, p])) for w in weight[e, y])
                assert each[n, e, p].item() == pytest.approx(value, rel=1e-4, abs=1e-6)
                feature = int(batch.placement[n, p])
                if feature < 0:
                    role = "background"
                elif feature // L != y:
                    role = "other"
                elif batch.is_single[n] and feature % L != int(batch.lone_view[n]):
                    role = "weak"
                else:
                    role = "strong"
                expected[role] += value
            for role, value in expected.items():
                assert getattr(parts, role)[n, e].item() == pytest.approx(value, rel=1e-4, abs=1e-5)


@given(multi_view_specs())
def test_the_parts_make_up_the_logit(spec):
    net, batch, _ = net_and_batch(spec, members=3, n=9)
    with torch.no_grad():
        logits = net(batch.patches)
    own = logits[torch.arange(9), :, batch.labels]
    torch.testing.assert_close(logit_parts(net, batch).total, own, rtol=1e-4, atol=1e-5)


@given(multi_view_specs(sigma_p=0.0, sigma_background=0.0, gamma_noise=0.0))
def test_samples_drawn_without_noise_have_none_to_lose(spec):
    _, batch, features = net_and_batch(spec, n=9)
    torch.testing.assert_close(without_noise(batch, features).patches, batch.patches)
    fresh = with_fresh_noise(batch, features, spec, stream(0, "fresh"))
    torch.testing.assert_close(fresh.patches, batch.patches)


def test_fresh_noise_is_other_noise_of_the_same_law():
    _, batch, features = net_and_batch(n=2000)
    fresh = with_fresh_noise(batch, features, SPEC, stream(0, "fresh"))
    for name in ("labels", "is_single", "lone_view", "strength", "placement", "amount"):
        assert torch.equal(getattr(fresh, name), getattr(batch, name))
    clean = without_noise(batch, features).patches
    old, new = batch.patches - clean, fresh.patches - clean
    carries = batch.placement >= 0
    for where, std in ((carries, 0.3), (~carries, 0.7)):
        for noise in (old, new):
            assert noise[where].std().item() == pytest.approx(std, rel=0.02)
        correlation = (old[where] * new[where]).mean() / std**2
        assert abs(correlation.item()) < 5 / math.sqrt(int(where.sum()) * SPEC.patch_dim)


def test_fresh_noise_redraws_feature_noise_too():
    spec = replace(SPEC, sigma_p=0.0, sigma_background=0.0, gamma_noise=0.2)
    _, batch, features = net_and_batch(spec, n=500)
    fresh = with_fresh_noise(batch, features, spec, stream(0, "fresh"))
    noise = fresh.patches - without_noise(batch, features).patches
    alpha = torch.einsum("npd,kvd->npkv", noise, features)
    assert -1e-5 < alpha.min() < 0.01
    assert 0.19 < alpha.max() < 0.2 + 1e-5
    assert alpha.mean().item() == pytest.approx(0.1, rel=0.02)
    assert not torch.allclose(fresh.patches, batch.patches)


def test_views_are_not_noise_and_what_was_learned_by_heart_is():
    spec = MultiViewSpec(patch_dim=400, mu=1.0, rho=0.1, sigma_p=0.05)
    features = make_features(spec, stream(1, "features"))
    batch = sample_patches(spec, features, 20, stream(1, "batch"))
    weights = torch.zeros(2, 10, 20, 400)  # a neuron of each class for each sample
    weights[0, :, :2] = 3 * features
    noise = batch.patches - without_noise(batch, features).patches
    for n, y in enumerate(batch.labels):
        weights[1, y, n] = 3 * noise[n, 0]
    blank = PatchNet(width=20, patch_dim=400, sigma_init=0.0, generator=stream(0, "net"))
    net = blank.with_weight(weights)
    own = logit_parts(net, batch).total
    clean = logit_parts(net, without_noise(batch, features)).total
    fresh = with_fresh_noise(batch, features, spec, stream(1, "fresh"))
    for other in (clean, logit_parts(net, fresh).total):
        assert abs(noise_share(own[:, 0], other[:, 0])) < 0.05
        assert noise_share(own[:, 1], other[:, 1]) > 0.95


def test_the_share_is_of_the_sum():
    own, fresh = torch.tensor([10.0, 0.1]), torch.tensor([4.0, 1.05])
    assert noise_share(own, fresh) == pytest.approx(0.5)
    assert math.isnan(noise_share(own[:0], fresh[:0]))
