"""sparsify: prunes what is useless, averages without bias, resumes to the same bits."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from gated_nets import wide_resnet
from torch import Tensor, nn

from multiview import stream
from multiview.models import MLP
from multiview.sparsity import (
    L0Spec,
    Sparsifying,
    expected_share,
    gate_layers,
    gated_layers,
    pruned,
    recalibrate_batchnorm,
    sparsify,
    units_left,
)
from multiview.sparsity.hard_concrete import LOWEST
from multiview.train.checkpoint import Checkpoint
from multiview.train.compute import ComputeSpec
from multiview.train.loop import error_score, target_loss
from multiview.train.optim import OptimSpec

SPEC = OptimSpec(
    epochs=100,
    batch_size=100,
    algorithm="adam",
    learning_rate=0.05,
    warmup=0.0,
    schedule="steps",
    milestones=(),
    weight_decay=0.0,
)


def problem() -> tuple[Tensor, Tensor]:
    """Four of twenty inputs decide."""
    x = torch.randn(300, 20, generator=stream(0, "x"))
    return x, x[:, :4].argmax(1)


def net() -> nn.Module:
    built = MLP(input_shape=(20,), num_classes=4, widths=(16,), generator=stream(0, "net"))
    return gate_layers(built, dropout=(0.2, 0.5), generator=stream(0, "gates"))


def trained(penalty: L0Spec, spec: OptimSpec = SPEC, **settings) -> nn.Module:
    x, y = problem()
    module = net()
    sparsify(module, x, y, spec=spec, penalty=penalty, generator=stream(1), **settings)
    return module


def test_it_keeps_the_inputs_that_decide():
    x, y = problem()
    module = trained(L0Spec(strength=2.0))
    kept = (next(iter(gated_layers(module).values())).gates.eval()()[0] > 0).nonzero().flatten()
    assert kept.tolist() == [0, 1, 2, 3]
    assert (pruned(module)(x).argmax(1) == y).float().mean() > 0.9
    assert not module.training


def test_without_a_penalty_most_gates_stay_open_and_with_much_none_does():
    assert units_left(trained(L0Spec(strength=0.0)))[0] > 15
    closed = trained(L0Spec(strength=30.0))
    assert max(units_left(closed)) == 0
    for layer in gated_layers(closed).values():
        assert (layer.gates.log_alpha >= LOWEST).all()  # where it could still come back


def test_a_late_penalty_has_not_acted_before():
    x, y = problem()
    shares = []
    for delay in (0.0, 0.99):
        module = net()
        penalty = L0Spec(strength=2.0, delay=delay)
        sparsify(module, x, y, spec=SPEC, penalty=penalty, generator=stream(1))
        shares.append(float(expected_share(module).detach()))
    assert shares[0] < 0.35
    assert shares[1] > 0.6


@pytest.mark.parametrize("target", [0.2, 0.5])
def test_the_lagrangian_meets_its_target(target):
    # 0.2 takes units that decide: the multiplier must outgrow what they are worth.
    module = trained(L0Spec(target=target, warmup=0.3))
    assert float(expected_share(module).detach()) == pytest.approx(target, abs=0.02)


def test_a_multiplier_waits_for_the_penalty():
    training = Sparsifying(net(), L0Spec(target=0.1, delay=0.5), 300)
    multipliers = []
    for step in range(1, 11):
        training.after_step(step, 10)
        multipliers.append(float(training.multiplier))
    assert multipliers[:5] == [0.0] * 5
    assert all(a < b for a, b in pairwise(multipliers[4:]))


def test_a_signed_multiplier_meets_a_target_that_costs_nothing():
    module = trained(L0Spec(target=0.5, warmup=0.3, signed=True, ascent=200.0))
    assert float(expected_share(module).detach()) == pytest.approx(0.5, abs=0.03)


def test_a_score_sees_the_averaged_weights():
    x, y = problem()
    seen = []

    def score(module: nn.Module) -> Tensor:
        seen.append(module(x).detach())
        return torch.zeros(1)

    module = net()
    penalty = L0Spec(averaging=0.99)
    sparsify(module, x, y, spec=SPEC, penalty=penalty, generator=stream(1), score=score)
    torch.testing.assert_close(seen[-1], module(x).detach())


def test_statistics_are_those_of_the_gates_at_test_time():
    module = wide_resnet()
    x = 3 + torch.randn(64, 3, 8, 8, generator=stream(0, "x"))
    recalibrate_batchnorm(module, [x])
    captured = []
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    for each in norms:
        each.register_forward_hook(lambda layer, inputs, out: captured.append((layer, inputs[0])))
    assert not any(each.training for each in module.modules())
    with torch.no_grad():
        module(x)
    for layer, inputs in captured:
        # Up to n / (n - 1) of the layers before, which a batch divides by and a sum does not.
        torch.testing.assert_close(layer.running_mean, inputs.mean((0, 2, 3)), atol=1e-2, rtol=1e-2)
        torch.testing.assert_close(layer.running_var, inputs.var((0, 2, 3)), atol=0, rtol=1e-2)
        assert layer.momentum == 0.1


@pytest.mark.parametrize("loader", [False, True])
def test_sparsify_leaves_such_statistics(loader):
    module = wide_resnet()
    x, y = torch.randn(40, 3, 8, 8, generator=stream(0, "x")), torch.arange(40) % 3
    spec = OptimSpec(epochs=1, batch_size=40, weight_decay=0.0)
    settings = {"spec": spec, "penalty": L0Spec(averaging=0.9), "generator": stream(1)}
    if loader:
        data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=40)
        sparsify(module, data, num_samples=40, **settings)
    else:
        sparsify(module, x, y, **settings)
    after = {name: value.clone() for name, value in module.state_dict().items()}
    recalibrate_batchnorm(module, [x])
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, after[name], msg=name)


def test_statistics_weigh_samples_alike_and_refuse_batches_of_one():
    norm = nn.BatchNorm1d(1)
    x = torch.cat([torch.zeros(10, 1), torch.ones(10, 1), torch.full((3, 1), 100.0)])
    recalibrate_batchnorm(norm, x.split(10))
    assert float(norm.get_buffer("running_mean")) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="2 or more"):
        recalibrate_batchnorm(norm, x.split(1))


def test_the_best_state_is_one_of_the_net():
    x, y = problem()
    for averaging in (None, 0.5):
        module = net()
        penalty = L0Spec(averaging=averaging)
        score = error_score(x, y)
        result = sparsify(
            module, x, y, spec=SPEC, penalty=penalty, generator=stream(1), score=score
        )
        net().load_state_dict(result.best[0].state)  # neither more nor fewer names
        assert result.scores is not None
        module.load_state_dict(result.best[0].state)
        assert float(score(module.eval())) == pytest.approx(float(result.scores.min()))


class Stopped(Exception):
    pass


@pytest.mark.parametrize("penalty", [L0Spec(averaging=0.9), L0Spec(target=0.3, warmup=0.5)])
def test_an_interrupted_training_goes_on_to_the_same_bits(penalty, tmp_path):
    x, y = problem()
    spec = OptimSpec(epochs=4, batch_size=50, learning_rate=0.1, weight_decay=0.0)
    whole = trained(penalty, spec).state_dict()
    place = partial(Checkpoint, path=tmp_path / "c.pt", seconds=0)
    steps, plain = [], target_loss(y)

    def stopping(*arguments):
        steps.append(0)
        if len(steps) == 10:
            raise Stopped
        return plain(*arguments)

    common = {"spec": spec, "penalty": penalty}
    with pytest.raises(Stopped):
        sparsify(net(), x, y, generator=stream(1), loss=stopping, checkpoint=place(), **common)
    resumed = net()
    sparsify(resumed, x, y, generator=stream(1), checkpoint=place(), **common)
    for name, value in resumed.state_dict().items():
        assert value.equal(whole[name]), name


def test_autocast_trains_the_gates_too():
    module = trained(L0Spec(strength=2.0), compute=ComputeSpec(bfloat16=True))
    kept = (next(iter(gated_layers(module).values())).gates.eval()()[0] > 0).nonzero().flatten()
    assert kept.tolist() == [0, 1, 2, 3]


def test_what_cannot_be_is_refused():
    x, y = problem()
    common = {"penalty": L0Spec(), "generator": stream(0)}
    plain = MLP(input_shape=(20,), num_classes=4, widths=(16,), generator=stream(0))
    with pytest.raises(ValueError, match="no gates"):
        sparsify(plain, x, y, spec=SPEC, **common)
    with pytest.raises(ValueError, match=r"weight_decay=0\.0005"):
        sparsify(net(), x, y, spec=OptimSpec(), **common)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=50)
    with pytest.raises(ValueError, match="num_samples"):
        sparsify(net(), loader, spec=SPEC, **common)
    sparsify(net(), loader, spec=OptimSpec(epochs=1, weight_decay=0.0), num_samples=300, **common)
