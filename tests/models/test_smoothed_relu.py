"""The smoothed ReLU against its three-piece definition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview.models import smoothed_relu, smoothed_relu_slope

POWERS = st.sampled_from([1.5, 2, 3, 4, 2.7, 6])
KNEES = st.floats(0.05, 5.0)


def pieces(z: float, q: float, knee: float) -> float:
    if z <= 0:
        return 0.0
    if z <= knee:
        return z**q / (q * knee ** (q - 1))
    return z - (1 - 1 / q) * knee


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=20), POWERS, KNEES)
def test_equals_its_definition_piece_by_piece(values, q, knee):
    z = torch.tensor(values, dtype=torch.float64)
    expected = torch.tensor([pieces(v, q, knee) for v in values], dtype=torch.float64)
    torch.testing.assert_close(smoothed_relu(z, q, knee), expected, rtol=1e-12, atol=1e-12)


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=20), POWERS, KNEES)
def test_slope_is_the_central_difference(values, q, knee):
    z = torch.tensor(values, dtype=torch.float64)
    h = 1e-6
    numeric = (smoothed_relu(z + h, q, knee) - smoothed_relu(z - h, q, knee)) / (2 * h)
    # The second derivative is at most (q-1)/R, infinite at 0 for q < 2.
    torch.testing.assert_close(smoothed_relu_slope(z, q, knee), numeric, rtol=0, atol=5e-3)


@given(POWERS, KNEES)
def test_value_and_slope_are_continuous_at_zero_and_at_the_knee(q, knee):
    for point in (0.0, knee):
        around = torch.tensor([point - 1e-9, point, point + 1e-9], dtype=torch.float64)
        value, slope = smoothed_relu(around, q, knee), smoothed_relu_slope(around, q, knee)
        assert value.max() - value.min() < 1e-8
        assert slope.max() - slope.min() < 1e-3


@given(st.floats(-10, 10), st.floats(0, 10), POWERS, KNEES)
def test_is_zero_below_zero_and_never_falls(z, step, q, knee):
    pair = torch.tensor([z, z + step], dtype=torch.float64)
    low, high = smoothed_relu(pair, q, knee)
    assert low <= high
    assert low == 0 or z > 0


@pytest.mark.parametrize("q", [2, 3, 4, 2.5])
def test_agrees_with_autograd_on_a_grid(q):
    z = torch.linspace(-3, 6, 1001, dtype=torch.float64, requires_grad=True)
    smoothed_relu(z, q, 1.7).sum().backward()
    assert z.grad is not None
    torch.testing.assert_close(z.grad, smoothed_relu_slope(z.detach(), q, 1.7))
