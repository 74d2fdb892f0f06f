"""FourStageResNet: parameter counts, shapes of the stages, determinism, bad sizes."""

import pytest
import torch

from multiview import stream
from multiview.models import FourStageResNet
from multiview.models.resnet import Block


@pytest.mark.parametrize(
    ("depth", "classes", "count"),
    [(18, 10, 11_173_962), (34, 10, 21_282_122), (34, 100, 21_282_122 + 90 * 513)],
)
def test_parameter_counts(depth, classes, count):
    net = FourStageResNet(depth=depth, num_classes=classes, generator=stream(0))
    assert sum(p.numel() for p in net.parameters()) == count
    layers = [p for name, p in net.named_parameters() if p.dim() > 1 and "shortcut" not in name]
    assert len(layers) == depth


def test_every_stage_but_the_first_halves_the_image():
    net = FourStageResNet(depth=18, norm="group", generator=stream(0))
    shapes, x = [], torch.randn(2, 3, 16, 16, generator=stream(1))
    for layer in net.layers:
        x = layer(x)
        if isinstance(layer, Block):
            shapes.append(tuple(x.shape[1:]))
    expected = [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    assert shapes == [shape for shape in expected for _ in range(2)]
    assert x.shape == (2, 10)


def test_initialisation_is_the_generators_alone():
    first, again, other = (FourStageResNet(depth=18, generator=stream(s)) for s in (0, 0, 1))
    for name, weight in first.named_parameters():
        assert weight.equal(again.get_parameter(name)), name
        assert weight.dim() == 1 or not weight.equal(other.get_parameter(name)), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 20}, "depth=20 must be one of 18, 34"),
        ({"image_shape": (3, 7, 32)}, "halved three times: use at least 8x8"),
        ({"num_classes": 0}, "num_classes=0"),
    ],
)
def test_impossible_nets_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        FourStageResNet(**changes, generator=stream(0))
