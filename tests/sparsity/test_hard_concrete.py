"""Hard-concrete gates: the paper's numbers, the law of the random gate, precision and clamping."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview import stream
from multiview.sparsity.hard_concrete import (
    HIGHEST,
    LOWEST,
    HardConcrete,
    eval_gates,
    full_probability,
    mean_gates,
    median_gates,
    open_probability,
    sampled_gates,
)

# By Monte Carlo to three digits, hence the tolerance. log a: pi, P(z = 1), E z, test z
CHECK = {
    -2.398: (0.310, 0.018, 0.103, 0.0),
    0.0: (0.832, 0.168, 0.500, 0.500),
    2.197: (0.978, 0.646, 0.878, 0.980),
}


@pytest.mark.parametrize(("log_alpha", "expected"), CHECK.items())
def test_the_check_table(log_alpha, expected):
    value = torch.tensor(log_alpha, dtype=torch.float64)
    functions = (open_probability, full_probability, mean_gates, eval_gates)
    found = [float(function(value)) for function in functions]
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("log_alpha", CHECK)
def test_samples_follow_the_closed_forms(log_alpha):
    n = 200_000
    u = torch.rand(n, generator=stream(0, "u"))
    value = torch.tensor(log_alpha)
    z = sampled_gates(value.expand(n), u)
    se = 4 / (2 * math.sqrt(n))
    assert float((z > 0).float().mean()) == pytest.approx(float(open_probability(value)), abs=se)
    assert float((z == 1).float().mean()) == pytest.approx(float(full_probability(value)), abs=se)
    assert float(z.mean()) == pytest.approx(float(mean_gates(value)), abs=se)
    assert float(z.median()) == pytest.approx(float(median_gates(value)), abs=0.02)


def test_the_test_gate_is_not_divided_by_the_temperature():
    # Between these the paper's gate is open and the median closed, though pi is below 1/2.
    between = torch.linspace(-2.39, -1.60, 20)
    assert (eval_gates(between) > 0).all()
    assert (median_gates(between) == 0).all()
    assert (open_probability(between) < 0.5).all()
    assert float(eval_gates(torch.tensor(-2.3979))) == pytest.approx(0.0, abs=1e-5)
    assert float(eval_gates(torch.tensor(2.3979))) == pytest.approx(1.0, abs=1e-5)


@given(st.floats(-5, 5), st.floats(0, 1))
def test_gates_are_in_the_unit_interval_and_rise_with_both_arguments(log_alpha, u):
    a, b = torch.tensor(log_alpha), torch.tensor(u)
    z = sampled_gates(a, b)
    assert 0 <= float(z) <= 1
    assert float(sampled_gates(a + 0.5, b)) >= float(z)
    assert float(sampled_gates(a, (b + 0.1).clamp(max=1))) >= float(z)


@pytest.mark.parametrize("u", [0.0, 1.0])
def test_the_ends_of_u_leave_finite_values_and_slopes(u):
    log_alpha = torch.zeros((), requires_grad=True)
    sampled_gates(log_alpha, torch.tensor(u)).backward()
    assert log_alpha.grad is not None
    assert log_alpha.grad.isfinite()
    # log u is at least log EPSILON = -13.8, so no draw decides against any log a.
    assert float(sampled_gates(torch.tensor(20.0), torch.tensor(u))) == 1
    assert float(sampled_gates(torch.tensor(-20.0), torch.tensor(u))) == 0


def test_the_mean_gates_slope_is_what_samples_slopes_are_on_average():
    log_alpha = torch.tensor(0.3, requires_grad=True)
    sampled_gates(log_alpha, torch.rand(400_000, generator=stream(0))).mean().backward()
    slope = log_alpha.grad
    (exact,) = torch.autograd.grad(mean_gates(log_alpha), log_alpha)
    torch.testing.assert_close(slope, exact, rtol=0.02, atol=0)


def test_start_clamp_and_modes():
    gates = HardConcrete((3, 400), dropout=0.2, generator=stream(0))
    assert float(gates.log_alpha.detach().mean()) == pytest.approx(math.log(4), abs=0.002)
    assert float(gates.log_alpha.detach().std()) == pytest.approx(0.01, rel=0.1)
    assert not gates.train()().equal(gates())
    assert gates.eval()().equal(gates())
    with torch.no_grad():
        gates.log_alpha[0] = -9
        gates.log_alpha[1] = 9
    gates.clamp()
    assert (gates.log_alpha[0] == LOWEST).all()
    assert (gates.log_alpha[1] == HIGHEST).all()


def test_each_sample_has_gates_of_its_own_where_asked():
    shared = HardConcrete(50, generator=stream(0))
    own = HardConcrete(50, per_sample=True, generator=stream(0))
    assert shared(8).shape == (1, 50)
    assert own(8).shape == (8, 50)
    assert not own(8)[0].equal(own(8)[1])
    assert own.eval()(8).shape == (1, 50)


def test_autocast_leaves_gates_in_full_precision():
    gates = HardConcrete(2000, generator=stream(0))
    twin = copy.deepcopy(gates)

    def slope(module, autocast):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            values = module()
            (values * torch.linspace(0, 1, 2000)).sum().backward()
        assert values.dtype == torch.float32
        assert module.log_alpha.grad is not None
        return module.log_alpha.grad

    assert slope(gates, True).equal(slope(twin, False))


@pytest.mark.parametrize(
    ("shape", "dropout", "words"),
    [(0, 0.5, "shape=0"), ((), 0.5, "shape="), (3, 0.0, "dropout=0"), (3, 1.0, "dropout=1")],
)
def test_what_cannot_be_is_refused(shape, dropout, words):
    with pytest.raises(ValueError, match=words):
        HardConcrete(shape, dropout=dropout, generator=stream(0))
