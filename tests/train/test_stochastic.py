"""Dropout by itself: found wherever it is called, and nothing else of the module changes."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from multiview import stream
from multiview.train.compute import ComputeSpec, frozen
from multiview.train.stochastic import DropoutSwitch, stochastic, without_dropout
from multiview.train.training import forked_rng

P = 0.3
X = torch.ones(4000, 6)
IMAGES = torch.ones(4000, 6, 2, 2)


class Calls(nn.Module):
    """Calls a function, as code that holds no nn.Dropout does."""

    def __init__(self, call) -> None:
        super().__init__()
        self.call = call
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.call(x, self.training)


def drawn(function, inputs=X):
    with forked_rng(stream(0, "masks"), inputs.device):
        return function(inputs.clone())  # some drop in place


WAYS = {
    "nn.Dropout": (nn.Dropout(P), X),
    "inplace": (nn.Dropout(P, inplace=True), X),
    "functional": (Calls(lambda x, t: functional.dropout(x, P, t)), X),
    "keyword": (Calls(lambda x, t: functional.dropout(input=x, p=P, training=t)), X),
    "torch.dropout": (Calls(lambda x, t: torch.dropout(x, P, t)), X),
    "torch.dropout by name": (Calls(lambda x, t: torch.dropout(input=x, p=P, train=t)), X),
    "torch.dropout_": (Calls(lambda x, t: torch.dropout_(x.clone(), P, t)), X),
}
CHANNELS = {
    "nn.Dropout2d": (nn.Dropout2d(P), IMAGES),
    "dropout1d": (Calls(lambda x, t: functional.dropout1d(x.flatten(2), P, t)), IMAGES),
    "dropout3d": (Calls(lambda x, t: functional.dropout3d(x[..., None], P, t)), IMAGES),
    "torch.feature_dropout": (Calls(lambda x, t: torch.feature_dropout(x, P, t)), IMAGES),
}
ALPHA = {
    "nn.AlphaDropout": (nn.AlphaDropout(P), X),
    "alpha_dropout": (Calls(lambda x, t: functional.alpha_dropout(x, P, t)), X),
    "nn.FeatureAlphaDropout": (nn.FeatureAlphaDropout(P), IMAGES),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("training", [False, True])
def test_module_and_function_drop_by_the_same_law(way, training):
    module, inputs = WAYS[way]
    module.train(training)
    outputs = drawn(stochastic(module), inputs)
    assert outputs.unique().tolist() == pytest.approx([0, 1 / (1 - P)])
    # 24,000 draws: a standard deviation of 0.003.
    assert (outputs == 0).float().mean() == pytest.approx(P, abs=0.015)
    assert len(outputs.unique(dim=0)) > 30  # of 64 masks: each sample has its own
    assert module.training == training
    assert drawn(frozen(module), inputs).equal(inputs)


@pytest.mark.parametrize("way", CHANNELS)
def test_whole_channels_are_dropped(way):
    module, inputs = CHANNELS[way]
    outputs = drawn(stochastic(module), inputs).flatten(2)
    assert outputs.eq(outputs[..., :1]).all()
    assert (outputs == 0).float().mean() == pytest.approx(P, abs=0.015)


@pytest.mark.parametrize("way", ALPHA)
def test_alpha_dropout_is_random(way):
    module, inputs = ALPHA[way]
    outputs = drawn(stochastic(module), inputs)
    low, _ = outputs.unique().tolist()
    assert low < 0
    assert (outputs == low).float().mean() == pytest.approx(P, abs=0.015)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(P), nn.Linear(8, 3)
    )


def test_all_but_dropout_is_in_eval_mode_and_unchanged():
    module = net().train()
    x = torch.randn(50, 6, generator=stream(0, "x"))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    outputs = stochastic(module)(x)
    assert not outputs.requires_grad
    for name, value in module.state_dict().items():
        assert value.equal(before[name]), name
    assert all(part.training for part in module.modules())
    # With the statistics of the batch, a sample's outputs would depend on the other samples.
    mixed = torch.cat([x[:1], 100 * x[1:]])
    function = stochastic(module)
    assert drawn(function, mixed)[0].equal(drawn(function, x)[0])


def test_draws_follow_the_given_generator_and_leave_the_global_one_alone():
    function = stochastic(net())
    torch.manual_seed(3)
    state = torch.get_rng_state()
    assert drawn(function).equal(drawn(function))
    assert torch.get_rng_state().equal(state)
    assert not function(X).equal(function(X))


def test_attention_has_its_dropout_too():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(6, 2, dropout=P, batch_first=True)
    attend = Calls(lambda x, t: attention(x, x, x)[0])
    attend.attention = attention
    x = torch.randn(5, 4, 6, generator=stream(0))
    function = stochastic(attend)
    assert not function(x).equal(function(x))
    plain = without_dropout(attend).train()
    torch.testing.assert_close(plain(x), frozen(attend)(x))


class HiddenDropout(nn.Module):
    """Some of its dropout is behind a condition."""

    def forward(self, x):
        x = functional.dropout(x, P, self.training)
        return functional.dropout(x, P) if self.training else x


def attend(dropout_p, place="name"):
    def call(x, training):
        x = x[:, None, :, None]
        p = dropout_p if training else 0.0
        if place == "name":
            return functional.scaled_dot_product_attention(x, x, x, dropout_p=p)
        return functional.scaled_dot_product_attention(x, x, x, None, p)

    return Calls(call)


def without(x, training):
    return x + 0.0


@pytest.mark.parametrize(
    ("module", "inputs", "says"),
    [
        (nn.Linear(6, 3), X, "no dropout"),
        (nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.0)), X, "no dropout"),
        (Calls(without), X, "no dropout"),
        (HiddenDropout(), X, "1 of 2 calls of dropout are made in train mode only"),
        (attend(P), X, "nn.MultiheadAttention"),
        (attend(P, "place"), X, "nn.MultiheadAttention"),
        (nn.Sequential(nn.LSTM(6, 6, 2, dropout=P)), X, "0 is a recurrent net with dropout=0.3"),
    ],
    ids=["none", "p=0", "function", "hidden", "attention", "attention by place", "lstm"],
)
def test_dropout_that_cannot_be_switched_is_refused(module, inputs, says):
    with pytest.raises(ValueError, match=says):
        stochastic(module)(inputs[:4])


@pytest.mark.parametrize("way", WAYS | CHANNELS | ALPHA)
def test_a_copy_without_dropout_has_none_in_train_mode_neither(way):
    module, inputs = (WAYS | CHANNELS | ALPHA)[way]
    plain = without_dropout(module).train()
    torch.testing.assert_close(plain(inputs), frozen(module)(inputs))


@pytest.mark.parametrize("place", ["name", "place"])
def test_a_copy_without_dropout_reaches_what_can_only_be_switched_off(place):
    always = Calls(lambda x, t: functional.dropout(x, P))
    assert without_dropout(always)(X).equal(X)
    assert without_dropout(HiddenDropout())(X).equal(X)
    attention = attend(P, place)
    torch.testing.assert_close(without_dropout(attention).train()(X), frozen(attention)(X))
    lstm = nn.LSTM(6, 6, 2, dropout=P)
    plain = without_dropout(lstm).train()
    assert plain(X[:5])[0].equal(lstm.eval()(X[:5])[0])
    assert lstm.dropout == P


def test_a_copy_without_dropout_shares_no_weight_and_learns():
    module = net()
    plain = without_dropout(module).train()
    plain(X).sum().backward()
    assert all(each.grad is not None for each in plain.parameters())
    assert all(each.grad is None for each in module.parameters())
    assert not {id(a) for a in plain.parameters()} & {id(a) for a in module.parameters()}
    # In train mode, but for dropout.
    assert plain.state_dict()["net.1.num_batches_tracked"] == 1
    assert module.state_dict()["1.num_batches_tracked"] == 0


def test_the_innermost_switch_decides():
    for outer in (False, True):
        with DropoutSwitch(on=outer):
            with DropoutSwitch(on=not outer):
                assert functional.dropout(X, P, outer).equal(X) == outer
            assert functional.dropout(X, P, not outer).equal(X) != outer
    assert functional.dropout(X, P, False).equal(X)


def test_compilation_is_left_out(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *args: pytest.fail("was compiled"))
    stochastic(net(), ComputeSpec(compile=True))(X)
