"""The patch-net trainer: laws, limits and its stop rule, on tiny problems."""

import itertools

import numpy as np
import pytest
import torch
from unchecked import unchecked

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.models import PatchNet
from multiview.probes import view_norms
from multiview.train import (
    Diverged,
    TrainSpec,
    cross_entropy,
    per_member,
    rescaled,
    train_patch_net,
)
from multiview.train.metrics import wrong

SPEC = MultiViewSpec(num_classes=3, patch_dim=20, num_patches=6, sparsity=1.0, mu=0.1, sigma_p=0.1)


def problem(members: int = 1, seed: int = 0, dtype=torch.float32, **net):
    features = make_features(SPEC, stream(seed, "features"))
    batch = sample_patches(SPEC, features, 60, stream(seed, "train"))
    settings = {"num_classes": 3, "width": 4, "patch_dim": 20, "q": 3, "relu_knee": 1.0}
    settings |= {"sigma_init": 0.05, "members": members} | net
    network = PatchNet(**settings, generator=stream(seed, "init")).to(dtype)
    return network, batch.patches.to(dtype), batch.labels, features


@pytest.mark.parametrize(
    "spec",
    [
        TrainSpec(max_steps=40),
        TrainSpec(max_steps=400, loss_bound=0.3),  # members end at different times
        TrainSpec(method="adaptive", max_steps=200, loss_bound=0.3),
        TrainSpec(method="gd", learning_rate=0.5, max_steps=40),
        TrainSpec(method="sgd", learning_rate=0.5, batch_size=17, max_steps=40),
    ],
    ids=lambda spec: spec.method,
)
def test_a_batched_run_equals_each_member_alone(spec):
    net, patches, labels, _ = problem(members=3, dtype=torch.float64)
    together = train_patch_net(net, patches, labels, spec, generator=stream(0, "sgd"))
    for e in range(3):
        alone = train_patch_net(net.member(e), patches, labels, spec, generator=stream(0, "sgd"))
        torch.testing.assert_close(
            together.net.weight[e], alone.net.weight[0], rtol=1e-8, atol=1e-10
        )
        assert together.steps[e] == alone.steps[0]


@pytest.mark.parametrize("factors", [(0.5, 1.0, 2.0), (2.0, 1.0, 0.5)])
def test_members_keep_their_own_losses_as_others_end(factors):
    net, patches, labels, _ = problem(members=3, dtype=torch.float64)
    objectives = [rescaled(cross_entropy(labels, 3), factor) for factor in factors]
    spec = TrainSpec(max_steps=400, loss_bound=0.4)
    together = train_patch_net(net, patches, labels, spec, objective=per_member(*objectives))
    assert len(set(together.steps.tolist())) > 1
    for e, objective in enumerate(objectives):
        alone = train_patch_net(net.member(e), patches, labels, spec, objective=objective)
        torch.testing.assert_close(
            together.net.weight[e], alone.net.weight[0], rtol=1e-8, atol=1e-10
        )


def test_steps_count_every_gradient_but_the_last():
    net, patches, labels, _ = problem()
    calls = []
    hard = cross_entropy(labels, 3)

    def objective(logits, rows, nets):
        calls.append(rows)  # 60 samples are one chunk
        return hard(logits, rows, nets)

    result = train_patch_net(net, patches, labels, TrainSpec(max_steps=80), objective=objective)
    assert result.steps.tolist() == [len(calls) - 1]


def test_the_first_step_lets_the_fastest_neuron_grow_by_the_relative_step():
    net, patches, labels, _ = problem(q=4, dtype=torch.float64)
    spec = TrainSpec(relative_step=0.3, max_steps=1, loss_bound=0)
    after = train_patch_net(net, patches, labels, spec).net.weight
    moved = float((after - net.weight).detach().norm(dim=-1).max())
    assert moved == pytest.approx(0.3 / 3 * 1.5 * net.sigma_init, rel=0.05)


def test_members_that_are_done_stay_as_they_are():
    net, patches, labels, _ = problem(members=4, dtype=torch.float64)
    result = train_patch_net(net, patches, labels, TrainSpec(max_steps=500, loss_bound=0.3))
    assert result.converged.all()
    assert len(set(result.steps.tolist())) > 1  # they did stop at different times
    assert not wrong(result.net(patches), labels).any()
    for e in range(4):  # the history repeats the last value of a finished member
        done = (result.loss[:, e] < 0.3) & (result.error[:, e] == 0)
        first = int(done.int().argmax())
        assert done.any()
        assert (result.loss[first:, e] == result.loss[first, e]).all()
    logits = result.net(patches)
    final = [torch.nn.functional.cross_entropy(logits[:, e], labels) for e in range(4)]
    torch.testing.assert_close(result.loss[-1], torch.stack(final).detach())
    assert (result.loss[-1] < 0.3).all()
    assert (result.error[-1] == 0).all()


def view_norm_path(net, patches, labels, features, spec):
    times, norms = [], []

    def record(time, now):
        times.append(float(time[0]))
        norms.append(view_norms(now, features).flatten())

    train_patch_net(net, patches, labels, spec, observe=record)
    return np.array(times), torch.stack(norms).numpy()


def test_flow_follows_small_fixed_steps():
    """View norms stay within 2% of gradient descent's at equal flow time, escapes included."""
    net, patches, labels, features = problem(dtype=torch.float64)
    fixed = TrainSpec(method="gd", learning_rate=0.05, max_steps=3000, loss_bound=0)
    fixed_time, fixed_norm = view_norm_path(net, patches, labels, features, fixed)
    flow = TrainSpec(relative_step=0.0075, max_steps=1600, loss_bound=0)
    time, norm = view_norm_path(net, patches, labels, features, flow)
    inside = time <= fixed_time[-1]
    assert norm[inside][-1].max() > 10 * norm[0].max()  # the comparison covers the escapes
    for feature in range(norm.shape[1]):
        expected = np.interp(time[inside], fixed_time, fixed_norm[:, feature])
        gap = np.abs(norm[inside, feature] - expected)
        assert (gap <= 0.02 * np.maximum(expected, norm[inside].max(1))).all()


@pytest.mark.parametrize("method", ["flow", "adaptive", "gd", "sgd"])
def test_observers_see_the_net_of_this_sweep(method):
    net, patches, labels, _ = problem(members=2, dtype=torch.float64)
    seen = []
    spec = TrainSpec(method=method, max_steps=12, learning_rate=0.5, batch_size=20, loss_bound=0)
    result = train_patch_net(
        net,
        patches,
        labels,
        spec,
        generator=stream(0, "sgd"),
        observe=lambda time, now: seen.append((time, now.weight.detach().clone())),
    )
    assert torch.equal(seen[0][1], net.weight)
    for (time, weight), (later, after) in itertools.pairwise(seen):
        assert (later >= time).all()
        assert (later > time).any()
        assert not torch.equal(weight, after)
    final = result.net.weight
    assert torch.equal(final, seen[-1][1]) == (method != "sgd")  # sgd steps within its sweeps
    if method != "sgd":
        logits = result.net(patches).detach()
        error = wrong(logits, labels).double().mean(0)
        torch.testing.assert_close(result.error[-1], error)


def test_training_leaves_the_given_net_alone():
    net, patches, labels, _ = problem()
    before = net.weight.detach().clone()
    result = train_patch_net(net, patches, labels, TrainSpec(max_steps=3))
    assert torch.equal(net.weight, before)
    assert not torch.equal(result.net.weight, before)


def test_one_step_of_gd_is_the_gradient_times_the_rate():
    net, patches, labels, _ = problem(dtype=torch.float64)
    spec = TrainSpec(method="gd", learning_rate=0.7, max_steps=1)
    after = train_patch_net(net, patches, labels, spec).net.weight
    loss = torch.nn.functional.cross_entropy(net(patches)[:, 0], labels)
    loss.backward()
    assert net.weight.grad is not None
    expected = net.weight.detach() - 0.7 * net.weight.grad
    torch.testing.assert_close(after.detach(), expected, rtol=1e-10, atol=1e-12)


def test_summed_training_is_training_one_wide_net():
    net, patches, labels, _ = problem(members=3, dtype=torch.float64)
    wide = net.with_weight(net.weight.transpose(0, 1).flatten(1, 2).unsqueeze(0))
    torch.testing.assert_close(wide(patches)[:, 0], net(patches).sum(1))
    spec = TrainSpec(max_steps=60)
    summed = train_patch_net(net, patches, labels, TrainSpec(max_steps=60, summed=True))
    alone = train_patch_net(wide, patches, labels, spec)
    torch.testing.assert_close(
        summed.net(patches).sum(1), alone.net(patches)[:, 0], rtol=1e-7, atol=1e-9
    )
    assert summed.steps.tolist() == alone.steps.tolist()


def test_sgd_sees_every_sample_once_a_sweep():
    net, patches, labels, _ = problem()
    seen = []

    def objective(logits, rows, nets):
        seen.append(rows)
        return logits.sum(-1), torch.zeros_like(logits)

    spec = TrainSpec(method="sgd", batch_size=16, max_steps=8)
    train_patch_net(net, patches, labels, spec, objective=objective, generator=stream(0, "sgd"))
    rows = torch.cat(seen)
    assert len(rows) == 120
    assert torch.equal(rows[:60].sort().values, torch.arange(60))
    assert not torch.equal(rows[:60], rows[60:])


def test_sgd_without_a_generator_is_refused():
    net, patches, labels, _ = problem()
    with pytest.raises(ValueError, match="generator"):
        train_patch_net(net, patches, labels, TrainSpec(method="sgd"))


def test_a_loss_that_is_no_number_stops_with_step_and_settings():
    net, patches, labels, _ = problem()

    def objective(logits, rows, nets):
        return logits.sum(-1) + float("inf"), torch.ones_like(logits)

    with pytest.raises(Diverged, match=r"after step 0 .*relative_step"):
        train_patch_net(net, patches, labels, TrainSpec(), objective=objective)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_patches_that_are_no_numbers_are_refused_before_any_step(value):
    net, patches, labels, _ = problem()
    patches = patches.clone()
    patches[5, 1, 2] = value
    with pytest.raises(ValueError, match="patches holds 1 values that are NaN or infinite"):
        train_patch_net(net, patches, labels, TrainSpec())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_patches_of_another_precision_are_refused(dtype):
    net, patches, labels, _ = problem()
    with pytest.raises(ValueError, match="patches is of type"):
        train_patch_net(net, patches.to(dtype), labels, TrainSpec())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "adam"),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("relative_step", -1.0),
        ("relative_step", float("nan")),
        ("batch_size", 0),
        ("max_steps", 0),
        ("loss_bound", -0.1),
        ("loss_bound", float("nan")),
    ],
)
def test_bad_settings_are_refused_by_name(field, value):
    with unchecked(), pytest.raises(ValueError, match=field):
        TrainSpec(**{field: value})


def test_same_start_same_bits():
    net, patches, labels, _ = problem(members=2)
    first = train_patch_net(net, patches, labels, TrainSpec(max_steps=30))
    again = train_patch_net(net, patches, labels, TrainSpec(max_steps=30))
    assert torch.equal(first.net.weight, again.net.weight)


def test_sgd_stops_at_the_step_limit_within_a_sweep():
    net, patches, labels, _ = problem()
    spec = TrainSpec(method="sgd", batch_size=10, max_steps=4, learning_rate=0.01)
    result = train_patch_net(net, patches, labels, spec, generator=stream(0, "sgd"))
    assert result.steps.tolist() == [4]


def test_misfits_are_refused_before_any_step():
    net, patches, labels, _ = problem()
    for wrong_labels in (labels[:-1], torch.cat([labels, labels]), labels + 1, labels[:0]):
        with unchecked(), pytest.raises(ValueError, match="labels"):
            train_patch_net(net, patches, wrong_labels, TrainSpec())
    with pytest.raises(ValueError, match="every weight is 0"):
        train_patch_net(net.with_weight(0 * net.weight), patches, labels, TrainSpec())
