"""ResNet: parameter counts, the function written out, initialisation, independence of the batch."""

import pytest
import torch
from ntk_strategies import randomised
from torch.nn import functional as F
from unchecked import unchecked

from multiview import stream
from multiview.models import ResNet
from multiview.ntk import gram


def tiny(name: str = "init", **changes) -> ResNet:
    settings = {"depth": 8, "num_classes": 3, "image_shape": (2, 8, 8)} | changes
    return ResNet(**settings, generator=stream(0, name))


def pixels(n: int, shape: tuple[int, int, int] = (2, 8, 8)) -> torch.Tensor:
    return torch.randn(n, *shape, generator=stream(1, "pixels"))


def size(net) -> int:
    return sum(p.numel() for p in net.parameters())


def counted(n: int, shortcut: str) -> int:
    """Weights and norms of depth 6n + 2 for 3 channels and 10 classes, added up from the paper."""
    total = 9 * 3 * 16 + 2 * 16
    for before, width in ((16, 16), (16, 32), (32, 64)):
        total += 9 * before * width + (2 * n - 1) * 9 * width * width + 2 * n * 2 * width
        if shortcut == "conv" and before != width:
            total += before * width + 2 * width
    return total + 64 * 10 + 10


@pytest.mark.parametrize(("depth", "count"), [(20, 269_722), (32, 464_154), (56, 853_018)])
def test_parameter_counts_are_those_of_the_paper(depth, count):
    assert size(ResNet(depth=depth, generator=stream(0))) == count
    for shortcut in ("pad", "conv"):
        for norm in ("batch", "group"):
            net = ResNet(depth=depth, shortcut=shortcut, norm=norm, generator=stream(0))
            assert size(net) == counted((depth - 2) // 6, shortcut)
    assert counted((depth - 2) // 6, "pad") == count


def written_out(net: ResNet, x: torch.Tensor, norm: str, shortcut: str) -> torch.Tensor:
    """The network of the paper, from the net's parameters taken in order."""
    state = iter((k, v) for k, v in net.state_dict().items() if "num_batches" not in k)

    def weight(shape):
        key, value = next(state)
        assert value.shape == shape, key
        return value

    def convolve(x, width, kernel=3, stride=1):
        drawn = weight((width, x.shape[1], kernel, kernel))
        return F.conv2d(x, drawn, stride=stride, padding=kernel // 2)

    def normed(x):
        c = x.shape[1]
        scale, shift = weight((c,)), weight((c,))
        if norm == "group":
            return F.group_norm(x, c // 16, scale, shift)
        return F.batch_norm(x, weight((c,)), weight((c,)), scale, shift)

    x = F.relu(normed(convolve(x, 16)))
    for width in (16, 32, 64):
        for i in range((net_depth(net) - 2) // 6):
            stride = 2 if width > 16 and i == 0 else 1
            branch = F.relu(normed(convolve(x, width, stride=stride)))
            branch = normed(convolve(branch, width))
            if stride == 2 and shortcut == "conv":
                x = normed(convolve(x, width, 1, 2))
            elif stride == 2:
                halved = x[:, :, ::2, ::2]
                x = torch.cat([halved, torch.zeros_like(halved)], 1)
            x = F.relu(x + branch)
    pooled = x.mean((2, 3))
    logits = F.linear(pooled, weight((3, 64)), weight((3,)))
    assert next(state, None) is None
    return logits


def net_depth(net) -> int:
    """Convolutions of 3x3 and the linear layer."""
    return 1 + sum(p.dim() == 4 and p.shape[-1] == 3 for p in net.parameters())


@pytest.mark.parametrize("shortcut", ["pad", "conv"])
@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("depth", [8, 14])
def test_the_function_is_the_papers(depth, norm, shortcut):
    net = tiny(depth=depth, norm=norm, shortcut=shortcut)
    assert net_depth(net) == depth
    net = randomised(net, stream(2))
    for shape in ((2, 8, 8), (2, 7, 5)):
        x = pixels(3, shape).double()
        torch.testing.assert_close(net(x), written_out(net, x, norm, shortcut))


def test_initialisation_is_the_generators_alone():
    before = torch.get_rng_state()
    first, again, other = (tiny(name, shortcut="conv") for name in ("init", "init", "other"))
    assert torch.get_rng_state().equal(before)
    for name, weight in first.state_dict().items():
        assert weight.equal(again.state_dict()[name]), name
    for name, weight in first.named_parameters():
        assert weight.dim() == 1 or not weight.equal(other.state_dict()[name]), name


def test_initial_weights_have_the_stated_variances():
    net = ResNet(num_classes=50, shortcut="conv", generator=stream(0))
    for name, weight in net.named_parameters():
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


def test_it_has_a_tangent_kernel():
    net, x = tiny(norm="group"), pixels(2)
    assert torch.linalg.eigvalsh(gram(net, x, outputs="trace")).min() > 0
    with pytest.raises(ValueError, match=r"module\.eval\(\)"):
        gram(tiny().train(), x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 21}, r"depth=21 must be 6n \+ 2: 8, 14, 20"),
        ({"depth": 2}, r"depth=2 must be 6n \+ 2"),
        ({"image_shape": (3, 3, 32)}, r"image_shape=\(3, 3, 32\) is halved twice"),
        ({"image_shape": (0, 8, 8)}, "channels"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"norm": "layer"}, "norm='layer': choose one of"),
        ({"shortcut": "A"}, "shortcut='A': choose one of"),
    ],
)
def test_impossible_nets_are_refused(changes, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        tiny(**changes)
