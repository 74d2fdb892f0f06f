"""LeNet5: the sizes of the pruning papers."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from multiview import stream
from multiview.models import LeNet5


def test_the_sizes_are_caffes():
    net = LeNet5(generator=stream(0))
    assert sum(each.numel() for each in net.parameters()) == 431_080
    with FlopCounterMode(display=False) as counter:
        assert net(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert counter.get_total_flops() == 2 * 2_293_000  # the papers count multiply-adds


def test_the_seed_decides_the_weights():
    first, again, other = (
        torch.nn.utils.parameters_to_vector(LeNet5(generator=stream(i)).parameters())
        for i in (0, 0, 1)
    )
    assert first.equal(again)
    assert not first.equal(other)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image_shape": (1, 15, 28)}, "image_shape"),
        ({"widths": (20, 50)}, "widths"),
        ({"widths": (20, 0, 5)}, "widths"),
        ({"num_classes": 0}, "num_classes"),
    ],
)
def test_what_cannot_be_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        LeNet5(**settings, generator=stream(0))
