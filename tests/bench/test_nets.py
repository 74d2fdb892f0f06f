"""Kinds of networks on images: each builds what it names."""

import pytest
import torch

from multiview import stream
from multiview.bench.nets import Dense, Fast, LeNet, Quick, Residual
from multiview.data.splits import Splits
from multiview.models import (
    MLP,
    FastNet,
    FourStageResNet,
    LeNet5,
    QuickNet,
    ResNet,
    WideResNet,
)
from multiview.train import outputs_of

IMAGES = torch.randn(60, 1, 28, 28, generator=stream(0)).split((30, 15, 15))
LABELS = [torch.arange(len(each)) % 3 for each in IMAGES]
SPLITS = Splits(
    train=IMAGES[0],
    train_labels=LABELS[0],
    validation=IMAGES[1],
    validation_labels=LABELS[1],
    test=IMAGES[2],
    test_labels=LABELS[2],
    num_classes=3,
)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (Fast(widths=(4, 4, 4)), FastNet),
        (Dense(widths=(5,), dropout=0.2), MLP),
        (Residual(depth=8), ResNet),
        (Residual(depth=18), FourStageResNet),
        (Residual(depth=10, widen=2), WideResNet),
        (Quick(widths=(2, 2, 4)), QuickNet),
        (LeNet(widths=(2, 3, 4)), LeNet5),
    ],
)
def test_each_kind_builds_its_network(spec, kind):
    net = spec.build(SPLITS, stream(0, "init"))
    again = spec.build(SPLITS, stream(0, "init"))
    assert isinstance(net, kind)
    assert outputs_of(net, SPLITS.train[:2]).shape == (2, 3)
    pairs = zip(net.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(one.equal(other) for one, other in pairs)


def test_a_quick_net_shrinks_in_its_hidden_layer_or_everywhere():
    whole = Quick(widths=(8, 16, 32), hidden=64)
    assert whole.shrunk(4, "hidden") == Quick(widths=(8, 16, 32), hidden=16)
    assert whole.shrunk(4, "all") == Quick(widths=(2, 4, 8), hidden=16)
