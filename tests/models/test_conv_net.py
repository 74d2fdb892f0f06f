"""ConvNet: shape, size, initialisation."""

import pytest
import torch

from multiview import stream
from multiview.models import ConvNet


def tiny(name: str = "init", **changes) -> ConvNet:
    settings = {"image_shape": (2, 8, 8), "num_classes": 3, "widths": (4, 5)} | changes
    return ConvNet(**settings, generator=stream(0, name))


def pixels(n: int, shape: tuple[int, int, int] = (2, 8, 8)) -> torch.Tensor:
    return torch.randn(n, *shape, generator=stream(1, "pixels"))


@pytest.mark.parametrize(
    ("image_shape", "count"),
    [
        # weights and biases of 4x4 and 3x3 convolutions, GroupNorms, and the linear layer
        ((3, 32, 32), 16 * (3 * 16 + 1) + 32 + 40 * (16 * 9 + 1) + 80 + 10 * (40 * 4 * 4 + 1)),
        ((1, 28, 28), 16 * (1 * 16 + 1) + 32 + 40 * (16 * 9 + 1) + 80 + 10 * (40 * 3 * 3 + 1)),
    ],
)
def test_parameter_count_and_shapes(image_shape, count):
    net = ConvNet(image_shape=image_shape, num_classes=10, generator=stream(0))
    assert sum(p.numel() for p in net.parameters()) == count
    assert net(pixels(3, image_shape)).shape == (3, 10)


def test_initialisation_is_the_generators_alone():
    before = torch.get_rng_state()
    first, again, other = tiny(), tiny(), tiny("other")
    assert torch.get_rng_state().equal(before)
    for name, weight in first.state_dict().items():
        assert weight.equal(again.state_dict()[name]), name
    key = "layers.0.weight"
    assert not first.state_dict()[key].equal(other.state_dict()[key])


def test_initial_weights_have_the_stated_variances():
    net = tiny(image_shape=(8, 32, 32), num_classes=50, widths=(64, 64))
    weights = [p for p in net.parameters() if p.dim() > 1]
    for weight, variance in zip(weights, (2 / (8 * 16), 2 / (64 * 9), 1 / (64 * 16)), strict=True):
        assert weight.var().item() == pytest.approx(variance, rel=0.05)
    assert all((p == 0).all() for name, p in net.named_parameters() if name.endswith("bias"))


def test_weights_are_drawn_layer_by_layer_from_the_generator():
    generator, state = stream(0, "init"), tiny().state_dict()
    for i, variance in ((0, 2 / (2 * 16)), (4, 2 / (4 * 9)), (9, 1 / 5)):
        weight = state[f"layers.{i}.weight"]
        # The very bits: trained networks that are stored began from them.
        assert weight.equal(torch.empty_like(weight).normal_(0, variance**0.5, generator=generator))


def test_a_sample_does_not_depend_on_its_batch():
    net, x = tiny(), pixels(6)
    torch.testing.assert_close(net(x)[2:3], net(x[2:3]))


@pytest.mark.parametrize("changes", [{"image_shape": (3, 7, 32)}, {"widths": (0, 4)}])
def test_impossible_nets_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        tiny(**changes)
