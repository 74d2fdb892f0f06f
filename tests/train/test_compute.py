"""ComputeSpec and outputs_of: what is chosen changes rounding alone."""

import shutil

import pytest
import torch
from torch import nn

from multiview import stream
from multiview.models import FastNet, ResNet
from multiview.train.bfloat16 import is_native
from multiview.train.compute import ComputeSpec, frozen, outputs_of


def net() -> ResNet:
    return ResNet(depth=8, num_classes=3, image_shape=(2, 8, 8), generator=stream(0, "init"))


def images(n: int = 11) -> torch.Tensor:
    return torch.randn(n, 2, 8, 8, generator=stream(1, "images"))


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_outputs_differ_by_rounding_alone(channels_last, bfloat16):
    x, expected = images(), outputs_of(net(), images())
    module = net()
    compute = ComputeSpec(channels_last=channels_last, bfloat16=bfloat16)
    outputs = frozen(module, compute)(x)
    assert outputs.dtype == torch.float32
    error = float((outputs - expected).abs().max() / expected.abs().max())
    assert error < (0.05 if bfloat16 else 1e-5)
    used = bfloat16 and is_native(torch.device("cpu"))
    assert (error > 1e-4) == used  # bfloat16 is used, and only where asked for
    tested = outputs_of(module, x, compute=compute, batch_size=4)
    torch.testing.assert_close(tested, expected)  # never rounded
    weight = module.get_parameter("layers.0.weight")
    assert weight.dtype == torch.float32
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last


@pytest.mark.parametrize("native", [False, True])
def test_bfloat16_is_for_processors_that_have_it(native, monkeypatch):
    monkeypatch.setattr("multiview.train.bfloat16._processor_has_it", lambda: native)
    outputs = frozen(net(), ComputeSpec(bfloat16=True))(images())
    assert outputs.dtype == torch.float32
    exact = frozen(net(), ComputeSpec())(images())
    assert outputs.equal(exact) != native


@pytest.mark.skipif(shutil.which("g++") is None, reason="compilation needs a C++ compiler")
@pytest.mark.filterwarnings("default")
def test_a_compiled_module_has_the_same_outputs_and_weights():
    module, x = nn.Sequential(nn.Flatten(), nn.Linear(128, 3)), images()
    expected = module(x)
    compiled = ComputeSpec(compile=True).prepared(module)
    torch.testing.assert_close(compiled(x), expected)
    compiled(x).sum().backward()
    assert module[1].weight.grad is not None


def test_modes_are_restored_and_nothing_is_drawn_or_recorded():
    module = nn.Sequential(net().train(), nn.Dropout(0.5).eval(), nn.Dropout(0.5).train())
    statistics = {name: value.clone() for name, value in module.state_dict().items()}
    outputs = outputs_of(module, images(), batch_size=3)
    assert not outputs.requires_grad
    assert [part.training for part in module] == [True, False, True]
    torch.testing.assert_close(outputs, outputs_of(module[0], images()))
    for name, value in module.state_dict().items():
        assert value.equal(statistics[name]), name


def test_inputs_that_are_no_images_have_no_memory_format():
    module = nn.Linear(4, 2)
    x = torch.randn(3, 4, generator=stream(0))
    assert outputs_of(module, x, compute=ComputeSpec(channels_last=True)).equal(module(x).detach())


def test_frozen_filters_take_part_in_any_memory_format():
    filters = torch.randn(6, 2, 2, 2, generator=stream(0))
    module = FastNet(
        widths=(4, 4, 4), image_shape=(2, 9, 9), whitening=filters, generator=stream(0, "init")
    )
    outputs = ComputeSpec(channels_last=True).prepared(module)(
        torch.randn(2, 2, 9, 9, generator=stream(1))
    )
    outputs.sum().backward()
    assert module.get_parameter("first.weight").grad is None
    assert module.get_parameter("first.weight").equal(filters)
