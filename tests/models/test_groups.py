"""SideBySide: each net trains as alone; SumOfNets, MeanOfNets: outputs and kernel."""

import torch

from multiview import stream
from multiview.models import ConvNet, MeanOfNets, SideBySide, SumOfNets
from multiview.ntk import gram
from multiview.train.loop import fit, target_loss
from multiview.train.optim import OptimSpec


def nets(n: int) -> list[ConvNet]:
    settings = {"image_shape": (2, 8, 8), "num_classes": 3, "widths": (4, 5)}
    return [ConvNet(**settings, generator=stream(0, "init", i)) for i in range(n)]


def pixels(n: int) -> torch.Tensor:
    return torch.randn(n, 2, 8, 8, generator=stream(1, "pixels"))


def test_side_by_side_are_the_outputs_one_beside_the_other():
    group, x = nets(3), pixels(4)
    outputs = SideBySide(group)(x)
    assert outputs.shape == (4, 3, 3)
    for i, net in enumerate(group):
        assert outputs[:, i].equal(net(x))


def test_each_net_of_a_group_trains_as_it_would_alone():
    x, labels = pixels(30), torch.arange(30) % 3
    spec = OptimSpec(epochs=3, batch_size=8)
    group, alone = nets(2), nets(2)
    fit(SideBySide(group), x, target_loss(labels), spec, stream(0, "order"))
    for net in alone:
        fit(net, x, target_loss(labels), spec, stream(0, "order"))
    for one, other in zip(group, alone, strict=True):
        for name, weight in one.state_dict().items():
            torch.testing.assert_close(weight, other.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_sum_of_nets_is_the_sum():
    group, x = nets(3), pixels(4)
    expected = group[0](x) + group[1](x) + group[2](x)
    torch.testing.assert_close(SumOfNets(group)(x), expected)
    torch.testing.assert_close(MeanOfNets(group)(x), expected / 3)


def test_kernel_of_the_sum_is_the_sum_of_kernels():
    group, x = [net.double() for net in nets(2)], pixels(5).double()
    expected = sum(gram(net, x, outputs="trace") for net in group)
    torch.testing.assert_close(gram(SumOfNets(group), x, outputs="trace"), expected)
