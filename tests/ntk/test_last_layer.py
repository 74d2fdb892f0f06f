"""The kernel of the last layer against that of a net of which all else is frozen."""

import pytest
import torch

from multiview import stream
from multiview.models import ConvNet, WideResNet
from multiview.ntk import gram
from multiview.ntk.last_layer import last_inputs, last_layer_gram

SETTINGS = {"num_classes": 3, "image_shape": (2, 8, 16)}


def nets():
    draws = stream(0, "net")
    return [
        ConvNet(widths=(3, 4), generator=draws, **SETTINGS),
        WideResNet(depth=10, widen=1, norm="group", generator=draws, **SETTINGS),
    ]


@pytest.mark.parametrize("net", nets(), ids=lambda net: type(net).__name__)
def test_the_last_layers_kernel_is_that_of_a_net_with_all_else_frozen(net):
    x, y = torch.randn(2, 7, 2, 8, 16, generator=stream(0, "images"))
    own, cross = last_layer_gram(net, x), last_layer_gram(net, y[:5], x)
    assert all(parameter.requires_grad for parameter in net.parameters())
    *others, weight, bias = net.parameters()
    for parameter in others:
        parameter.requires_grad_(False)
    assert weight.dim() == 2
    assert bias.requires_grad
    full = gram(net, x, y[:5], outputs="full")
    for a in range(3):
        for b in range(3):
            wanted = cross.T if a == b else torch.zeros(7, 5).double()
            torch.testing.assert_close(full[..., a, b], wanted, rtol=1e-4, atol=1e-4)
    trace = gram(net, x, outputs="trace")
    torch.testing.assert_close(3 * own, trace, rtol=1e-4, atol=1e-3)


def test_last_inputs_are_what_the_last_layer_turns_into_the_output():
    net, *_ = nets()
    *_, layer = net.modules()
    many = torch.randn(600, 2, 8, 16, generator=stream(0, "many"))  # more than one batch
    features = last_inputs(net, many)
    assert not features.requires_grad
    torch.testing.assert_close(layer(features), net(many))
    assert not layer._forward_pre_hooks
