"""Ridges and times from one eigendecomposition: against solve, the parameters' flow, and limits."""

from functools import partial
from itertools import pairwise
from math import inf, nan

import numpy as np
import pytest
import torch
from closeness import close as as_close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import ByProducts, as_full, kernel_of, kernels_with_targets, randomised
from oracles_ntk import explicit_gram, flowed_linearised, linearised
from torch import nn
from unchecked import unchecked

import multiview.ntk.chebyshev as chebyshev
import multiview.ntk.spectrum as spectrum_file
from multiview import stream
from multiview.ntk import decompose, descend, gradient_flow, predict, ridge_path, solve
from multiview.ntk.lanczos import largest_eigenvalue
from multiview.ntk.layout import Layout, product_with

TIMES = [0.0, 0.3, 4.0, 50.0]


close = partial(as_close, tolerance=1e-8)


def randn(*shape):
    return torch.randn(*shape, generator=stream(0, *shape)).double()


def with_eigenvalues(values):
    """A kernel (m, m) with random eigenvectors."""
    vectors = torch.linalg.qr(randn(len(values), len(values)))[0]
    return vectors @ torch.as_tensor(values).double().diag() @ vectors.T


def network_with_data():
    """Outputs that share a hidden layer, so that the kernel couples them; f_0 is not small."""
    generator = stream(0, "network")
    module = randomised(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), generator)
    return module, *(torch.randn(n, 3, generator=generator).double() for n in (6, 5))


# Ridges


@given(kernels_with_targets(), st.lists(st.floats(-4, 2), min_size=1, max_size=3))
def test_a_ridge_path_is_solve_at_each_ridge(drawn, exponents):
    kernel, cross, targets = drawn
    ridges = [10**e for e in exponents]
    several = torch.stack([targets, targets.roll(1, 0)])
    path = ridge_path(decompose(kernel), several, ridges)
    assert path.ridge == tuple(ridges)
    outputs = predict(cross, path)
    for i, ridge in enumerate(ridges):
        alone = solve(kernel, several, ridge)
        close(path.dual[i], alone.dual)
        close(outputs[i], predict(cross, alone))
        close(path.scale, alone.scale)


@given(kernels_with_targets())
def test_no_ridge_is_the_pseudo_inverse(drawn):
    kernel, _, targets = drawn
    spectrum = decompose(kernel)
    k = targets.shape[1]
    full = kernel if kernel.dim() == 4 else as_full(kernel, k)
    m = targets.numel()
    inverse = np.linalg.pinv(full.permute(0, 2, 1, 3).reshape(m, m).numpy(), 1e-12, hermitian=True)
    expected = torch.from_numpy(inverse @ targets.flatten().numpy()).view(-1, k)
    close(ridge_path(spectrum, targets, [0.0]).dual[0], expected, tolerance=1e-6)
    # And so is the end of gradient flow.
    close(gradient_flow(spectrum, targets, [inf]).dual[0], expected, tolerance=1e-6)


# Flow


def test_flow_is_that_of_the_linearised_networks_parameters():
    module, x, x_test = network_with_data()
    model = linearised(module, x, x_test)
    targets = randn(6, 2)
    kernel, cross = explicit_gram(module, x, x, "full"), explicit_gram(module, x_test, x, "full")
    flow = gradient_flow(kernel, targets, TIMES, start=model[2])
    for i, time in enumerate(TIMES):
        train, test = flowed_linearised(model, targets, time)
        close(model[2] + predict(kernel, flow)[i], train, tolerance=1e-9)
        close(model[3] + predict(cross, flow)[i], test, tolerance=1e-9)
    assert flow.times == tuple(TIMES)


def test_flow_of_a_summed_kernel_is_that_of_the_summed_networks():
    generator = stream(0, "sum")
    features = [
        [torch.randn(n, 2, f, generator=generator).double() for n in (5, 4)] for f in (3, 6)
    ]
    train, test = (torch.cat(part, -1) for part in zip(*features, strict=True))
    start = torch.zeros(5, 2).double(), torch.zeros(4, 2).double()
    targets = randn(5, 2)
    kernel = torch.stack([kernel_of(a, a, "full") for a, _ in features]).sum(0)
    cross = torch.stack([kernel_of(b, a, "full") for a, b in features]).sum(0)
    flow = gradient_flow(kernel, targets, [2.0])
    _, expected = flowed_linearised((train, test, *start), targets, 2.0)
    close(predict(cross, flow)[0], expected)


@given(kernels_with_targets(), st.floats(0, 20), st.floats(0, 20))
def test_flowing_on_is_flowing_longer(drawn, first, second):
    kernel, _, targets = drawn
    spectrum = decompose(kernel)
    half = gradient_flow(spectrum, targets, [first])
    rest = gradient_flow(spectrum, targets, [second], start=predict(kernel, half)[0])
    close(half.dual + rest.dual, gradient_flow(spectrum, targets, [first + second]).dual)


@given(kernels_with_targets(), st.floats(1e-3, 1e3))
def test_a_larger_kernel_is_a_faster_clock(drawn, factor):
    kernel, cross, targets = drawn
    fast = gradient_flow(factor * kernel, targets, [t / factor for t in TIMES])
    close(predict(factor * cross, fast), predict(cross, gradient_flow(kernel, targets, TIMES)))


@given(kernels_with_targets(full_rank=True))
def test_flow_begins_at_rest_and_ends_at_the_targets(drawn):
    kernel, _, targets = drawn
    tiny = 1e-9
    flow = gradient_flow(kernel, targets, [0.0, tiny, inf], start=0.5 * targets)
    assert (flow.dual[0] == 0).all()
    close(flow.dual[1] / tiny, 0.5 * targets / len(targets), tolerance=1e-6)
    # full_rank lets the trace kernel be well conditioned too: n <= features.
    close(0.5 * targets + predict(kernel, flow)[2], targets, tolerance=1e-6)


def test_flow_leaves_directions_without_signal():
    kernel = with_eigenvalues([0, 0, 1e-3, 1, 5])
    targets = randn(5, 1)
    flow = gradient_flow(kernel, targets, [1e-12, 1e6, inf])
    assert flow.dual.isfinite().all()
    signal = torch.linalg.eigh(kernel)[1][:, 2:]
    # At the end the targets' part along the signal is fitted.
    for i in (1, 2):
        close(predict(kernel, flow)[i], signal @ signal.T @ targets, tolerance=1e-6)
    close(flow.dual[0], targets * 1e-12 / 5)
    # The pseudo-inverse is the smallest dual: nothing of it lies along the null directions.
    close(signal @ signal.T @ flow.dual[2], flow.dual[2])


def test_descent_in_small_steps_approaches_flow_at_first_order():
    module, x, _ = network_with_data()
    kernel, targets, time = explicit_gram(module, x, x, "full"), randn(6, 2), 2.0
    flow = gradient_flow(kernel, targets, [time]).dual[0]
    errors = [
        (
            descend(kernel, targets, loss="squared", steps=steps, learning_rate=time / steps).dual[
                -1
            ]
            - flow
        )
        .abs()
        .max()
        .item()
        for steps in (200, 400, 800)
    ]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, rel=0.02)


@given(kernels_with_targets(layouts=("per_class", "trace")))
def test_uncoupled_outputs_are_separate_problems(drawn):
    kernel, _, targets = drawn
    k = targets.shape[1]
    flow = gradient_flow(kernel, targets, TIMES).dual
    close(gradient_flow(as_full(kernel, k), targets, TIMES).dual, flow)
    for a, own in enumerate(kernel.expand(k, *kernel.shape[-2:])):
        close(gradient_flow(own, targets[:, a : a + 1], TIMES).dual, flow[..., a : a + 1])


# The spectrum itself


@given(kernels_with_targets())
def test_a_spectrum_rebuilds_its_kernel(drawn):
    kernel, _, targets = drawn
    spectrum = decompose(kernel)
    built = (spectrum.vectors * spectrum.values[:, None]) @ spectrum.vectors.mT
    layout = spectrum.layout
    outputs = layout.targets(built @ layout.columns(targets), targets.shape)
    held, product = product_with(kernel)
    close(outputs, held.targets(product(held.columns(targets)), targets.shape))
    assert (spectrum.values >= 0).all()


def test_negative_eigenvalues_are_clipped_and_reported():
    kernel = torch.stack([with_eigenvalues([-2e-6, 1e-6, 1, 3]), with_eigenvalues([1, 2, 3, 4])])
    spectrum = decompose(kernel)
    assert spectrum.negative.tolist() == [pytest.approx(-2e-6, rel=1e-6), 0]
    assert spectrum.values[0, 0] == 0
    assert spectrum.noise[0].item() == pytest.approx(2e-6, rel=1e-6)
    # What is no larger than the negative one counts as 0 where it would be divided by.
    dual = gradient_flow(spectrum, torch.ones(4, 2).double(), [inf]).dual[0, :, 0]
    close(dual, with_eigenvalues([0, 0, 1, 1 / 3]) @ torch.ones(4).double(), tolerance=1e-6)


def test_an_indefinite_kernel_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match=r"kernel \[1\] is not positive semi-definite"):
        decompose(torch.stack([torch.eye(2), torch.tensor([[1.0, 1.1], [1.1, 1.0]])]))


# Products alone


@given(kernels_with_targets())
def test_products_alone_agree_with_the_closed_form(drawn):
    kernel, cross, targets = drawn
    several = torch.stack([targets, targets.roll(1, 0)])
    closed = gradient_flow(kernel, several, TIMES, start=0.5 * targets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectrum_file, "EIGH_LIMIT", targets.numel() - 1 if kernel.dim() == 4 else 0)
        patch.setattr(spectrum_file, "decompose", None)
        expanded = gradient_flow(kernel, several, TIMES, start=0.5 * targets)
    close(predict(kernel, expanded), predict(kernel, closed), tolerance=1e-8)
    close(predict(cross, expanded), predict(cross, closed), tolerance=1e-6)
    close(expanded.dual, closed.dual, tolerance=1e-6)
    if kernel.dim() < 4:
        offered = gradient_flow(ByProducts(kernel), several, TIMES, start=0.5 * targets)
        close(offered.dual, expanded.dual)


def test_products_alone_agree_over_many_scales_and_long_times():
    kernel = torch.stack([with_eigenvalues(np.logspace(-8, 2, 40)), torch.eye(40).double()])
    targets = randn(40, 2)
    times = [1e-6, 1.0, 1e5]
    offered = ByProducts(kernel)
    expanded, closed = (gradient_flow(k, targets, times) for k in (offered, kernel))
    for i in range(3):
        close(predict(kernel, expanded)[i], predict(kernel, closed)[i], tolerance=1e-8)
        close(expanded.dual[i], closed.dual[i], tolerance=1e-6)
    # About 5.8 sqrt(lambda_max t / n) products serve all the times.
    assert 2000 < offered.products < 3300


def test_a_dead_output_stays_where_it_is():
    kernel = torch.stack([torch.zeros(3, 3), torch.eye(3)]).double()
    flow = gradient_flow(ByProducts(kernel), torch.ones(3, 2), [3.0])
    close(flow.dual[0, :, 0], torch.ones(3).double())  # t / n
    close(flow.dual[0, :, 1], torch.full((3,), -np.expm1(-1.0)).double())
    flow = gradient_flow(ByProducts(torch.zeros(2, 3, 3)), torch.ones(3, 2), [3.0])
    close(flow.dual[0], torch.ones(3, 2).double())


@pytest.mark.parametrize("z", [1e-8, 1e-3, 0.7, 30.0, 2000.0])
def test_coefficients_are_those_of_interpolation(z):
    bound = 3.7
    speed = 2 * z / bound

    def phi(y):
        return -np.expm1(-bound * (1 + y) / 2 * speed) / (bound * (1 + y) / 2)

    found = chebyshev.coefficients(bound, speed)
    expected = np.polynomial.chebyshev.chebinterpolate(phi, len(found) + 20)
    np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-9, atol=1e-13 * speed)
    # What is left out is below the tail allowed, but not by far.
    rest = bound * np.abs(expected[len(found) :]).sum()
    moved = min(1, 2 * z)
    assert rest <= 1.01 * chebyshev.TAIL * moved + 1e-12 * bound * speed
    assert bound * np.abs(expected[len(found) - 1 :]).sum() > chebyshev.TAIL * moved


def test_kernels_of_any_size_share_their_products():
    sizes = torch.logspace(-12, 3, 6).double()
    kernel = sizes[:, None, None] * with_eigenvalues(np.linspace(0, 1, 8))
    targets, times = randn(8, 6), [1e-3, 1.0, 1e3]
    expanded, closed = (gradient_flow(k, targets, times).dual for k in (ByProducts(kernel), kernel))
    for t in range(3):  # each kernel to its own accuracy at each time, not to that of the largest
        for b in range(6):
            close(expanded[t, :, b], closed[t, :, b], tolerance=1e-9)


@given(kernels_with_targets(), st.floats(-30, 30))
def test_the_largest_eigenvalue_is_bounded_closely(drawn, exponent):
    kernel = 10**exponent * drawn[0]
    layout, product = product_with(kernel)
    exact = decompose(kernel).values.max()
    assert 1 <= largest_eigenvalue(product, layout) / exact <= 1.02


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("kernels", [1, 2, 3])
def test_the_smallest_kernels_are_bounded_too(kernels, rows):
    sizes = torch.arange(1.0, kernels + 1).double()[:, None, None]
    for one in (torch.eye(rows), torch.ones(rows, rows), torch.eye(rows) + 1):
        layout, product = product_with(sizes * one)
        exact = kernels * torch.linalg.eigvalsh(one)[-1].item()
        assert exact <= largest_eigenvalue(product, layout) <= 1.02 * exact
    layout, product = product_with(torch.zeros(kernels, rows, rows))
    assert largest_eigenvalue(product, layout) == 0


@pytest.mark.parametrize("gap", [0.0, 1e-4, 0.01, 0.3])
def test_a_close_or_distant_second_eigenvalue_is_bounded_too(gap):
    values = np.append(np.linspace(0, 1 - gap, 299), 1.0)
    layout, product = product_with(with_eigenvalues(values))
    bound = largest_eigenvalue(product, layout)
    assert 1 <= bound <= 1.02
    assert largest_eigenvalue(product, layout) == bound


@pytest.mark.parametrize("size", [1.0, 1e-20])
def test_the_end_of_a_dense_spectrum_is_found(size):
    values = size * torch.linspace(0, 1, 20_000).double()
    layout = Layout(outputs="trace", n=len(values), k=None)
    bound = largest_eigenvalue(lambda columns: values[:, None] * columns, layout)
    assert 1 <= bound / size <= 1.02


def test_a_kernel_with_one_large_eigenvalue_takes_few_products():
    kernel = ByProducts(with_eigenvalues(np.arange(1.0, 301) ** -1.5))
    largest_eigenvalue(kernel.matmul, Layout(outputs="trace", n=300, k=None))
    assert kernel.products <= 23


@pytest.mark.parametrize(("gap", "part"), [(0.05, 1e-6), (0.1, 1e-9), (0.3, 1e-9)])
def test_a_start_that_hardly_sees_the_largest_eigenvalue_finds_it(gap, part):
    rest, top = torch.linspace(0, 1 - gap, 300).double()[:, None], []

    def product(columns):
        if not top:  # the top eigenvector is laid across the first vector asked for
            start = columns / columns.norm()
            across = randn(300, 1) - start * (start * randn(300, 1)).sum()
            top.append(part * start + (1 - part**2) ** 0.5 * across / across.norm())
        along = top[0] * (top[0] * columns).sum()
        moved = rest * (columns - along)
        return along + moved - top[0] * (top[0] * moved).sum()

    bound = largest_eigenvalue(product, Layout(outputs="trace", n=300, k=None))
    assert 1 <= bound <= 1.02


def test_a_later_product_that_is_not_finite_is_refused():
    kernel = ByProducts(with_eigenvalues(np.linspace(0, 1, 30)))

    def product(columns):
        return kernel.matmul(columns) * (nan if kernel.products == 5 else 1)

    with pytest.raises(ValueError, match="product with a vector is NaN"):
        largest_eigenvalue(product, Layout(outputs="trace", n=30, k=None))


# Refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": []}, "at least one"),
        ({"times": [1.0, -1.0]}, r"times\[1\]=-1.0 is a time"),
        ({"times": [nan]}, r"times\[0\]=nan is a time"),
        ({"targets": torch.ones(4, 2)}, r"targets \(4, 2\) must be .* n=3 rows, k=2 columns"),
        ({"targets": torch.ones(3, 2) / 0}, "targets holds 6 values"),
        ({"start": torch.ones(4, 2)}, r"start \(4, 2\) must be"),
        ({"start": torch.ones(5, 3, 2)}, r"start \(5, 3, 2\) does not broadcast"),
        ({"start": torch.ones(3, 2) * nan}, "start holds 6 values"),
        ({"kernel": torch.ones(2, 3, 4)}, r"kernel \(2, 3, 4\) must be"),
        ({"kernel": torch.eye(3).expand(2, 3, 3) * nan}, "kernel has entries"),
        ({"kernel": torch.zeros(2, 3, 3)}, r"kernel \[0, 1\] has mean diagonal <= 0"),
        ({"kernel": ByProducts(torch.eye(3).expand(2, 3, 3)), "times": [1.0, inf]}, "has inf"),
        (
            {"kernel": ByProducts(torch.eye(3).expand(2, 3, 3)), "times": [3.1e7]},
            "times=.* reach .* Chebyshev",
        ),
        (
            {"kernel": ByProducts(torch.eye(3).expand(2, 3, 3)), "times": [1e30]},
            "times=.* reach .* Chebyshev",
        ),
        ({"kernel": ByProducts(-torch.eye(3).expand(2, 3, 3))}, "no Gram matrix"),
        (
            {"kernel": ByProducts(torch.stack([5 * torch.eye(3), -torch.eye(3)]))},
            "no Gram matrix",
        ),
        ({"kernel": ByProducts(nan * torch.eye(3).expand(2, 3, 3))}, "product with a vector"),
    ],
)
def test_bad_input_of_flow_is_refused(change, message):
    usual = {"kernel": torch.eye(3).expand(2, 3, 3), "targets": torch.ones(3, 2), "times": [1.0]}
    with unchecked(), pytest.raises(ValueError, match=message):
        gradient_flow(**(usual | change))


def test_bad_ridges_are_refused():
    spectrum = decompose(torch.eye(3))
    for ridges, message in (
        ([], "at least one"),
        ([1.0, -1.0], r"ridges\[1\]=-1.0"),
        ([inf], r"ridges\[0\]=inf"),
    ):
        with pytest.raises(ValueError, match=message):
            ridge_path(spectrum, torch.ones(3, 1), ridges)
    with unchecked(), pytest.raises(ValueError, match="n=3 rows"):
        ridge_path(spectrum, torch.ones(4, 1), [1.0])


def test_a_kernel_too_large_for_eigh_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setattr(spectrum_file, "EIGH_LIMIT", 5)
    decompose(torch.eye(5))
    with pytest.raises(ValueError, match=r"matrices of 6 rows.*give the kernel itself"):
        decompose(torch.eye(6).view(2, 3, 2, 3).transpose(1, 2).contiguous().view(3, 3, 2, 2))
