"""Pruned networks say the same with fewer weights; FLOPs count what is left."""

from typing import Any

import pytest
import torch
from gated_nets import NETS, close, lenet, mlp, scatter_gates, wide_resnet
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from multiview import stream
from multiview.models import WideResNet
from multiview.sparsity import (
    GatedConv2d,
    GatedLinear,
    flops,
    gate_layers,
    gated_layers,
    pruned,
    units_left,
)
from multiview.sparsity.hard_concrete import eval_gates, open_probability


def weights(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def counted(module: nn.Module, sample: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(sample.unsqueeze(0))
    return counter.get_total_flops()


@pytest.mark.parametrize("name", NETS)
def test_a_pruned_net_says_the_same_with_fewer_weights(name):
    build, shape = NETS[name]
    net = build().eval()
    small = pruned(net)
    x = torch.randn(16, *shape, generator=stream(0, "x"))
    torch.testing.assert_close(small(x), net(x), rtol=1e-5, atol=1e-5)
    assert not gated_layers(small)
    assert gated_layers(net), "the net itself is left as it was"
    assert weights(small) < 0.9 * sum(
        each.numel() for n, each in net.named_parameters() if "log_alpha" not in n
    )


@given(st.integers(0, 10**6), st.floats(-6, 3))
def test_whatever_is_closed_the_pruned_net_agrees(seed, centre):
    for build, shape in (NETS["mlp"], NETS["lenet"], NETS["wide_resnet"]):
        net = scatter_gates(build(), seed, centre).eval()
        x = torch.randn(3, *shape, generator=stream(seed, "x"))
        torch.testing.assert_close(pruned(net)(x), net(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("index", range(4))
def test_a_layer_may_be_closed_altogether(index):
    for build, shape in (NETS["mlp"], NETS["lenet"], NETS["wide_resnet"]):
        net = build().eval()
        names = list(gated_layers(net))
        net = close(net, names[index : index + 1])
        x = torch.randn(3, *shape, generator=stream(0, "x"))
        torch.testing.assert_close(pruned(net)(x), net(x), rtol=1e-5, atol=1e-5)


def test_layers_are_as_small_as_their_gates_say():
    net = lenet().eval()
    layers = list(gated_layers(net).values())
    with torch.no_grad():  # an open filter that no pixel of is listened to
        layers[1].gates.log_alpha[2] = 4.0
        layers[2].gates.log_alpha[8:12] = -4.0
    small: list[Any] = [
        each for each in pruned(net).modules() if isinstance(each, nn.Conv2d | nn.Linear)
    ]
    sizes = [small[0].out_channels, small[1].out_channels]
    sizes += [small[2].in_features, small[3].in_features]
    assert sizes == units_left(net)
    gates = [eval_gates(each.gates.log_alpha) > 0 for each in layers]
    alive = gates[1].repeat_interleave(4) & gates[2]  # 2x2 pixels of each filter
    wanted = [int(gates[0].sum()), int(alive.view(8, 4).any(1).sum())]
    assert wanted[1] < int(gates[1].sum())
    assert sizes == [*wanted, int(alive.sum()), int(gates[3].sum())]


def test_a_closed_filter_says_nothing_though_its_norm_has_a_shift():
    conv = nn.Conv2d(2, 4, 3, bias=False)
    norm = nn.BatchNorm2d(4)
    nn.init.constant_(norm.bias, 3.0)
    layer = GatedConv2d(conv, norm, generator=stream(0))
    with torch.no_grad():
        layer.gates.log_alpha[1] = -4
    for each in (layer.eval(), layer.train()):
        with torch.no_grad():
            outputs = each(torch.randn(5, 2, 6, 6, generator=stream(0)))
        closed = (outputs == 0).all(dim=0).all(dim=-1).all(dim=-1)
        assert closed[1] or each.training
        assert not closed[[0, 2, 3]].all()


def test_batch_norm_does_not_cancel_the_gate():
    def slope(layer: Any) -> float:
        nn.init.constant_(layer.gates.log_alpha, 0.5)
        torch.manual_seed(1)
        x = torch.randn(32, 2, 6, 6, generator=stream(0))
        outputs = layer.train()(x)
        (outputs * torch.randn(outputs.shape, generator=stream(1))).sum().backward()
        return float(layer.gates.log_alpha.grad.abs().mean())

    torch.manual_seed(0)
    conv = nn.Conv2d(2, 50, 3, bias=False)
    ours = GatedConv2d(conv, nn.BatchNorm2d(50), generator=stream(0))
    before = GatedConv2d(conv, None, generator=stream(0))

    class NormBehind(nn.Module):
        gates = before.gates

        def __init__(self):
            super().__init__()
            self.inner, self.norm = before, nn.BatchNorm2d(50)

        def forward(self, x):
            return self.norm(self.inner(x))

    assert slope(NormBehind()) < 1e-2 * slope(ours)


@pytest.mark.parametrize("name", ["mlp", "lenet", "wide_resnet"])
def test_actual_flops_are_those_of_the_pruned_net(name):
    build, shape = NETS[name]
    net, sample = build().eval(), torch.zeros(shape)
    assert flops(net, sample, "actual") == counted(pruned(net), sample)
    assert flops(pruned(net), sample, "actual") == counted(pruned(net), sample)
    assert flops(net, sample, "actual") < flops(net, sample, "dense")


@pytest.mark.parametrize("build", [mlp, lenet])
def test_dense_flops_are_torchs(build):
    net, sample = build().eval(), torch.zeros({mlp: (3, 4), lenet: (1, 20, 20)}[build])
    assert flops(net, sample, "dense") == counted(net, sample)


def test_expected_flops_are_the_mean_over_random_gates():
    net, sample = lenet().eval(), torch.zeros(1, 20, 20)
    expected = flops(net, sample, "expected")
    generator = stream(0, "open")
    logits = {n: each.gates.log_alpha.detach().clone() for n, each in gated_layers(net).items()}
    total, draws = 0.0, 300
    for _ in range(draws):
        for name, layer in gated_layers(net).items():
            pi = open_probability(logits[name])
            opened = torch.rand(pi.shape, generator=generator) < pi
            with torch.no_grad():
                layer.gates.log_alpha.copy_(torch.where(opened, 4.0, -4.0))
        total += flops(net, sample, "actual") / draws
    assert total == pytest.approx(expected, rel=0.03)


def test_the_papers_count_of_lenet_is_in_multiply_adds():
    net = NETS["lenet"][0]().eval()
    assert flops(net, torch.zeros(1, 20, 20), "dense") == 2 * (
        6 * 25 * 16**2 + 8 * 25 * 6 * 4**2 + 32 * 10 + 10 * 10
    )


def test_a_net_without_gates_is_refused():
    net = WideResNet(depth=10, widen=1, image_shape=(3, 8, 8), generator=stream(0))
    with pytest.raises(ValueError, match="no gates"):
        pruned(net)


def test_other_norms_and_groups_are_refused():
    grouped = nn.Conv2d(4, 4, 3, groups=2)
    with pytest.raises(ValueError, match="groups=2"):
        GatedConv2d(grouped, generator=stream(0))
    plain = nn.Conv2d(4, 4, 3)
    for norm in (nn.GroupNorm(2, 4), nn.BatchNorm2d(4, affine=False)):
        with pytest.raises(ValueError, match="norm="):
            GatedConv2d(plain, norm, generator=stream(0))


def test_chains_that_only_look_alike_are_left_whole():
    def gate(*layers: nn.Module) -> nn.Module:
        return scatter_gates(gate_layers(nn.Sequential(*layers), generator=stream(0)), 5, -1.0)

    class Odd(nn.Linear):
        def forward(self, x):
            return super().forward(x).abs()

    cases = [
        (gate(nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 2)), (5,)),
        (gate(nn.Linear(5, 4), nn.Tanh(), Odd(4, 4), nn.Linear(4, 2)), (5,)),
        (
            gate(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
            (2, 5, 5),
        ),
        (
            gate(
                nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, dilation=2), nn.ReLU()),
                nn.Sequential(nn.Dropout(0.5), nn.Conv2d(4, 3, 1), nn.Flatten(), nn.Linear(27, 2)),
            ),
            (2, 9, 9),
        ),
    ]
    for net, shape in cases:
        for dtype in (torch.float32, torch.float64):
            net = net.eval().to(dtype)
            x = torch.randn(6, *shape, generator=stream(0), dtype=dtype)
            torch.testing.assert_close(pruned(net)(x), net(x), rtol=1e-5, atol=1e-5)


def test_a_linear_layer_along_an_images_rows_is_left_whole():
    conv = GatedConv2d(nn.Conv2d(2, 4, 3), generator=stream(0))
    net = nn.Sequential(conv, nn.ReLU(), nn.Linear(4, 3))  # rows are as long as there are filters
    with torch.no_grad():
        conv.gates.log_alpha[1] = -4.0
    net.eval()
    x = torch.randn(3, 2, 6, 6, generator=stream(0))
    assert units_left(net) == [4]  # the closed one is kept, as zeros
    torch.testing.assert_close(pruned(net)(x), net(x))


def test_a_gated_linear_layer_takes_flat_inputs_only():
    net = gate_layers(nn.Sequential(nn.Linear(5, 4), nn.Flatten()), generator=stream(0))
    with pytest.raises(ValueError, match=r"nn\.Flatten"):
        net(torch.zeros(7, 3, 5))


def test_nothing_keeps_its_gates():
    net = scatter_gates(gate_layers(nn.Sequential(nn.Linear(4, 4)), generator=stream(0)))

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = net, net

        def forward(self, x):
            return self.b(self.a(x))

    twice = Twice().eval()
    x = torch.randn(3, 4, generator=stream(0))
    torch.testing.assert_close(pruned(twice)(x), twice(x))
    assert not gated_layers(pruned(twice))
    assert not gated_layers(pruned(nn.Sequential(NETS["patch_net"][0]())))


def test_a_frozen_weight_stays_frozen():
    net = mlp()
    for each in net.parameters():
        each.requires_grad_(False)
    assert not any(each.requires_grad for each in pruned(net).parameters())


def test_flops_of_patch_nets_groups_and_other_layers():
    net = NETS["patch_net"][0]()
    neurons = units_left(net)[0]
    assert flops(net, torch.zeros(5, 8), "actual") == 2 * 5 * 8 * neurons
    assert flops(net, torch.zeros(5, 8), "dense") == 2 * 5 * 8 * 36
    grouped = nn.Conv2d(4, 8, 3, groups=4)
    assert flops(grouped, torch.zeros(4, 5, 5)) == counted(grouped, torch.zeros(4, 5, 5))
    rows = nn.Linear(5, 4)
    assert flops(rows, torch.zeros(3, 5)) == 2 * 3 * 5 * 4
    with pytest.raises(ValueError, match="Embedding"):
        flops(nn.Sequential(nn.Embedding(3, 4)), torch.zeros(2, dtype=torch.long))


def test_a_lone_gated_layer_is_pruned_too():
    layer = GatedLinear(nn.Linear(6, 3), generator=stream(0))
    scatter_gates(layer, 3)
    x = torch.randn(4, 6, generator=stream(0))
    small = pruned(nn.Sequential(layer)).eval()
    torch.testing.assert_close(small(x), layer.eval()(x))
    torch.testing.assert_close(pruned(layer)(x), layer(x))


def test_a_wide_resnet_keeps_what_its_blocks_add():
    net = wide_resnet().eval()
    small = pruned(net)
    blocks: list[Any] = [each for each in small.modules() if type(each).__name__ == "Block"]
    assert [each.branch[0].out_channels for each in blocks] == units_left(net)
    assert [each.branch[-1].out_channels for each in blocks] == [16, 32, 64]
