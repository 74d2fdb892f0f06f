"""MLP and QuickNet: sizes, dropout, initialisation, bad input."""

import pytest
import torch
from torch import nn

from multiview import stream
from multiview.models import MLP, QuickNet


def mlp(name="init", **changes) -> MLP:
    settings = {"input_shape": (1, 28, 28), "num_classes": 10, "widths": (1200, 1200)} | changes
    return MLP(**settings, generator=stream(0, name))


def quick(name="init", **changes) -> QuickNet:
    settings = {"image_shape": (3, 32, 32), "num_classes": 10} | changes
    return QuickNet(**settings, generator=stream(0, name))


def test_hintons_teacher_has_two_layers_of_1200_and_dropout_of_inputs_and_hidden_units():
    net = mlp(input_dropout=0.2, dropout=0.5)
    assert sum(p.numel() for p in net.parameters()) == 784 * 1200 + 1200 * 1200 + 12000 + 2410
    assert [layer.p for layer in net.layers if isinstance(layer, nn.Dropout)] == [0.2, 0.5, 0.5]
    assert not any(isinstance(layer, nn.Dropout) for layer in mlp().layers)


def test_quick_nets_size_is_that_of_its_convolutions_and_two_layers():
    counts = 32 * (75 + 1) + 32 * (800 + 1) + 64 * (800 + 1) + 64 * (1024 + 1) + 10 * 65
    net = quick()
    assert sum(p.numel() for p in net.parameters()) == counts
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert quick(image_shape=(1, 28, 28))(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("new", [mlp, quick])
def test_initialisation_is_the_generators_alone(new):
    before = torch.get_rng_state()
    first, again, other = (new(name).state_dict() for name in ("init", "init", "other"))
    assert torch.get_rng_state().equal(before)
    assert all(first[name].equal(again[name]) for name in first)
    assert not first["layers.1.weight" if new is mlp else "layers.0.weight"].equal(
        other["layers.1.weight" if new is mlp else "layers.0.weight"]
    )


@pytest.mark.parametrize("new", [mlp, quick])
def test_dropout_acts_in_training_alone(new):
    net = new(dropout=0.5)
    x = torch.randn(8, *((1, 28, 28) if new is mlp else (3, 32, 32)), generator=stream(0, "x"))
    assert not net.train()(x).equal(net(x))
    assert net.eval()(x).equal(net(x))


@pytest.mark.parametrize(
    ("new", "changes", "field"),
    [
        (mlp, {"widths": (4, 0)}, "widths"),
        (mlp, {"dropout": 1.0}, "dropout"),
        (mlp, {"input_dropout": -0.1}, "input_dropout"),
        (quick, {"image_shape": (3, 7, 32)}, "image_shape"),
        (quick, {"hidden": 0}, "hidden"),
        (quick, {"dropout": 1.0}, "dropout"),
    ],
)
def test_bad_settings_are_refused_by_name(new, changes, field):
    with pytest.raises(ValueError, match=field):
        new(**changes)
