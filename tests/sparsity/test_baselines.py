"""What gates leave, and networks without gates beside it: pruned by norm, anew, with dropout."""

from typing import Any

import pytest
import torch
from torch import nn

from multiview import stream
from multiview.models import MLP, LeNet5, WideResNet
from multiview.sparsity import (
    eval_gates,
    gated_layers,
    magnitude_pruned,
    pruned,
    reinitialised,
    remaining,
    share_open,
    with_dropout,
    with_gates,
)


def small_mlp(widths: tuple[int, ...] = (7, 6), sides: int = 4) -> MLP:
    return MLP(input_shape=(1, sides, sides), num_classes=3, widths=widths, generator=stream(0))


def test_a_network_initialised_anew_has_the_same_sizes_and_reads_the_same_inputs():
    gated = with_gates(small_mlp(), 0.5, stream(1))
    with torch.no_grad():
        for layer in gated_layers(gated).values():
            layer.gates.log_alpha[::2] = -5
    left = pruned(gated)
    fresh = reinitialised(left, stream(2))
    for old, new in zip(left.parameters(), fresh.parameters(), strict=True):
        assert old.shape == new.shape
        assert new.dim() == 1 or not old.equal(new)
    x = torch.randn(5, 1, 4, 4, generator=stream(0))
    closed = x.clone().flatten(1)
    closed[:, ::2] = 9.0
    torch.testing.assert_close(fresh.eval()(x), fresh(closed.view_as(x)))


def test_new_initial_weights_do_not_depend_on_the_memory_format():
    net = LeNet5(image_shape=(3, 16, 16), widths=(4, 5, 6), generator=stream(0))
    plain = reinitialised(net, stream(2))
    channels_last: Any = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    last = reinitialised(channels_last, stream(2))
    assert all(a.equal(b) for a, b in zip(plain.parameters(), last.parameters(), strict=True))


def test_pruning_by_norm_keeps_the_largest_and_only_what_is_made():
    net = LeNet5(image_shape=(1, 16, 16), widths=(4, 5, 6), generator=stream(0)).eval()
    small = magnitude_pruned(net, (2, 3, 2, 4))
    layers: list[Any] = [x for x in small.modules() if isinstance(x, nn.Conv2d | nn.Linear)]
    conv: Any = net.layers[0]
    kept = conv.weight.flatten(1).square().sum(1).topk(2).indices.sort().values
    assert layers[0].weight.equal(conv.weight[kept])
    # No more than asked for: a filter none of whose pixels is read is gone too.
    assert layers[0].out_channels == 2
    assert layers[1].out_channels <= 3
    assert (layers[2].in_features, layers[3].in_features) == (2, 4)


def test_pruning_by_norm_to_all_units_changes_nothing():
    x = torch.randn(3, 3, 16, 16, generator=stream(0, "x"))
    for net, units in (
        (LeNet5(image_shape=(3, 16, 16), widths=(4, 5, 6), generator=stream(0)), (4, 5, 5, 6)),
        (WideResNet(depth=10, widen=1, image_shape=(3, 16, 16), generator=stream(0)), (16, 32, 64)),
    ):
        small = magnitude_pruned(net.eval(), units)
        torch.testing.assert_close(small(x), net(x), rtol=1e-5, atol=1e-5)


def test_pruning_a_wide_resnet_by_norm():
    net = WideResNet(depth=10, widen=1, image_shape=(3, 8, 8), generator=stream(0)).eval()
    small = magnitude_pruned(net, (2, 30, 7))
    blocks: list[Any] = [each for each in small.modules() if type(each).__name__ == "Block"]
    assert [each.branch[0].out_channels for each in blocks] == [2, 30, 7]


@pytest.mark.parametrize("units", [(1, 2), (17, 7, 6), (16, 7, -1)])
def test_units_that_are_not_there_are_refused(units):
    with pytest.raises(ValueError, match="units="):
        magnitude_pruned(small_mlp(), units)


def rates(net: nn.Module) -> list[float]:
    return [each.p for each in net.modules() if isinstance(each, nn.Dropout)]


def test_dropout_stands_before_linear_layers_and_inside_blocks():
    mlp, lenet = small_mlp((7,)), LeNet5(image_shape=(1, 16, 16), generator=stream(0))
    wide = WideResNet(depth=10, widen=1, generator=stream(0))
    assert rates(with_dropout(mlp, 0.2, 0.5)) == [0.2, 0.5]
    assert rates(with_dropout(lenet, 0.2, 0.5)) == [0.5, 0.5]  # a convolution reads the image
    assert rates(with_dropout(wide, 0.2, 0.3)) == [0.3] * 3
    assert rates(mlp) == rates(wide) == []
    with pytest.raises(ValueError, match="named layers"):
        with_dropout(nn.Linear(3, 3), 0.2, 0.5)


def test_shares_of_weights_are_by_gates():
    net = MLP(input_shape=(4,), num_classes=3, widths=(2,), generator=stream(0))
    gated = with_gates(net, 0.5, stream(0))
    first, second = gated_layers(gated).values()
    assert share_open(gated) == 1.0
    with torch.no_grad():
        first.gates.log_alpha[:3] = -5
        second.gates.log_alpha[0] = -2.39  # open at test time, though nearly closed
    assert eval_gates(second.gates.log_alpha)[0] > 0
    share = (1 * 2 + 2 * 3) / (4 * 2 + 2 * 3)
    assert share_open(gated) == share
    found = remaining(gated)
    assert (found["share_open"], found["units"]) == (share, [1, 2])
    assert 0 < found["expected_share"] < 1
    assert [0 < each < 4 for each in found["expected_units"]] == [True, True]
    with pytest.raises(ValueError, match="no gates"):
        share_open(net)
