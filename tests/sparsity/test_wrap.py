"""Gates are put where the paper has them, and behind the norm."""

import pytest
import torch
from torch import nn

from multiview import stream
from multiview.models import MLP, LeNet5, WideResNet
from multiview.sparsity import (
    GatedConv2d,
    GatedLinear,
    gate_blocks,
    gate_layers,
    gated_layers,
    number_of_gates,
)


def test_the_mlp_has_a_gate_for_each_unit():
    net = MLP(input_shape=(784,), num_classes=10, widths=(300, 100), generator=stream(0))
    gate_layers(net, dropout=(0.2, 0.5, 0.5), generator=stream(0))
    assert [len(each.gates.log_alpha) for each in gated_layers(net).values()] == [784, 300, 100]
    starts = [float(each.gates.log_alpha.detach().mean()) for each in gated_layers(net).values()]
    assert starts == pytest.approx([1.386, 0.0, 0.0], abs=0.005)
    assert number_of_gates(net) == 1184


def test_lenet_has_20_50_800_500():
    net = gate_layers(LeNet5(generator=stream(0)), generator=stream(0))
    kinds = [type(each) for each in gated_layers(net).values()]
    assert kinds == [GatedConv2d, GatedConv2d, GatedLinear, GatedLinear]
    sizes = [len(each.gates.log_alpha) for each in gated_layers(net).values()]
    assert sizes == [20, 50, 800, 500]


def test_blocks_are_gated_behind_the_norm_of_their_first_convolution():
    settings = {"depth": 16, "widen": 2, "image_shape": (3, 8, 8), "generator": stream(0)}
    net = gate_blocks(WideResNet(**settings), generator=stream(0))
    layers = list(gated_layers(net).values())
    sizes = [len(each.gates.log_alpha) for each in layers]
    assert sizes == [32, 32, 64, 64, 128, 128]
    for layer in layers:
        assert isinstance(layer, GatedConv2d)
        assert isinstance(layer.norm, nn.BatchNorm2d)


def test_open_gates_leave_the_function_as_it_was():
    settings = {"depth": 10, "widen": 1, "image_shape": (3, 8, 8)}
    plain = WideResNet(**settings, generator=stream(0, "net"))
    gated = gate_blocks(WideResNet(**settings, generator=stream(0, "net")), generator=stream(0))
    for layer in gated_layers(gated).values():
        nn.init.constant_(layer.gates.log_alpha, 4.0)
    x = torch.randn(4, 3, 8, 8, generator=stream(0, "x"))
    torch.testing.assert_close(gated.eval()(x), plain.eval()(x))


def test_a_norm_is_taken_in_or_refused():
    def conv() -> nn.Module:
        return nn.Conv2d(2, 3, 3)

    net = nn.Sequential(nn.Sequential(conv()), nn.Identity(), nn.BatchNorm2d(3), nn.ReLU())
    gate_layers(net, generator=stream(0))
    (layer,) = gated_layers(net).values()
    assert isinstance(layer, GatedConv2d)
    assert isinstance(layer.norm, nn.BatchNorm2d)
    for between in (nn.Dropout(), nn.ReLU()):
        with pytest.raises(ValueError, match="cancel"):
            gate_layers(nn.Sequential(conv(), between, nn.BatchNorm2d(3)), generator=stream(0))
    gate_layers(nn.Sequential(conv(), nn.ReLU(), conv(), nn.BatchNorm2d(3)), generator=stream(0))


def test_a_layer_has_one_gate():
    layer = nn.Linear(4, 4)
    with pytest.raises(ValueError, match="twice"):
        gate_layers(nn.Sequential(layer, nn.ReLU(), layer), generator=stream(0))
    net = gate_layers(nn.Sequential(nn.Linear(4, 4)), generator=stream(0))
    with pytest.raises(ValueError, match="already"):
        gate_layers(net, generator=stream(0))


def test_nothing_to_gate_is_said():
    with pytest.raises(ValueError, match="no linear layer"):
        gate_layers(nn.Linear(3, 3), generator=stream(0))
    with pytest.raises(ValueError, match="gate_layers"):
        gate_blocks(LeNet5(generator=stream(0)), generator=stream(0))
    with pytest.raises(ValueError, match="4 gated layers"):
        gate_layers(LeNet5(generator=stream(0)), dropout=(0.2, 0.5), generator=stream(0))
    net = WideResNet(depth=10, widen=1, norm="group", generator=stream(0))
    with pytest.raises(ValueError, match="norm="):
        gate_blocks(net, generator=stream(0))
