"""Rocket launching: whom the hint moves and whom not, each hint's formula, and the procedure."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from unchecked import unchecked

from multiview import stream
from multiview.distill import (
    Hinton,
    Squares,
    distillation_loss,
    hint_loss,
    hinton_kd,
    official_kd_weight,
    rocket_launching,
    rocket_loss,
    sequential_rocket_launching,
)
from multiview.distill.rocket_loss import Hint
from multiview.models import RocketNets
from multiview.train.checkpoint import Checkpoint
from multiview.train.loop import error_score, fit, target_loss
from multiview.train.optim import OptimSpec

X = torch.randn(50, 6, generator=stream(0, "x"))
Y = torch.arange(50) % 3
ROWS = torch.arange(50)
SPEC = OptimSpec(epochs=3, batch_size=20, learning_rate=0.1)
HINTS: tuple[Hint, ...] = ("logits", "probabilities", "tempered")


def head(seed: int, norm: bool = False) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(*([nn.BatchNorm1d(8)] if norm else []), nn.Tanh(), nn.Linear(8, 3))


def pair(*, shared: bool = True, norm: bool = False) -> tuple[Any, Any]:
    """A light net and a booster on one first layer, each with a head of its own."""
    torch.manual_seed(0)
    trunk, other = nn.Linear(6, 8), nn.Linear(6, 8)
    light, booster = nn.Sequential(trunk, head(1, norm)), nn.Sequential(trunk, head(2, norm))
    if not shared:
        booster[0] = other
    return light, booster


def grads(value: Tensor, *modules: nn.Module) -> list[Tensor]:
    """Of all parameters of each module, as one vector; zeros where there is no path."""
    found = []
    for module in modules:
        own = list(module.parameters())
        each = torch.autograd.grad(value, own, retain_graph=True, allow_unused=True)
        flat = [torch.zeros_like(p) if g is None else g for p, g in zip(own, each, strict=True)]
        found.append(torch.cat([g.flatten() for g in flat]))
    return found


def hint_value(rocket: RocketNets, hint: Hint, *, block: bool) -> Tensor:
    """What the hint adds to the loss: that with weight 1 less that with weight 0."""
    with_hint, without = (
        rocket_loss(Y, hint=hint, weight=w, block=block)(rocket(X), X, ROWS) for w in (1.0, 0.0)
    )
    return with_hint - without


def by_path(light: Any, booster: Any, hint: Hint) -> tuple[Tensor, Tensor]:
    """The hint's derivative for the shared layer, through the light net and through the booster.

    Of nets whose shared layer is replaced by a copy for one of them, so that each path has a
    parameter of its own.
    """
    through = copy.deepcopy(light[0])
    said, z = light[1](light[0](X)), booster[1](through(X))
    distance = hint_loss(hint)(said, z).mean()
    by_light, by_booster = grads(distance, light[0], through)
    return by_light, by_booster


@pytest.mark.parametrize("hint", HINTS)
class TestGradientFlow:
    """The four paths of a hint, with the block and without."""

    def test_none_reaches_the_boosters_own_weights(self, hint):
        light, booster = pair()
        (blocked,) = grads(hint_value(RocketNets(light, booster), hint, block=True), booster[1])
        (free,) = grads(hint_value(RocketNets(light, booster), hint, block=False), booster[1])
        assert blocked.abs().max() < 1e-6  # labels' gradients cancel to rounding
        (own,) = grads(hint_loss(hint)(light(X), booster(X)).mean(), booster[1])
        torch.testing.assert_close(free, own, atol=1e-6, rtol=1e-4)
        assert own.abs().max() > 1e-3

    def test_none_reaches_shared_weights_through_the_booster(self, hint):
        light, booster = pair()
        by_light, by_booster = by_path(light, booster, hint)
        (blocked,) = grads(hint_value(RocketNets(light, booster), hint, block=True), light[0])
        (free,) = grads(hint_value(RocketNets(light, booster), hint, block=False), light[0])
        torch.testing.assert_close(blocked, by_light, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(free, by_light + by_booster, atol=1e-6, rtol=1e-4)
        assert by_booster.abs().max() > 1e-3

    @pytest.mark.parametrize("block", [True, False])
    def test_the_light_nets_own_weights_are_moved(self, hint, block):
        light, booster = pair()
        (moved,) = grads(hint_value(RocketNets(light, booster), hint, block=block), light[1])
        (own,) = grads(hint_loss(hint)(light(X), booster(X).detach()).mean(), light[1])
        torch.testing.assert_close(moved, own, atol=1e-6, rtol=1e-4)
        assert own.abs().max() > 1e-3

    def test_shared_weights_are_moved_through_the_light_net(self, hint):
        light, booster = pair()
        by_light, _ = by_path(light, booster, hint)
        assert by_light.abs().max() > 1e-3
        (blocked,) = grads(hint_value(RocketNets(light, booster), hint, block=True), light[0])
        assert (blocked - by_light).abs().max() < 1e-5

    def test_nets_that_share_nothing_pass_nothing_on(self, hint):
        light, booster = pair(shared=False)
        (blocked,) = grads(hint_value(RocketNets(light, booster), hint, block=True), booster)
        assert blocked.abs().max() < 1e-6


def test_labels_move_shared_weights_through_both_nets():
    """The block stops the hint alone."""
    light, booster = pair()
    loss = rocket_loss(Y, weight=0.0)(RocketNets(light, booster)(X), X, ROWS)
    (shared,) = grads(loss, light[0])
    each = [grads(nn.functional.cross_entropy(net(X), Y), light[0])[0] for net in (light, booster)]
    torch.testing.assert_close(shared, sum(each))
    assert min(g.abs().max() for g in each) > 1e-3


def logits() -> tuple[Tensor, Tensor]:
    generator = stream(0, "logits")
    said, z = (2 * torch.randn(7, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return said.requires_grad_(), z


def test_hints_by_loops():
    said, z = logits()
    mimic = squared = tempered = 0.0
    T = 3.0
    for a, b in zip(said.detach(), z, strict=True):
        p, q = a.exp() / a.exp().sum(), b.exp() / b.exp().sum()
        hot, target = (a / T).exp() / (a / T).exp().sum(), (b / T).exp() / (b / T).exp().sum()
        for i in range(4):
            mimic += float((a[i] - b[i]) ** 2) / 7
            squared += float((p[i] - q[i]) ** 2) / 7
            tempered -= T**2 * float(target[i] * hot[i].log()) / 7
    for hint, expected in zip(HINTS, (mimic, squared, tempered), strict=True):
        assert hint_loss(hint, T)(said, z).mean().item() == pytest.approx(expected)


def test_the_derivative_of_squared_probabilities_is_the_papers():
    said, z = logits()
    (found,) = torch.autograd.grad(hint_loss("probabilities")(said, z).sum(), said)
    p, q = said.softmax(1), z.softmax(1)
    expected = 2 * p * (p - q + (p * (q - p)).sum(1, keepdim=True))
    torch.testing.assert_close(found, expected.detach())
    sure = torch.tensor([[40.0, 0.0, 0.0]], requires_grad=True)
    wrong = torch.tensor([[0.0, 40.0, 0.0]])
    (vanished,) = torch.autograd.grad(hint_loss("probabilities")(sure, wrong), sure)
    (mimic,) = torch.autograd.grad(hint_loss("logits")(sure, wrong), sure)
    assert vanished.abs().max() < 1e-12
    assert mimic.abs().max() == 80


def test_a_blocked_tempered_hint_has_hinton_kds_gradient():
    """T^2 CE and T^2 KL differ by what the booster alone decides."""
    said, z = logits()
    (ours,) = torch.autograd.grad(hint_loss("tempered", 5.0)(said, z).mean(), said)
    (theirs,) = torch.autograd.grad(hinton_kd(said, z, 5.0), said)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("hint", HINTS)
def test_a_partial_batch_weighs_no_less_per_sample(hint):
    """The published code divides a sum by a constant 128: its last batch counts less."""
    rocket = RocketNets(*pair())
    loss, outputs = rocket_loss(Y, hint=hint, weight=0.7), rocket(X)
    whole = loss(outputs, X, ROWS)
    few, rest = ROWS[:7], ROWS[7:]
    parts = [len(rows) * loss(outputs[rows], X[rows], rows) for rows in (few, rest)]
    torch.testing.assert_close(sum(parts) / 50, whole)
    twice = torch.cat([few, few])
    torch.testing.assert_close(
        loss(outputs[twice], X[twice], twice), loss(outputs[few], X[few], few)
    )


def test_the_loss_is_the_sum_of_its_terms():
    light, booster = pair()
    teacher = pair()[1]
    settings = {"weight": 0.3, "teacher": teacher, "teacher_weight": 0.6}
    loss = rocket_loss(Y, hint=hint_loss("tempered", 2.0), kd_loss=Hinton(3.0), **settings)
    value = loss(RocketNets(light, booster)(X), X, ROWS)
    said, z = light(X), booster(X)
    expected = sum(nn.functional.cross_entropy(each, Y) for each in (said, z))
    expected += 0.3 * hint_loss("tempered", 2.0)(said, z).mean()
    expected += 0.6 * hinton_kd(said, teacher(X), 3.0)
    torch.testing.assert_close(value, expected)


def test_the_published_codes_kd_is_ours_at_the_stated_weight():
    """kl_div's default averages over classes too, times 2 alpha T^2 there."""
    said, z = logits()
    T, alpha = 4.0, 0.9
    log_p, q = (said / T).log_softmax(1), (z / T).softmax(1)
    published = (q * (q.log() - log_p)).mean() * (T**2 * 2 * alpha)
    torch.testing.assert_close(published, official_kd_weight(4, alpha) * hinton_kd(said, z, T))


def test_several_boosters_hint_by_their_mean_and_learn_alone():
    light, one = pair(shared=False)
    other = head(5)
    other.insert(0, nn.Linear(6, 8))
    rocket = RocketNets(light, [one, other])
    value = rocket_loss(Y, weight=0.4)(rocket(X), X, ROWS)
    mean = (one(X) + other(X)) / 2
    expected = sum(nn.functional.cross_entropy(net(X), Y) for net in (light, one, other))
    expected += 0.4 * (light(X) - mean).square().sum(1).mean()
    torch.testing.assert_close(value, expected)


def states(module: nn.Module) -> list[Tensor]:
    return [each.clone() for each in module.state_dict().values()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(x.equal(y) for x, y in zip(a, b, strict=True))


def test_what_is_shared_stays_shared_and_is_counted_once():
    light, booster = pair(norm=True)
    rocket = RocketNets(light, booster)
    assert sum(p.numel() for p in rocket.parameters()) == (6 + 1) * 8 + 2 * (16 + 27)
    before = states(booster[0])
    result = rocket_launching(light, booster, X, Y, spec=SPEC, generator=stream(1), weight=0.1)
    assert result.light is light
    assert result.boosters == [booster]
    assert light[0].weight is booster[0].weight
    assert not equal(states(light[0]), before)
    assert not light.training
    assert not booster.training


def test_norms_are_of_each_net():
    light, booster = pair(norm=True)
    rocket_launching(light, booster, X, Y, spec=SPEC, generator=stream(1), weight=0.1)
    mine, theirs = light[1][0], booster[1][0]
    # Both saw the shared layer's outputs, in as many steps, and learnt other scales.
    torch.testing.assert_close(mine.running_mean, theirs.running_mean)
    assert not mine.weight.equal(theirs.weight)
    assert mine.running_mean.data_ptr() != theirs.running_mean.data_ptr()


def test_a_hint_that_is_blocked_leaves_an_unshared_booster_as_if_alone():
    light, booster = pair(shared=False)
    alone = copy.deepcopy(booster)
    fit(alone, X, target_loss(Y), SPEC, stream(1))
    free = copy.deepcopy((light, booster))
    rocket_launching(light, booster, X, Y, spec=SPEC, generator=stream(1), weight=0.5)
    torch.testing.assert_close(states(booster), states(alone))
    settings = {"spec": SPEC, "generator": stream(1), "weight": 0.5, "block": False}
    rocket_launching(*free, X, Y, **settings)
    assert (free[1][0].weight - alone[0].weight).abs().max() > 1e-3


@pytest.mark.parametrize("shared", [True, False])
def test_without_joint_training_one_learns_after_the_other(shared):
    light, booster = pair(shared=shared, norm=True)
    teacher = pair(norm=True)[0]
    mine, own = copy.deepcopy((light, booster))
    generator = stream(1)
    fit(own, X, target_loss(Y), SPEC, generator)
    mine = copy.deepcopy(mine)
    hinted = distillation_loss(Y, own, hint_loss("probabilities"), weight=0.5)
    further = distillation_loss(
        None, teacher, Hinton(temperature=4.0), weight=0.2, label_weight=0.0
    )
    kept = states(own)
    fit(mine, X, lambda *seen: hinted(*seen) + further(*seen), SPEC, generator)

    start = states(light)
    result = sequential_rocket_launching(
        light,
        booster,
        X,
        Y,
        spec=SPEC,
        generator=stream(1),
        hint="probabilities",
        weight=0.5,
        teacher=teacher,
        teacher_weight=0.2,
    )
    torch.testing.assert_close(states(result.light), states(mine))
    torch.testing.assert_close(states(booster), kept)  # the light net's training moved nothing
    mine_now: Any = result.light
    assert mine_now is not light
    assert mine_now[0].weight is not booster[0].weight
    assert equal(states(light), start) is not shared  # shared: as the booster left it
    assert len(result.fits) == 2


def test_the_hint_waits_for_its_time():
    """By hand: weight 0 for the first half of the steps, then the rest with the hint."""
    light, booster = pair()
    weights = []

    def watch(done: int, total: int) -> None:
        weights.append((done, total, light[0].weight.detach().clone()))

    spec = OptimSpec(epochs=4, batch_size=25, learning_rate=0.1)
    settings = {"spec": spec, "generator": stream(1), "weight": 0.5}
    late = copy.deepcopy((light, booster))
    rocket_launching(light, booster, X, Y, **settings, delay=0.5, after_step=watch)
    seen = []

    def unhinted(done: int, total: int) -> None:
        seen.append(late[0][0].weight.detach().clone())

    settings["weight"], settings["generator"] = 0.0, stream(1)
    rocket_launching(*late, X, Y, **settings, after_step=unhinted)
    assert [(done, total) for done, total, _ in weights] == [(i, 8) for i in range(1, 9)]
    alike = [w.equal(other) for (_, _, w), other in zip(weights, seen, strict=True)]
    assert alike == [True] * 4 + [False] * 4


def test_a_training_with_delay_goes_on_to_the_same_bits(tmp_path):
    def train(checkpoint=None, stop=None):
        light, booster = pair(norm=True)

        def after_step(done: int, total: int) -> None:
            if done == stop:
                raise KeyboardInterrupt

        settings = {"weight": 0.5, "delay": 0.4, "checkpoint": checkpoint}
        settings |= {"spec": SPEC, "generator": stream(1), "after_step": after_step}
        rocket_launching(light, booster, X, Y, **settings)
        return states(light) + states(booster)

    whole = train()
    for stop in (3, 6):  # of 9 steps: before the hint acts, which is from the 4th on, and after
        kept = Checkpoint(path=tmp_path / f"{stop}.pt", seconds=0.0)
        with pytest.raises(KeyboardInterrupt):
            train(kept, stop=stop)
        assert equal(train(kept), whole)


def test_each_training_of_two_has_a_checkpoint(tmp_path):
    def train(checkpoint=None):
        light, booster = pair()
        settings = {"spec": SPEC, "generator": stream(1), "checkpoint": checkpoint}
        return states(sequential_rocket_launching(light, booster, X, Y, **settings).light)

    kept = Checkpoint(path=tmp_path / "kept.pt", seconds=0.0)
    assert equal(train(kept), train())
    assert {path.name for path in tmp_path.iterdir()} == {"kept.pt", "kept-booster.pt"}
    assert equal(train(kept), train())


def test_scores_are_the_light_nets_first():
    light, booster = pair()
    with torch.no_grad():
        booster[1][1].bias.copy_(torch.tensor([1e3, 0, 0]))
    spec = OptimSpec(epochs=1, batch_size=50, learning_rate=1e-6)
    settings = {"spec": spec, "generator": stream(1), "score": error_score(X, Y), "weight": 0.0}
    (done,) = rocket_launching(light, booster, X, Y, **settings).fits
    assert done.scores is not None
    assert done.scores.shape == (1, 2)
    assert done.scores[0, 1] == (Y != 0).float().mean()
    assert done.scores[0, 0] != done.scores[0, 1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hint": "attention"}, "hint='attention'"),
        ({"weight": -1.0}, "weight=-1"),
        ({"weight": float("nan")}, "weight=nan"),
        ({"kd_loss": 4.0}, "kd_loss=4"),
        ({"teacher_weight": 0.5}, "no teacher"),
        ({"teacher": nn.Linear(6, 3)}, "a teacher"),
        ({"labels": None}, "labels is None"),
        ({"labels": Y[:3]}, "3 labels for 50"),
    ],
)
@pytest.mark.parametrize("procedure", [rocket_launching, sequential_rocket_launching])
def test_bad_settings_are_refused(procedure, change, says):
    light, booster = pair()
    settings = {"spec": SPEC, "generator": stream(1), "labels": Y} | change
    with unchecked(), pytest.raises(ValueError, match=says):
        procedure(light, booster, X, **settings)


def test_a_delay_is_a_fraction_of_the_steps():
    with pytest.raises(ValueError, match="delay=1"):
        rocket_launching(*pair(), X, Y, spec=SPEC, generator=stream(1), delay=1.0)


def test_a_hint_may_be_any_function_of_both_logits():
    light, booster = pair(shared=False)
    value = rocket_loss(Y, hint=Squares(center=False), weight=2.0)
    named = rocket_loss(Y, hint="logits", weight=1 / 3)
    outputs = RocketNets(light, booster)(X)
    torch.testing.assert_close(value(outputs, X, ROWS), named(outputs, X, ROWS))


def test_nets_that_are_one_are_refused():
    light, booster = pair()
    settings = {"spec": SPEC, "generator": stream(1)}
    with pytest.raises(ValueError, match="same module"):
        rocket_launching(light, light, X, Y, **settings)
    with pytest.raises(ValueError, match="booster is empty"):
        rocket_launching(light, [], X, Y, **settings)
    with pytest.raises(ValueError, match="teacher holds weights"):
        rocket_launching(light, booster, X, Y, teacher=booster, teacher_weight=1.0, **settings)
