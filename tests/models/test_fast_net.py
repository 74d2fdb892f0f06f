"""FastNet: parameter counts, the function written out, fixed whitening, bad sizes."""

import pytest
import torch
from ntk_strategies import randomised
from torch.nn import functional as F

from multiview import stream
from multiview.data.whitening import whitening_filters
from multiview.models import FastNet, FastTop


def tiny(name: str = "init", **changes) -> FastNet:
    settings = {"widths": (4, 5, 6), "num_classes": 3, "image_shape": (2, 12, 9)} | changes
    return FastNet(**settings, generator=stream(0, name))


def pixels(n: int, shape: tuple[int, int, int] = (2, 12, 9)) -> torch.Tensor:
    return torch.randn(n, *shape, generator=stream(1, "pixels"))


def trained(net) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def counted(widths: tuple[int, int, int], first: int) -> int:
    """Convolutions, BatchNorms and the linear layer, added up; 10 classes."""
    total, before = 10 * widths[-1], first
    for width in widths:
        total += 9 * before * width + 9 * width * width + 2 * 2 * width
        before = width
    return total


def test_parameter_counts():
    filters = torch.randn(24, 3, 2, 2)
    whitened = FastNet(whitening=filters, generator=stream(0))
    assert trained(whitened) == 1_972_480 == counted((64, 256, 256), 24)
    assert trained(FastNet(generator=stream(0))) == 1_972_480 + 24 + 24 * 3 * 4
    assert trained(FastNet(widths=(16, 32, 64), generator=stream(0))) == (
        counted((16, 32, 64), 24) + 24 + 24 * 3 * 4
    )


def test_the_function_is_the_one_described():
    net, x = randomised(tiny(), stream(2)), pixels(3).double()
    state = iter((k, v) for k, v in net.state_dict().items() if "num_batches" not in k)
    take = lambda: next(state)[1]  # noqa: E731

    def normed(x):
        scale, shift, mean, variance = (take() for _ in range(4))
        return F.batch_norm(x, mean, variance, scale, shift)

    weight, bias = take(), take()
    y = F.silu(F.conv2d(x, weight, bias))
    # A block registers convolution, norm, convolution, norm in this order.
    for _ in range(3):
        y = F.silu(normed(F.max_pool2d(F.conv2d(y, take(), padding=1), 2)))
        y = F.silu(normed(F.conv2d(y, take(), padding=1)))
    expected = y.amax((2, 3)) @ take().T
    torch.testing.assert_close(net(x), expected)


def test_whitening_stays_and_all_else_is_the_generators_alone():
    filters = whitening_filters(pixels(50))
    net = tiny(whitening=filters)
    assert net.get_parameter("first.weight").equal(filters)
    assert not net.get_parameter("first.weight").requires_grad
    again, other = tiny(whitening=filters), tiny("other", whitening=filters)
    for name, weight in net.named_parameters():
        assert weight.equal(again.get_parameter(name)), name
        if weight.dim() > 1 and name != "first.weight":
            assert not weight.equal(other.get_parameter(name)), name


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_a_top_takes_up_where_the_channels_end(blocks):
    net, x = tiny().eval(), pixels(3)
    channels = net.channels(x, blocks)
    _, c, h, w = channels.shape
    top = FastTop(
        widths=(4, 5, 6)[blocks:],
        num_classes=3,
        image_shape=(c, h, w),
        generator=stream(0, "top"),
    )
    for mine, its in zip(top.blocks, list(net.top.blocks)[blocks:], strict=True):
        mine.load_state_dict(its.state_dict())
    top.head.load_state_dict(net.top.head.state_dict())
    torch.testing.assert_close(top.eval()(channels), net(x))


def test_logits_are_small_at_the_start():
    net = FastNet(num_classes=10, widths=(16, 32, 64), generator=stream(0)).train()
    assert 0.05 < net(pixels(64, (3, 32, 32))).std() < 0.7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": (2, 8, 9)}, "7x8 cannot be halved 3 times: use at least 8x8"),
        ({"widths": (0, 4, 4)}, "widths"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"whitening": torch.zeros(4, 3, 2, 2)}, "whitening is for 3 channels"),
    ],
)
def test_impossible_nets_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)
