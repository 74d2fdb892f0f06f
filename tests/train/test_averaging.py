"""Averaged: the bias-corrected mean of all weights so far, seen in eval mode alone."""

import pytest
import torch
from torch import nn

from multiview import stream
from multiview.train.averaging import Averaged
from multiview.train.loop import fit, target_loss
from multiview.train.optim import OptimSpec


def net() -> nn.Linear:
    built = nn.Linear(3, 2)
    with torch.no_grad():
        built.weight.copy_(torch.randn(2, 3, generator=stream(0)))
        built.bias.zero_()
    return built


def test_the_average_is_the_bias_corrected_one():
    module, decay, history = net(), 0.9, []
    averaged = Averaged(module, decay)
    for step in range(1, 8):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.1 * step)
        history.append(module.weight.detach().clone())
        averaged.after_step(step, 10)
    from_zero = torch.zeros_like(history[0])
    for value in history:
        from_zero = decay * from_zero + (1 - decay) * value
    wanted = from_zero / (1 - decay ** len(history))
    x = torch.randn(4, 3, generator=stream(1))
    seen, trained = averaged.eval()(x), averaged.train()(x)
    torch.testing.assert_close(trained, module(x))
    averaged.finish()
    torch.testing.assert_close(module.weight, wanted)
    torch.testing.assert_close(module(x), seen)
    assert not module.training


def test_a_decay_of_0_and_none_are_the_last_weights():
    x, y = torch.randn(12, 3, generator=stream(2)), torch.arange(12) % 2
    spec = OptimSpec(epochs=3, batch_size=4, weight_decay=0.1, max_norm=0.5)

    def weights(decay: float | None) -> torch.Tensor:
        module = net()
        whole = Averaged(module, decay)
        fit(whole, x, target_loss(y), spec, stream(3), after_step=whole.after_step)
        whole.finish()
        return module.weight.detach()

    plain = net()
    fit(plain, x, target_loss(y), spec, stream(3))
    assert weights(None).equal(plain.weight.detach())
    assert weights(0.0).equal(plain.weight.detach())
    assert not weights(0.9).equal(plain.weight.detach())


def test_the_average_is_not_trained():
    module = net()
    trained = [each for each in Averaged(module, 0.9).parameters() if each.requires_grad]
    assert {id(each) for each in trained} == {id(each) for each in module.parameters()}


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_what_cannot_be_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        Averaged(net(), decay)
