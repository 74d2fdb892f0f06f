"""fit and OptimSpec: deterministic, trains, takes soft targets, keeps the best, stops on NaN."""

import copy
import math
import pickle

import pytest
import torch
from small_training import SPEC, net, problem
from torch import nn

from multiview import stream
from multiview.data.augment import flip_and_crop
from multiview.models import SideBySide
from multiview.train.compute import outputs_of
from multiview.train.errors import Diverged
from multiview.train.loop import error_score, fit, target_loss
from multiview.train.optim import NoDecay, OptimSpec


def test_it_trains_and_leaves_eval_mode():
    x, y = problem()
    module = net()
    result = fit(module, x, target_loss(y), SPEC, stream(0, "order"))
    assert result.steps == 20 * 4
    assert result.loss.shape == (20,)
    assert result.loss[-1] < 0.2 * result.loss[0]
    assert (module(x).argmax(1) == y).float().mean() > 0.95
    assert not module.training


def test_the_same_seeds_give_the_same_bits():
    x, y = problem()

    def weights(order: int) -> torch.Tensor:
        module = net()
        fit(module, x, target_loss(y), SPEC, stream(order, "order"), augment=flip_and_crop)
        return nn.utils.parameters_to_vector(module.parameters())

    assert weights(0).equal(weights(0))
    assert not weights(0).equal(weights(1))


def test_one_hot_probabilities_train_like_labels():
    x, y = problem()
    hard, soft = net(), net()
    one_hot = nn.functional.one_hot(y, 3).float()
    a = fit(hard, x, target_loss(y), SPEC, stream(0, "order"))
    b = fit(soft, x, target_loss(one_hot), SPEC, stream(0, "order"))
    torch.testing.assert_close(a.loss, b.loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(hard(x), soft(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_of_many_is_the_sum_of_theirs(smoothing):
    y = torch.tensor([0, 2, 1, 1])
    rows = torch.tensor([3, 0])
    logits = torch.randn(2, 4, 3, generator=stream(0, "logits"))
    for targets in (y, nn.functional.one_hot(y, 3).float()):
        loss = target_loss(targets, smoothing)
        each = [loss(logits[:, e], logits, rows) for e in range(4)]
        torch.testing.assert_close(loss(logits, logits, rows), torch.stack(each).sum())
    target = (1 - smoothing) * nn.functional.one_hot(y[rows], 3) + smoothing / 3
    expected = -(target * logits[:, 0].log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(each[0], expected)


def test_the_best_state_of_each_net_is_that_of_its_lowest_score():
    x, y = problem()
    held, labels = x[:20], y[:20]
    group = SideBySide([net(0), net(1)])
    spec = OptimSpec(epochs=6, batch_size=8, learning_rate=0.4)  # restless
    seen = []

    def score(module):
        assert not module.training
        seen.append([outputs_of(each, held) for each in module.nets])
        return error_score(held, labels)(module)

    result = fit(group, x[20:], target_loss(y[20:]), spec, stream(0, "order"), score=score)
    assert result.scores is not None
    assert result.scores.shape == (6, 2)
    for i, best in enumerate(result.best):
        scores = result.scores[:, i].tolist()
        assert len(set(scores)) > 1
        assert best.score == min(scores)
        assert best.epoch == scores.index(min(scores))  # the first of equals
        copy = net(i)
        copy.load_state_dict(best.state)
        torch.testing.assert_close(outputs_of(copy, held), seen[best.epoch][i])
        errors = (outputs_of(copy, held).argmax(1) != labels).float().mean()
        assert errors.item() == pytest.approx(best.score)


def test_a_score_changes_nothing_and_must_fit_the_nets():
    x, y = problem(20)
    spec = OptimSpec(epochs=2, batch_size=8)
    plain, scored = net(), net()
    fit(plain, x, target_loss(y), spec, stream(0, "order"))
    fit(scored, x, target_loss(y), spec, stream(0, "order"), score=error_score(x, y))
    for name, weight in plain.state_dict().items():
        assert weight.equal(scored.state_dict()[name]), name
    two = lambda module: torch.zeros(2)  # noqa: E731
    with pytest.raises(ValueError, match="score returned 2 values for 1 nets"):
        fit(net(), x, target_loss(y), spec, stream(0, "order"), score=two)


def test_it_is_plain_descent_where_everything_else_is_off():
    x, y = problem(12)
    linear = nn.Linear(64, 3, bias=False)  # its own draw is overwritten
    weight = torch.randn(3, 64, generator=stream(0, "weight")).double()
    with torch.no_grad():
        linear.weight.copy_(weight)
    module = nn.Sequential(nn.Flatten(), linear)
    spec = OptimSpec(
        epochs=3, batch_size=12, learning_rate=0.1, momentum=0, weight_decay=0, warmup=0
    )
    losses = fit(module, x, target_loss(y), spec, stream(0, "order")).loss
    features = x.flatten(1).double()
    for step in range(3):
        p = (features @ weight.T).softmax(1)
        expected = -p[range(12), y].log().mean().item()
        assert losses[step].item() == pytest.approx(expected, rel=1e-5)
        residual = p - nn.functional.one_hot(y, 3)
        weight -= 0.1 * (3 - step) / 3 * residual.T @ features / 12
    torch.testing.assert_close(linear.weight.double(), weight, rtol=1e-5, atol=1e-6)


def test_the_loss_sees_the_inputs_and_rows_the_module_saw():
    x, _ = problem(20)
    shift = lambda images, generator: images + 100  # noqa: E731

    def loss(outputs, inputs, rows):
        torch.testing.assert_close(inputs, x[rows] + 100)
        seen.extend(rows.tolist())
        return outputs.square().mean()

    seen: list[int] = []
    spec = OptimSpec(epochs=2, batch_size=8, learning_rate=1e-3)
    fit(net(), x, loss, spec, stream(0, "order"), augment=shift)
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(20))
    assert seen[:20] != seen[20:]


def test_the_history_is_the_mean_over_the_samples_whatever_the_batches():
    x, _ = problem(20)
    values = torch.arange(20.0)
    loss = lambda outputs, inputs, rows: values[rows].mean() + 0 * outputs.sum()  # noqa: E731
    spec = OptimSpec(epochs=2, batch_size=8)  # 8, 8 and 4 samples
    result = fit(net(), x, loss, spec, stream(0, "order"))
    torch.testing.assert_close(result.loss, torch.full((2,), 9.5))


def test_progress_hears_of_every_epoch():
    x, y = problem(12)
    heard: list[tuple[str, float]] = []
    spec = OptimSpec(epochs=4, batch_size=6)
    hear = lambda message, fraction: heard.append((message, fraction))  # noqa: E731
    fit(net(), x, target_loss(y), spec, stream(0, "order"), progress=hear)
    assert [fraction for _, fraction in heard] == [0.25, 0.5, 0.75, 1.0]
    assert heard[0][0].startswith("epoch 1/4 loss ")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_divergence_names_step_and_settings(bad):
    x, y = problem(20)
    calls = iter(range(100))

    def loss(outputs, inputs, rows):
        value = target_loss(y)(outputs, inputs, rows)
        return value * bad if next(calls) == 7 else value

    spec = OptimSpec(epochs=4, batch_size=5, learning_rate=0.03)
    message = r"at step 7 of 16 \(epoch 1\) .*learning_rate=0\.03"
    with pytest.raises(Diverged, match=message):
        fit(net(), x, loss, spec, stream(0, "order"))


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    spec = OptimSpec(learning_rate=2.0, warmup=0.25)
    rates = [spec.rate(step, 100) for step in range(100)]
    assert max(rates) == pytest.approx(2.0)
    assert rates.index(max(rates)) in (24, 25)
    assert rates[11] == pytest.approx(2 * 12 / 25)
    assert rates[-1] == pytest.approx(2 / 75)
    assert min(rates) > 0
    assert OptimSpec(warmup=0, learning_rate=2.0).rate(0, 10) == 2.0


def test_the_rate_falls_in_steps_at_the_milestones():
    spec = OptimSpec(learning_rate=0.1, warmup=0, schedule="steps")
    rates = [spec.rate(step, 200) for step in range(200)]
    expected = [0.1] * 60 + [0.02] * 60 + [0.004] * 40 + [0.0008] * 40
    assert rates == pytest.approx(expected)
    warm = OptimSpec(learning_rate=0.1, warmup=0.05, schedule="steps")
    assert warm.rate(4, 200) == pytest.approx(0.05)
    assert [warm.rate(step, 200) for step in (9, 60)] == pytest.approx([0.1, 0.02])


@pytest.mark.parametrize(
    "field",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"warmup": 1.0},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"milestones": (0.5, 0.4)},
        {"milestones": (0.5, 1.0)},
        {"drop": 0.0},
    ],
)
def test_bad_settings_are_refused_by_name(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        OptimSpec(**field)


def test_adam_follows_torchs():
    x, y = problem()
    module, twin = net(), net()
    spec = OptimSpec(
        epochs=1, batch_size=len(x), algorithm="adam", learning_rate=0.01, warmup=0.0, momentum=0.9
    )
    fit(module, x, target_loss(y), spec, stream(0, "order"))
    adam = torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=spec.weight_decay)
    torch.nn.functional.cross_entropy(twin(x), y).backward()
    adam.step()
    for ours, theirs in zip(module.parameters(), twin.parameters(), strict=True):
        # The samples' order changes a sum's rounding, which Adam's first step divides by itself.
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


@pytest.mark.parametrize("algorithm", ["sgd", "adam"])
def test_weight_decay_leaves_undecayed_parameters_alone(algorithm):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.free = NoDecay(torch.ones(3))
            self.decayed = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return 0 * x + 0 * (self.free + self.decayed)

    spec = OptimSpec(epochs=2, learning_rate=0.1, weight_decay=0.5, algorithm=algorithm)
    module = copy.deepcopy(Two())
    fit(module, torch.zeros(4, 3), target_loss(torch.arange(4) % 3), spec, stream(0))
    assert module.free.equal(torch.ones(3))
    assert (module.decayed < 0.99).all()


def test_undecayed_parameters_stay_so_in_a_pickle():
    copied = pickle.loads(pickle.dumps(nn.ParameterList([NoDecay(torch.ones(3))])))
    assert type(copied[0]) is NoDecay
    assert copied[0].equal(torch.ones(3))


def test_max_norm_leaves_undecayed_and_frozen_parameters_alone():
    free, frozen = NoDecay(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3), requires_grad=False)
    trained = nn.Parameter(torch.ones(3, 3))
    optimizer = OptimSpec(max_norm=0.5).optimizer([free, frozen, trained])
    ((free + trained).sum() * 1e-9).backward()
    optimizer.step()
    assert free.detach().norm(dim=1).min() > 1.7
    assert frozen.norm(dim=1).min() > 1.7
    assert trained.detach().norm(dim=1).max() < 0.51


def test_after_step_counts_every_step_of_the_training():
    x, y = problem()
    seen = []
    spec = OptimSpec(epochs=2, batch_size=25)
    fit(
        net(),
        x,
        target_loss(y),
        spec,
        stream(0),
        after_step=lambda *counts: seen.append(counts),
    )
    assert seen == [(step, 6) for step in range(1, 7)]
