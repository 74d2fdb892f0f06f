"""WideResNet: parameter counts, the function written out, initialisation, dropout."""

from itertools import pairwise

import pytest
import torch
from ntk_strategies import randomised
from torch import nn
from torch.nn import functional as F
from unchecked import unchecked

from multiview import stream
from multiview.models import WideResNet


def tiny(name: str = "init", **changes) -> WideResNet:
    settings = {"depth": 10, "widen": 1, "num_classes": 3, "image_shape": (2, 8, 8)} | changes
    return WideResNet(**settings, generator=stream(0, name))


def pixels(n: int, shape: tuple[int, int, int] = (2, 8, 8)) -> torch.Tensor:
    return torch.randn(n, *shape, generator=stream(1, "pixels"))


def counted(n: int, widen: int) -> int:
    """Weights and norms of depth 6n + 4 for 3 channels and 10 classes, added up from the paper."""
    widths = [16, 16 * widen, 32 * widen, 64 * widen]
    total = 9 * 3 * 16
    for before, width in pairwise(widths):
        total += 9 * before * width + (2 * n - 1) * 9 * width * width
        total += 2 * before + (2 * n - 1) * 2 * width
        total += before * width if before != width else 0
    return total + 2 * widths[-1] + 10 * widths[-1] + 10


@pytest.mark.parametrize(
    ("depth", "widen", "count", "millions"),  # millions as printed in the paper, Table 4
    [
        (28, 10, 36_479_194, "36.5"),
        (16, 8, 10_961_370, "11.0"),
        (40, 4, 8_949_210, "8.9"),
        (28, 2, 1_467_610, "1.5"),
        (40, 1, 563_930, "0.6"),
    ],
)
def test_parameter_counts_are_those_of_the_paper(depth, widen, count, millions):
    net = WideResNet(depth=depth, widen=widen, generator=stream(0))
    assert sum(p.numel() for p in net.parameters()) == count == counted((depth - 4) // 6, widen)
    assert f"{count / 1e6:.1f}" == millions


def written_out(net: WideResNet, x: torch.Tensor, n: int, widen: int, norm: str) -> torch.Tensor:
    """The network of the paper, from the net's parameters taken in order."""
    state = iter((k, v) for k, v in net.state_dict().items() if "num_batches" not in k)

    def weight(shape):
        key, value = next(state)
        assert value.shape == shape, key
        return value

    def convolve(x, width, kernel=3, stride=1):
        drawn = weight((width, x.shape[1], kernel, kernel))
        return F.conv2d(x, drawn, stride=stride, padding=kernel // 2)

    def activated(x):
        c = x.shape[1]
        scale, shift = weight((c,)), weight((c,))
        if norm == "group":
            return F.relu(F.group_norm(x, c // 16, scale, shift))
        return F.relu(F.batch_norm(x, weight((c,)), weight((c,)), scale, shift))

    x = convolve(x, 16)
    for width in (16 * widen, 32 * widen, 64 * widen):
        for i in range(n):
            stride = 2 if width > 16 * widen and i == 0 else 1
            active = activated(x)
            branch = convolve(active, width, stride=stride)
            branch = convolve(activated(branch), width)
            changes = x.shape[1] != width or stride == 2
            x = branch + (convolve(active, width, 1, stride) if changes else x)
    pooled = activated(x).mean((2, 3))
    logits = F.linear(pooled, weight((3, 64 * widen)), weight((3,)))
    assert next(state, None) is None
    return logits


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize(("depth", "widen"), [(10, 1), (16, 2)])
def test_the_function_is_the_papers(depth, widen, norm):
    net = randomised(tiny(depth=depth, widen=widen, norm=norm), stream(2))
    for shape in ((2, 8, 8), (2, 7, 5)):
        x = pixels(3, shape).double()
        torch.testing.assert_close(net(x), written_out(net, x, (depth - 4) // 6, widen, norm))


def test_initialisation_is_the_generators_alone():
    before = torch.get_rng_state()
    first, again, other = tiny(), tiny(), tiny("other")
    assert torch.get_rng_state().equal(before)
    for name, weight in first.named_parameters():
        assert weight.equal(again.state_dict()[name]), name
        assert weight.dim() == 1 or not weight.equal(other.state_dict()[name]), name


def test_initial_weights_have_the_stated_variances():
    for name, weight in tiny(depth=16, widen=2, num_classes=50).named_parameters():
        if weight.dim() > 1:
            law = (2 if weight.dim() == 4 else 1) / weight[0].numel()
            error = 6 * (2 / weight.numel()) ** 0.5
            assert weight.var().item() == pytest.approx(law, rel=error), name
        else:
            assert (weight == (0 if name.endswith("bias") else 1)).all(), name


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_sample_does_not_depend_on_its_batch_in_eval_mode(norm):
    net, x = tiny(norm=norm).eval(), pixels(6)
    assert net(x).shape == (6, 3)
    torch.testing.assert_close(net(x)[2:3], net(x[2:3]))
    net.train()
    same = torch.allclose(net(x)[2:4], net(x[2:4]), rtol=1e-3, atol=1e-4)
    assert same == (norm == "group")


def test_dropout_stands_between_the_convolutions_only_where_asked_for():
    assert not any(isinstance(layer, nn.Dropout) for layer in tiny().modules())
    plain, dropping = (tiny(norm="group", dropout=p) for p in (0.0, 0.3))
    branches = [block.branch for block in dropping.modules() if hasattr(block, "branch")]
    assert len(branches) == 3
    for branch in branches:
        assert isinstance(branch, nn.Sequential)
        kinds = [type(layer).__name__ for layer in branch]
        assert kinds == ["Conv2d", "GroupNorm", "ReLU", "Dropout", "Conv2d"]
        assert str(branch[3]) == str(nn.Dropout(0.3))
    x = pixels(4)
    torch.testing.assert_close(dropping.eval()(x), plain.eval()(x))
    torch.testing.assert_close(dropping.eval()(x), plain.train()(x))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 20}, r"depth=20 must be 6n \+ 4: 10, 16, 22"),
        ({"widen": 0}, "widen=0 multiplies the widths"),
        ({"image_shape": (3, 32, 2)}, r"image_shape=\(3, 32, 2\) is halved twice"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"norm": "none"}, "norm='none': choose one of"),
        ({"dropout": 1.0}, r"dropout=1\.0 is a probability"),
        ({"dropout": -0.1}, r"dropout=-0\.1 is a probability"),
    ],
)
def test_impossible_nets_are_refused(changes, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        tiny(**changes)
