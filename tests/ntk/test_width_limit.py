"""The kernel of a widening two-layer relu network approaches its closed form.

The limit is made of arc-cosine kernels (Cho & Saul, 2009), for pre-activations u, v of covariance
[[p, r], [r, q]] and angle t, cos t = r / sqrt(p q):

    E relu(u) relu(v) = sqrt(p q) (sin t + (pi - t) cos t) / (2 pi),
    P(u > 0, v > 0) = (pi - t) / (2 pi).
"""

import math

import pytest
import torch
from wide_nets import wide_relu_net

from multiview import stream
from multiview.ntk import gram

INPUTS, WIDTHS, NETS = 6, (16, 64, 256, 1024), 60
SCALES = [(1.0, 0.0), (2**0.5, 0.5)]  # of weights and biases


def samples() -> torch.Tensor:
    x = torch.randn(4, INPUTS, generator=stream(0, "x"), dtype=torch.float64)
    return torch.cat([x, -x[:1], 2 * x[:1]])  # angles 0 and pi too


def closed_form(x: torch.Tensor, weight_scale: float, bias_scale: float) -> torch.Tensor:
    """The mean of the kernel over the weights, which it tends to as the width grows."""
    covariance = weight_scale**2 * x @ x.T / INPUTS + bias_scale**2
    size = covariance.diagonal().sqrt()[:, None] * covariance.diagonal().sqrt()
    angle = (covariance / size).clamp(-1, 1).acos()
    both_active = (math.pi - angle) / (2 * math.pi)
    product = size * (angle.sin() / (2 * math.pi) + both_active * angle.cos())
    last_layer = weight_scale**2 * product + bias_scale**2
    return last_layer + weight_scale**2 * both_active * covariance  # and the first layer


@pytest.fixture(scope="module", params=SCALES)
def kernels(request) -> tuple[torch.Tensor, torch.Tensor]:
    """(closed form (n, n), kernels of the nets (widths, nets, n, n))."""
    weight_scale, bias_scale = request.param
    x, found = samples(), []
    for width in WIDTHS:
        for e in range(NETS):
            net = wide_relu_net(
                INPUTS,
                width,
                weight_scale=weight_scale,
                bias_scale=bias_scale,
                generator=stream(1, width, e),
            )
            found.append(gram(net, x, outputs="trace"))
    shape = (len(WIDTHS), NETS, len(x), len(x))
    return closed_form(x, weight_scale, bias_scale), torch.stack(found).view(shape)


def test_the_mean_over_nets_is_the_closed_form_at_every_width(kernels):
    """Two-layer kernels are means over independent neurons, so they have no bias at any width."""
    limit, found = kernels
    pooled = found * torch.tensor(WIDTHS)[:, None, None, None]  # every neuron counts alike
    mean = pooled.sum((0, 1)) / (NETS * sum(WIDTHS))
    # The deviation of one net times sqrt(width), over the number of neurons.
    spread = (found - limit).std(1) * torch.tensor(WIDTHS).sqrt()[:, None, None]
    error = spread.square().mean(0).sqrt() / (NETS * sum(WIDTHS)) ** 0.5
    assert ((mean - limit).abs() <= 4.5 * error + 1e-12).all()
    for i in range(len(WIDTHS)):
        error = found[i].std(0) / NETS**0.5
        assert ((found[i].mean(0) - limit).abs() <= 4.5 * error + 1e-12).all()


def test_the_error_falls_as_one_over_the_square_root_of_the_width(kernels):
    limit, found = kernels
    rms = (found - limit).square().mean((1, 2, 3)).sqrt()
    steps = torch.tensor(WIDTHS).double().log()
    slope = torch.linalg.lstsq(torch.stack([steps, steps**0], 1), rms.log()[:, None]).solution[0]
    assert slope.item() == pytest.approx(-0.5, abs=0.08)
    assert rms[-1] < 0.05 * limit.diagonal().mean()


def test_the_closed_form_at_known_angles():
    x = torch.zeros(3, INPUTS, dtype=torch.float64)
    x[0, 0], x[1, 1], x[2, 0] = 1.0, 1.0, -1.0
    expected = torch.tensor(
        [  # equal: 1/2 of each layer; orthogonal: 1 / (2 pi) and none; opposite: none of either
            [1, 1 / (2 * math.pi), 0],
            [1 / (2 * math.pi), 1, 1 / (2 * math.pi)],
            [0, 1 / (2 * math.pi), 1],
        ]
    )
    close = {"rtol": 0, "atol": 1e-7}
    torch.testing.assert_close(closed_form(x, 1.0, 0.0), expected.double() / INPUTS, **close)
