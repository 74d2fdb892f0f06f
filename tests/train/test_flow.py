"""Steps of the gradient flow: order, stability, and that networks do not meet."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview import stream
from multiview.train.chebyshev import MOST_STAGES, chebyshev, chebyshev_step, fewest_stages
from multiview.train.descent import AdaptiveDescent
from multiview.train.flow import MARGIN, GradientFlow
from multiview.train.sweep import Sweep


def linear(rates):
    """The gradient of a quadratic loss with these curvatures (nets, 1, d)."""
    return lambda weight, nets: rates[nets] * weight


def quadratic(rates):
    """Sweeps of a quadratic loss with these curvatures (nets, 1, d)."""

    def sweep(weight, nets):
        gradient = rates[nets] * weight
        loss = (gradient * weight).flatten(1).sum(1).double() / 2
        return Sweep(weight, gradient, loss, torch.zeros_like(loss), 1e-6 * loss)

    return sweep


def first(sweep, weight):
    """The sweep that a training begins with."""
    return sweep(weight, torch.arange(len(weight)))


def constant_slope(weight, nets):
    """The sweep of a loss that is the sum of the weights."""
    loss = weight.sum((1, 2)).double()
    return Sweep(weight, torch.ones_like(weight), loss, torch.zeros_like(loss), 0 * loss)


@given(st.integers(1, 40), st.floats(0.0, 0.999))
def test_a_step_is_the_damped_chebyshev_polynomial(stages, part):
    method = chebyshev(stages)
    product = part * method.reach
    after = chebyshev_step(
        torch.ones(1, 1, 1, dtype=torch.float64),
        torch.full((1, 1, 1), product, dtype=torch.float64),
        torch.ones(1),
        torch.tensor([stages]),
        lambda weight, nets: product * weight,
    )
    # T_s(w0 - w1 z) / T_s(w0) by numpy's Chebyshev series.
    w0 = 1 + 0.15 / stages**2
    series = np.polynomial.Chebyshev.basis(stages)
    w1 = series(w0) / series.deriv()(w0)
    assert float(after) == pytest.approx(series(w0 - w1 * product) / series(w0), abs=1e-9)
    assert abs(float(after)) <= 1


@pytest.mark.parametrize("stages", [1, 2, 5, 20])
def test_halving_the_step_halves_the_error(stages):
    errors = []
    for steps in (40, 80):  # w' = w^2 from 1/2 reaches 1 at time 1
        weight = torch.full((1, 1, 1), 0.5, dtype=torch.float64)
        for _ in range(steps):
            weight = chebyshev_step(
                weight,
                -weight.square(),
                torch.tensor([1 / steps]),
                torch.tensor([stages]),
                lambda weight, nets: -weight.square(),
            )
        errors.append(abs(float(weight) - 1))
    assert errors[0] < 0.03
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)


@given(st.floats(0, 2 * MOST_STAGES**2))
def test_the_fewest_stages_are_enough_and_one_less_is_not(product):
    stages = fewest_stages(product)
    if stages < MOST_STAGES:
        assert chebyshev(stages).reach >= product
    if stages > 1:
        assert chebyshev(stages - 1).reach < product


def test_each_network_has_its_own_number_of_stages():
    rates = torch.tensor([[[1.0]], [[50.0]], [[3.0]]], dtype=torch.float64)
    weight = torch.ones(3, 1, 1, dtype=torch.float64)
    time, stages = torch.tensor([0.7, 0.5, 0.2]), torch.tensor([1, 6, 3])
    together = chebyshev_step(weight, rates * weight, time, stages, linear(rates))
    for e in range(3):
        alone = chebyshev_step(
            weight[e : e + 1],
            rates[e : e + 1] * weight[e : e + 1],
            time[e : e + 1],
            stages[e : e + 1],
            linear(rates[e : e + 1]),
        )
        assert torch.equal(together[e : e + 1], alone)


def test_a_stiff_part_does_not_set_the_step():
    """Curvatures 1 and 10^4: explicit steps of 2e-4 would be needed."""
    rates = torch.tensor([[[1.0, 1e4]]], dtype=torch.float64)
    weight = torch.tensor([[[1.0, 1.0]]], dtype=torch.float64)
    flow, time, gradients = GradientFlow(torch.zeros_like(weight), 0.04, 1.0), 0.0, 0
    sweep = quadratic(rates)
    here = first(sweep, weight)
    while time < 1:
        here, step, more = flow.step(here, sweep)
        time += float(step)
        gradients += 1 + int(more)
    assert gradients < 1300  # Euler needs 5000
    assert float(here.weight[0, 0, 0]) == pytest.approx(np.exp(-time), abs=0.03)
    assert abs(float(here.weight[0, 0, 1])) < 1e-3


def test_growth_sets_the_step_where_nothing_is_stiff():
    generator = stream(0, "flow")
    weight = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    gradient = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    flow = GradientFlow(weight, growth=0.1, sigma=0.2)

    def slope(weight, nets):  # a linear loss
        loss = (gradient[nets] * weight).sum((1, 2))
        return Sweep(weight, gradient[nets], loss, torch.zeros_like(loss), torch.zeros_like(loss))

    there, time, _ = flow.step(first(slope, weight), slope)
    moved = (there.weight - weight).norm(dim=2).amax(1)
    torch.testing.assert_close(moved, torch.full((2,), 0.1 * 1.5 * 0.2, dtype=torch.float64))
    torch.testing.assert_close(there.weight, weight - time.view(-1, 1, 1) * gradient)


def test_adaptive_descent_finds_the_stable_rate_of_a_quadratic():
    rates = torch.tensor([[[1.0, 20.0]], [[3.0, 3.0]]], dtype=torch.float64)
    weight = torch.ones(2, 1, 2, dtype=torch.float64)
    descent = AdaptiveDescent(relative_step=0.8, first=0.01)
    seen, sweep = [], quadratic(rates)
    for step in range(80):
        there, rate, more = descent.step(first(sweep, weight), sweep)
        after = there.weight
        torch.testing.assert_close(after, weight - rate.view(-1, 1, 1) * rates * weight)
        assert not more.any()
        if step == 0:  # the neuron that moves most moves by `first`
            torch.testing.assert_close(
                (after - weight).norm(dim=2).amax(1), torch.full_like(rate, 0.01)
            )
        elif step > 1:
            assert (rate <= 3 * seen[-1] + 1e-12).all()
        seen.append(rate)
        weight = after
    assert float(weight.abs().max()) < 0.1
    assert float(seen[5][1]) == pytest.approx(0.8 / 3)  # one curvature: the step over it


def test_a_gradient_that_does_not_turn_leaves_the_rise_as_the_limit():
    descent = AdaptiveDescent(relative_step=1.0, first=0.1)
    here, rates = constant_slope(torch.zeros(1, 1, 1), torch.tensor([0])), []
    for _ in range(3):
        here, rate, _ = descent.step(here, constant_slope)
        rates.append(float(rate))
    assert rates == pytest.approx([0.1, 0.3, 0.9])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_network_that_nothing_pulls_stays_and_spoils_no_other(kind):
    weight = torch.full((2, 1, 3), 100.0, dtype=kind)
    rates = torch.tensor([[[0.0]], [[1.0]]], dtype=kind)
    flow, sweep = GradientFlow(torch.zeros_like(weight), growth=0.5, sigma=0.1), quadratic(rates)
    here = first(sweep, weight)
    for _ in range(8):
        there, time, _ = flow.step(here, sweep)
        assert torch.equal(there.weight[0], here.weight[0])
        assert (there.weight[1] < here.weight[1]).all()
        assert time.isfinite().all()
        here = there


def test_stages_are_bounded_whatever_the_curvature():
    assert fewest_stages(float("inf")) == MOST_STAGES
    assert fewest_stages(float("nan")) == MOST_STAGES


def test_a_step_lost_in_rounding_does_not_freeze_the_rate():
    descent = AdaptiveDescent(relative_step=1.0, first=1e-12)
    here, rates = constant_slope(torch.ones(1, 1, 1), torch.tensor([0])), []
    for _ in range(40):
        here, rate, _ = descent.step(here, constant_slope)
        rates.append(float(rate))
    assert rates == sorted(rates)
    assert float(here.weight) < 1


def test_a_network_goes_on_alone_as_it_did_beside_others():
    generator = stream(1, "keep")
    rates = 1 + 300 * torch.rand(3, 2, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 2, 4, generator=generator, dtype=torch.float64)
    begin = 0.1 * torch.randn(3, 2, 4, generator=generator, dtype=torch.float64)
    kept = torch.tensor([False, True, True])
    together, alone = GradientFlow(begin, 0.3, 0.1), GradientFlow(begin[kept], 0.3, 0.1)
    all_three, two = quadratic(rates), quadratic(rates[kept])
    beside, single = first(all_three, weight), first(two, weight[kept])
    for step in range(12):
        if step == 3:  # before the curvature is estimated again
            together.keep(kept)
            beside = beside.of(kept)
        beside, time, more = together.step(beside, all_three if step < 3 else two)
        single, time_too, more_too = alone.step(single, two)
        last = kept if step < 3 else torch.ones(2, dtype=torch.bool)
        assert torch.equal(beside.weight[last], single.weight)
        assert torch.equal(time[last], time_too)
        assert torch.equal(more[last], more_too)


def test_gradients_are_counted():
    calls = []
    plain = quadratic(torch.tensor([[[1.0, 500.0]]], dtype=torch.float64))

    def sweep(weight, nets):
        calls.append(len(nets))
        return plain(weight, nets)

    weight = torch.ones(1, 1, 2, dtype=torch.float64)
    flow, here = GradientFlow(torch.zeros_like(weight), 0.3, 1.0), first(plain, weight)
    for _ in range(7):
        calls.clear()
        here, _, more = flow.step(here, sweep)
        assert int(more) == len(calls) - 1  # that at the end is the next step's


@pytest.mark.parametrize("rate", [1e3, 1e8])
def test_a_step_is_never_longer_than_its_stages_reach(rate):
    rates = torch.full((1, 1, 1), rate, dtype=torch.float64)
    weight = torch.ones(1, 1, 1, dtype=torch.float64)
    flow = GradientFlow(torch.full_like(weight, 1e6), growth=1.0, sigma=1.0)
    sweep = quadratic(rates)
    here = first(sweep, weight)
    for _ in range(4):
        here, time, _ = flow.step(here, sweep)
        assert float(here.weight.abs()) < 1
        assert float(time) * rate <= chebyshev(MOST_STAGES).reach


def test_the_step_before_shows_a_curvature_that_rises():
    weight = torch.ones(1, 1, 1, dtype=torch.float64)
    flow = GradientFlow(torch.zeros_like(weight), growth=5.0, sigma=1e-3)
    low, high = quadratic(torch.ones_like(weight)), quadratic(torch.full_like(weight, 100.0))
    calls = []

    def risen(weight, nets):  # the curvature has, the loss has not
        calls.append(nets)
        return high(weight, nets)._replace(loss=low(weight, nets).loss)

    here, _, _ = flow.step(first(low, weight), low)
    here = first(risen, here.weight)
    calls.clear()
    there, time, more = flow.step(here, risen)
    assert (there.weight.abs() <= here.weight.abs()).all()
    turned, moved = here.gradient - low(weight, torch.tensor([0])).gradient, here.weight - weight
    product = float(time) * MARGIN * float(turned / moved)
    assert len(calls) == int(more) + 1 == fewest_stages(product) > 1  # stable at the first try


def test_the_power_iteration_begins_anew_where_it_lost_its_direction():
    weight = torch.ones(1, 1, 2, dtype=torch.float64)
    sweep = quadratic(torch.full_like(weight, 3.0))
    flow = GradientFlow(torch.zeros_like(weight), growth=0.1, sigma=1.0)
    flow.direction = torch.zeros_like(weight)
    flow.step(first(sweep, weight), sweep)
    assert float(flow.curvature) == pytest.approx(3.0)


def test_rises_within_rounding_do_not_add_up():
    """Each step may end this much above the lowest loss, not above the one before."""
    rounding = torch.tensor([0.0375], dtype=torch.float64)

    def uphill(weight, nets):  # the first step goes 0.03 up, and none is far enough up to be told
        loss = -weight.sum((1, 2)).double()
        return Sweep(weight, torch.ones_like(weight), loss, torch.zeros_like(loss), rounding)

    weight = torch.zeros(1, 1, 1, dtype=torch.float64)
    flow, here = GradientFlow(weight, growth=0.1, sigma=0.2), first(uphill, weight)
    for _ in range(10):
        here, _, _ = flow.step(here, uphill)
        assert 0.03 <= float(here.loss) <= float(rounding)


def test_what_is_remembered_of_a_refusal_stays_with_its_network():
    """The second of three networks has no curvature to be seen before its step is too long."""
    start = torch.full((3, 1, 1), 0.1, dtype=torch.float64)
    walls = torch.tensor([9.0, 0.05, 9.0], dtype=torch.float64)  # where the slope begins to rise

    def sweep(weight, nets):
        beyond = (-weight - walls[nets].view(-1, 1, 1)).clamp(min=0)
        loss = (weight + 500 * beyond.square()).sum((1, 2))
        gradient = 1 - 1000 * beyond
        return Sweep(weight, gradient, loss, torch.zeros_like(loss), 1e-9 * torch.ones_like(loss))

    flow, here = GradientFlow(start, growth=1.0, sigma=0.2), first(sweep, start)
    here, times, _ = flow.step(here, sweep)
    assert times[1] < times[0] == times[2]
    bounds, lowest = flow.longest.clone(), flow.lowest.clone()
    assert bounds.isfinite().tolist() == [False, True, False]
    kept = torch.tensor([False, True, True])
    flow.keep(kept)
    assert torch.equal(flow.longest, bounds[kept])
    assert torch.equal(flow.lowest, lowest[kept])
    assert flow.before is not None
    assert torch.equal(flow.before.weight, start[kept])
