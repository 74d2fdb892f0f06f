"""The lottery: definitions against loops, and its prediction against training."""

import pytest
import torch

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.models import PatchNet
from multiview.probes import lottery_winners, view_norms, view_signal
from multiview.train import TrainSpec, train_patch_net

SPEC = MultiViewSpec(
    num_classes=4,
    patch_dim=40,
    num_patches=14,
    patches_per_feature=2,
    sparsity=1.0,
    mu=0.3,
    sigma_p=0.05,
)


def net_and_batch(members=1, q=4):
    features = make_features(SPEC, stream(0, "features"))
    batch = sample_patches(SPEC, features, 300, stream(0, "batch"))
    net = PatchNet(
        members=members, num_classes=4, width=6, patch_dim=40, q=q, generator=stream(0, "net")
    )
    return net, batch, features


def test_view_norms_by_loops():
    net, _, features = net_and_batch(members=2)
    norms = view_norms(net, features)
    for e in range(2):
        for i in range(4):
            for v in range(2):
                best = max(0.0, *[float(w @ features[i, v]) for w in net.weight.detach()[e, i]])
                assert norms[e, i, v].item() == pytest.approx(best, abs=1e-7)


def test_view_signal_by_loops():
    _, batch, _ = net_and_batch()
    expected = torch.zeros(4, 2)
    count = 0
    for n in range(len(batch)):
        if batch.is_single[n]:
            continue
        count += 1
        for p in range(SPEC.num_patches):
            feature = int(batch.placement[n, p])
            if feature >= 0 and feature // 2 == int(batch.labels[n]):
                expected[feature // 2, feature % 2] += float(batch.amount[n, p]) ** 3
    torch.testing.assert_close(view_signal(batch, 3), expected / count, rtol=1e-4, atol=1e-6)


def test_signal_tips_the_scales_by_its_power():
    net, _, features = net_and_batch(q=4)
    plain = lottery_winners(net, features)
    norms = view_norms(net, features)[0]
    for i in range(4):
        winner = int(plain.winner[0, i])
        ratio = (norms[i, winner] / norms[i, 1 - winner]).item()
        assert plain.lead[0, i].item() == pytest.approx(ratio, rel=1e-5)
        # With q = 4 the other view wins as soon as its signal is ratio^2 larger.
        for factor, expected in ((0.98, winner), (1.02, 1 - winner)):
            signal = torch.ones(4, 2)
            signal[i, 1 - winner] = factor * ratio**2
            assert lottery_winners(net, features, signal).winner[0, i] == expected


def test_no_lottery_without_a_power_above_two():
    net, _, features = net_and_batch(q=2)
    with pytest.raises(ValueError, match="q=2"):
        lottery_winners(net, features)


def test_a_batch_without_multi_view_samples_has_no_signal():
    _, batch, _ = net_and_batch()
    with pytest.raises(ValueError, match="multi-view"):
        view_signal(batch[batch.is_single], 3)


def test_clear_leads_at_the_start_decide_what_is_learned():
    """Over 8 nets, classes whose lead is above 1.2 learn the predicted view 9 times in 10."""
    spec = MultiViewSpec(
        num_classes=4, patch_dim=40, num_patches=8, sparsity=1.0, mu=0.0, sigma_p=0.05
    )
    features = make_features(spec, stream(2, "features"))
    batch = sample_patches(spec, features, 200, stream(2, "train"))
    net = PatchNet(
        members=8,
        num_classes=4,
        width=8,
        patch_dim=40,
        sigma_init=0.02,
        generator=stream(2, "init"),
    )
    predicted = lottery_winners(net, features, view_signal(batch, net.q))
    trained = train_patch_net(net, batch.patches, batch.labels, TrainSpec(max_steps=300)).net
    learned = view_norms(trained, features).argmax(-1)
    clear = predicted.lead > 1.2
    assert clear.sum() >= 12
    assert (learned == predicted.winner)[clear].float().mean() >= 0.9
