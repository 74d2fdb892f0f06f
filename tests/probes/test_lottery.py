"""The lottery: definitions against loops, and its prediction against training."""

import pytest
import torch

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.models import PatchNet
from multiview.probes import (
    loser_growth,
    lottery_winners,
    stray_norms,
    view_norms,
    view_signal,
)
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


def test_stray_norms_by_loops():
    net, _, features = net_and_batch(members=2)
    strays = stray_norms(net, features)
    for e in range(2):
        for i in range(4):
            best = 0.0
            for w in net.weight.detach()[e, i]:
                for j in range(4):
                    for v in range(2):
                        best = max(best, float(w @ features[j, v]) if j != i else 0.0)
            assert strays[e, i].item() == pytest.approx(best, abs=1e-7)


def race(lead, signals, q, blur=0.0, end=300.0):
    """Growth of the loser by small steps, until the winner has grown ``end``-fold.

    The winner starts at 1; the lead counts the signals, so the loser's start does too.
    """
    x = 1.0
    y = y0 = (signals[0] / signals[1]) ** (1 / (q - 2)) / lead
    while x < end:
        grow_x = signals[0] * (x ** (q - 1) + 3 * blur**2 * x)
        grow_y = signals[1] * (y ** (q - 1) + 3 * blur**2 * y)
        step = 1e-3 * x / grow_x
        x, y = x + step * grow_x, y + step * grow_y
    return y / y0


@pytest.mark.parametrize(
    ("lead", "signals", "q"),
    [(1.05, (1, 1), 4), (1.3, (1, 1), 4), (2.0, (1, 1.5), 4), (1.3, (1.4, 1), 3), (1.5, (1, 1), 5)],
)
def test_the_losers_growth_is_that_of_the_race(lead, signals, q):
    growth = loser_growth(torch.tensor([lead], dtype=torch.float64), q)
    assert growth.item() == pytest.approx(race(lead, signals, q), rel=0.02)


@pytest.mark.parametrize(("lead", "blur"), [(1.1, 0.3), (1.3, 0.6), (2.0, 1.5)])
def test_noise_lets_the_loser_grow_further(lead, blur):
    given = torch.tensor([lead], dtype=torch.float64), 4, torch.tensor([blur], dtype=torch.float64)
    assert loser_growth(*given).item() == pytest.approx(race(lead, (1, 1), 4, blur), rel=0.02)


def test_noise_turns_the_cube_into_its_mean():
    x, b = 0.8, 0.3
    noise = torch.randn(10**6, generator=stream(0, "noise"), dtype=torch.float64)
    mean = ((x + b * noise) ** 3).mean().item()
    assert mean == pytest.approx(x**3 + 3 * b**2 * x, rel=0.01)


def test_a_clear_race_leaves_the_loser_where_it_was_and_a_tie_does_not():
    growth = loser_growth(torch.tensor([1.0, 1.01, 10.0]), 4)
    assert growth[0] == torch.inf
    assert growth[1] > 7
    assert growth[2] < 1.01


def test_races_without_closed_form_are_refused():
    with pytest.raises(ValueError, match="q=2"):
        loser_growth(torch.tensor([1.5]), 2)
    with pytest.raises(ValueError, match="q=3"):
        loser_growth(torch.tensor([1.5]), 3, torch.tensor([0.1]))


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
