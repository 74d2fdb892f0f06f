"""Kinds of networks on images."""

from dataclasses import replace

import pytest
import torch

from multiview import stream
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Fast, Residual
from multiview.models import FastNet, FourStageResNet, ResNet, WideResNet
from multiview.runs.experiment import Context
from multiview.train import outputs_of

SETTING = ImageSetting(data="multi_view", num_train=20, num_validation=10, num_test=10, members=2)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (Fast(widths=(4, 4, 4)), FastNet),
        (Residual(depth=8), ResNet),
        (Residual(depth=18), FourStageResNet),
        (Residual(depth=10, widen=2), WideResNet),
    ],
)
def test_each_spec_builds_its_network(spec, kind):
    bench = replace(SETTING, net=spec).bench(0, Context())
    net = bench.one("members")
    assert isinstance(net, kind)
    outputs = outputs_of(net, bench.samples.test[:2])
    assert outputs.shape == (2, 10)
    torch.testing.assert_close(outputs_of(bench.one("members"), bench.samples.test[:2]), outputs)
    other = bench.build(stream(0, "another start"))
    assert not torch.allclose(outputs_of(other, bench.samples.test[:2]), outputs)
