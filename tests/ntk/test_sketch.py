"""Random features of the kernel: exact given their directions, unbiased, of the stated variance."""

from importlib import import_module
from unittest import mock

import pytest
import torch
from closeness import close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import modules_with_data
from oracles_ntk import explicit_gram, explicit_jacobian
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.models import SumOfNets
from multiview.ntk import gram, predict, sketch, solve

MODULE = import_module("multiview.ntk.sketch")  # the package's name "sketch" is the function
widths = st.integers(1, 9)


def mlp(num_outputs=2, seed=0):
    """A small net and samples, with the generator's own weights."""
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, num_outputs)).double()
    generator = stream(seed, "net")
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return net, torch.randn(4, 3, generator=stream(0, "x"), dtype=torch.float64)


@given(modules_with_data(), widths, st.none() | st.integers(1, 7), st.integers(1, 4))
def test_features_are_the_jacobian_times_the_directions_drawn(drawn, width, chunk_size, together):
    module, x, _ = drawn
    jacobian = explicit_jacobian(module, x)
    generator = stream(0, "directions")
    directions = [torch.randn(jacobian.shape[-1], generator=generator) for _ in range(width)]
    expected = torch.einsum("nap,rp->anr", jacobian, torch.stack(directions).double())
    used = stream(0, "directions")
    with mock.patch.object(MODULE, "TOGETHER", together):
        phi = sketch(module, x, width, used, chunk_size=chunk_size)
    close(phi, expected / width**0.5)
    assert used.get_state().equal(generator.get_state())  # advanced by these draws alone


@given(modules_with_data(), widths)
def test_equal_generators_give_train_and_test_samples_one_set_of_directions(drawn, width):
    module, x1, x2 = drawn
    together = sketch(module, torch.cat([x1, x2]), width, stream(0))
    apart = [sketch(module, x, width, stream(0)) for x in (x1, x2)]
    close(torch.cat(apart, 1), together)


def test_directions_held_fit_the_memory_allowed():
    net, x = mlp()
    sizes = []

    def counted(*arguments):
        for block, directions in original(*arguments):
            sizes.append(sum(d.nbytes for d in directions.values()))
            yield block, directions

    original, allowed = MODULE._directions, 500
    whole = sketch(net, x, 10, stream(0))
    with (
        mock.patch.object(MODULE, "HELD_BYTES", allowed),
        mock.patch.object(MODULE, "_directions", counted),
    ):
        close(sketch(net, x, 10, stream(0)), whole)
    one = 8 * sum(p.numel() for p in net.parameters())
    assert max(sizes) <= allowed < max(sizes) + one  # as many as fit
    assert sum(sizes) == 10 * one


@pytest.mark.parametrize(("chunk_size", "evaluations"), [(None, 2), (3, 4), (1, 8)])
def test_samples_are_evaluated_in_chunks(chunk_size, evaluations):
    net, x = mlp()
    with mock.patch.object(MODULE, "_derivative", wraps=MODULE._derivative) as derivative:
        sketch(net, x, 20, stream(0), chunk_size=chunk_size)
    assert derivative.call_count == evaluations  # chunks of 4 samples, twice: 16 and 4 directions


def scores(width, repeats):
    """Deviations from the kernel, all pairs of outputs and samples, in standard deviations."""
    net, x = mlp()
    kernel = gram(net, x)
    diagonal = torch.einsum("iiaa->ia", kernel)
    variance = torch.einsum("ia,jb->ijab", diagonal, diagonal) + kernel**2
    found = []
    for seed in range(repeats):
        phi = sketch(net, x, width, stream(seed, "directions", width))
        found.append(torch.einsum("air,bjr->ijab", phi, phi) - kernel)
    return torch.stack(found) / (variance / width).sqrt()


def test_inner_products_have_the_kernel_as_mean():
    """The mean of 200 sketches of width 100 misses each of 64 entries by its error's size."""
    mean = scores(100, 200).mean(0) * 200**0.5
    assert mean.abs().max() < 4.5  # 64 standard normal numbers: exceeded once in 2,000 times
    assert (mean**2).mean().item() == pytest.approx(1, abs=0.9)


@pytest.mark.parametrize("width", [1, 8, 64])
def test_errors_have_the_stated_size_at_every_width(width):
    """So they fall as 1 / sqrt(width): the same number of standard deviations everywhere."""
    assert (scores(width, 300) ** 2).mean().item() == pytest.approx(1, rel=0.25)


def test_features_of_independent_nets_concatenate_to_those_of_their_sum():
    pairs = [mlp(seed=seed) for seed in range(3)]
    x, nets = pairs[0][1], [net for net, _ in pairs]
    expected = gram(SumOfNets(nets), x, outputs="per_class")
    phi = torch.cat([sketch(net, x, 4000, stream(e, "sketch")) for e, net in enumerate(nets)], 2)
    assert phi.shape == (2, 4, 12000)
    error = phi @ phi.mT - expected
    size = expected.diagonal(dim1=1, dim2=2).mean()
    assert error.abs().max() < 6 * (2 / 4000) ** 0.5 * size
    shared = torch.cat([sketch(net, x, 4000, stream(0)) for net in nets], 2)  # blocks add anyway
    assert (shared @ shared.mT - expected).abs().max() < 6 * (2 / 4000) ** 0.5 * size


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_ridge_regression_on_the_features_is_a_solve_of_their_gram(ridge):
    net, _ = mlp()
    x = torch.randn(11, 3, generator=stream(1), dtype=torch.float64)
    targets = torch.randn(8, 2, generator=stream(2), dtype=torch.float64)
    phi = sketch(net, x, 6, stream(3))
    train, test = phi[:, :8], phi[:, 8:]
    kernel = train @ train.mT
    outputs = predict(test @ train.mT, solve(kernel, targets, ridge))
    for a in range(2):
        penalty = ridge * kernel[a].diagonal().mean() * torch.eye(6, dtype=torch.float64)
        weights = torch.linalg.solve(train[a].T @ train[a] + penalty, train[a].T @ targets[:, a])
        close(outputs[:, a], test[a] @ weights)


def test_precision_changes_no_direction_and_the_module_is_left_alone():
    net, x = mlp()
    net, x = net.float(), x.float()
    before = [p.detach().clone() for p in net.parameters()]
    exact = sketch(net, x, 5, stream(0), dtype=torch.float64)
    rough = sketch(net, x, 5, stream(0))
    assert (exact.dtype, rough.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(rough.double(), exact, rtol=1e-4, atol=1e-5)
    assert (rough - exact).abs().max() > 1e-12
    assert not sketch(net, x.clone().requires_grad_(), 5, stream(0)).requires_grad
    close(exact, sketch(net.double(), x.double(), 5, stream(0)))
    assert all(p.equal(b.to(p)) for p, b in zip(net.parameters(), before, strict=True))


def test_a_larger_width_begins_with_the_same_directions():
    net, x = mlp()
    few, many = (width**0.5 * sketch(net, x, width, stream(0)) for width in (3, 40))
    close(many[..., :3], few)


def test_only_trainable_parameters_count_and_token_ids_stay_integers():
    net = nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(6, 2))
    net[2].requires_grad_(False)
    tokens = torch.tensor([[0, 1], [2, 2], [6, 3]])
    phi = sketch(net, tokens, 8000, stream(0), dtype=torch.float64)
    expected = explicit_gram(net.double(), tokens, tokens, "per_class")
    assert (phi @ phi.mT - expected).abs().max() < 6 * (2 / 8000) ** 0.5 * expected.max()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width=0 is a count: use width >= 1"),
        ({"chunk_size": 0}, "chunk_size=0 is a count: use chunk_size >= 1"),
        ({"x": torch.ones(0, 3)}, r"x \(0, 3\) must hold .* at least one each"),
        ({"module": nn.BatchNorm1d(3).train()}, r"module\.eval\(\)"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    arguments = {"module": nn.Linear(3, 2), "x": torch.ones(5, 3), "width": 2} | changes
    with unchecked(), pytest.raises(ValueError, match=message):
        sketch(**arguments, generator=stream(0))
