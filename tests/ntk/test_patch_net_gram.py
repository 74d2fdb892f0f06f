"""The closed-form kernels of the patch network against autograd, in both orders."""

from contextlib import ExitStack, contextmanager
from importlib import import_module
from unittest import mock

import pytest
import torch
from closeness import close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import patch_weights_with_data
from oracles_ntk import explicit_gram, explicit_jacobian
from unchecked import unchecked

from multiview import stream
from multiview.models import PatchNet
from multiview.ntk import contract, gram, patch_net_gram
from multiview.ntk.patch_net import cheaper_order

MODULE = import_module("multiview.ntk.patch_net")
PRODUCTS = {"features": "_feature_products", "patches": "_pair_products"}
orders = st.sampled_from(["features", "patches"])


def net_of(weight, q, relu_knee):
    net = PatchNet(q=q, relu_knee=relu_knee, generator=stream(0)).double()
    return net.with_weight(weight if weight.dim() == 4 else weight[None])


@contextmanager
def small_tiles(tile, pairs):
    """Few rows held and small tiles, so that even a small kernel has many."""
    with ExitStack() as stack:
        for name, value in {"HELD_BYTES": 1, "TILE": tile, "PAIRS": pairs}.items():
            stack.enter_context(mock.patch.object(MODULE, name, value))
        stack.enter_context(mock.patch.object(contract, "PAIRS", pairs))
        yield


@given(patch_weights_with_data(), orders, st.integers(1, 5), st.sampled_from([1, 30, 200]))
def test_kernels_are_those_of_the_explicit_jacobian(drawn, order, tile, pairs):
    weight, x1, x2, q, knee = drawn
    net = net_of(weight, q, knee)
    with small_tiles(tile, pairs):
        kernels = patch_net_gram(weight, x1, x2, q=q, relu_knee=knee, order=order)
        symmetric = patch_net_gram(weight, x1, q=q, relu_knee=knee, order=order)
    expected = explicit_gram(net, x1, x2, "per_class").view_as(kernels)
    assert kernels.shape == (*weight.shape[:-2], len(x1), len(x2))
    close(kernels, expected)
    close(symmetric, explicit_gram(net, x1, x1, "per_class").view_as(symmetric))
    close(symmetric, symmetric.mT)
    assert torch.linalg.eigvalsh(symmetric).min() >= -1e-10 * symmetric.abs().max()


@given(patch_weights_with_data())
def test_reference_engine_agrees_and_off_class_blocks_are_zero(drawn):
    weight, x1, x2, q, knee = drawn
    net = net_of(weight, q, knee)
    kernels = patch_net_gram(weight, x1, x2, q=q, relu_knee=knee).flatten(0, -3)
    close(gram(net, x1, x2, "per_class"), kernels)
    full = gram(net, x1, x2)
    close(full, torch.diag_embed(kernels.permute(1, 2, 0)))
    off_class = ~torch.eye(len(kernels), dtype=torch.bool)
    assert (full[:, :, off_class] == 0).all()


@given(patch_weights_with_data(), orders)
def test_kernel_of_the_sum_of_members_is_the_sum_of_kernels(drawn, order):
    weight, x1, x2, q, knee = drawn
    weight = weight if weight.dim() == 4 else weight[None]
    settings = {"q": q, "relu_knee": knee, "order": order}
    kernels = patch_net_gram(weight, x1, x2, **settings)
    one_wide_net = weight.transpose(0, 1).flatten(1, 2)  # (k, members*m, d)
    close(kernels.sum(0), patch_net_gram(one_wide_net, x1, x2, **settings))
    for member, kernel in zip(weight, kernels, strict=True):
        close(patch_net_gram(member, x1, x2, **settings), kernel)


@given(patch_weights_with_data(), orders, st.randoms(use_true_random=False))
def test_order_of_patches_and_rotations_are_irrelevant(drawn, order, random):
    weight, x1, x2, q, knee = drawn
    settings = {"q": q, "relu_knee": knee, "order": order}
    kernels = patch_net_gram(weight, x1, x2, **settings)
    close(patch_net_gram(weight, x2, x1, **settings).mT, kernels)
    shuffled = x1[:, torch.tensor(random.sample(range(x1.shape[1]), x1.shape[1]))]
    close(patch_net_gram(weight, shuffled, x2, **settings), kernels)
    generator = stream(random.randrange(2**31))
    d = weight.shape[-1]
    turn = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    close(patch_net_gram(weight @ turn, x1 @ turn, x2 @ turn, **settings), kernels)


@given(patch_weights_with_data(), orders)
def test_kernel_is_the_rate_at_which_one_gradient_moves_the_output(drawn, order):
    weight, x1, x2, q, knee = drawn
    weight = weight if weight.dim() == 3 else weight[0]
    gradient = explicit_jacobian(net_of(weight, q, knee), x2[:1])[0]  # (k, parameters)
    kernels = patch_net_gram(weight, x1, x2[:1], q=q, relu_knee=knee, order=order)
    for i, direction in enumerate(gradient):
        step = 1e-6 / (1 + direction.norm())
        moved = [
            net_of(weight + sign * step * direction.view_as(weight), q, knee)(x1)[:, 0, i].detach()
            for sign in (1, -1)
        ]
        rate = (moved[0] - moved[1]) / (2 * step)
        scale = kernels.abs().max().item()
        torch.testing.assert_close(rate, kernels[i, :, 0], rtol=1e-4, atol=1e-4 * (1 + scale))


@pytest.mark.parametrize("order", ["features", "patches"])
def test_products_may_run_in_float32(order):
    generator = stream(0, "float32")
    weight = 0.03 * torch.randn(3, 5, 20, generator=generator)
    x = torch.randn(40, 6, 20, generator=generator)
    exact = patch_net_gram(weight, x, q=4, relu_knee=3.0, order=order)
    rough = patch_net_gram(weight, x, q=4, relu_knee=3.0, order=order, dtype=torch.float32)
    assert exact.dtype == rough.dtype == torch.float64
    error = ((rough - exact).abs() / exact.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]).max()
    assert 1e-12 < error < 1e-4


def test_no_gradient_flows_and_the_weight_is_left_alone():
    net = PatchNet(num_classes=2, width=3, patch_dim=4, generator=stream(0))
    before = net.weight.detach().clone()
    x = torch.randn(5, 3, 4, generator=stream(1))
    assert not patch_net_gram(net.weight, x, q=net.q, relu_knee=net.relu_knee).requires_grad
    assert torch.equal(net.weight, before)


def test_cheaper_order_is_the_one_with_fewer_operations():
    many_patches = {"num_patches": 16, "d": 256, "m": 20, "num_kernels": 10}
    long_patches = {"num_patches": 4, "d": 1024, "m": 20, "num_kernels": 10}
    assert cheaper_order(256, 256, **many_patches) == "features"
    assert cheaper_order(256, 256, **long_patches) == "patches"


@pytest.mark.parametrize("order", ["features", "patches"])
def test_auto_takes_the_cheaper_order(order):
    x = torch.randn(4, 3, 5, generator=stream(0))
    product = mock.Mock(return_value=torch.ones(2, 4, 4))
    with mock.patch.multiple(
        MODULE, cheaper_order=mock.Mock(return_value=order), **{PRODUCTS[order]: product}
    ):
        patch_net_gram(torch.ones(2, 3, 5), x, q=3, relu_knee=1.0)
    product.assert_called_once()


@pytest.mark.parametrize(
    ("weight", "x2", "order", "message"),
    [
        ((2, 3, 5), (4, 2, 4), "auto", r"weight \(2, 3, 5\) must be .* d = 4"),
        ((3, 4), (4, 2, 4), "auto", r"weight \(3, 4\) must be"),
        ((2, 3, 4), (4, 1, 4), "auto", r"\(4, 2, 4\) and x2 \(4, 1, 4\) differ"),
        ((2, 3, 4), (4, 2, 4), "best", "order='best'"),
    ],
)
def test_bad_arguments_are_refused(weight, x2, order, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        patch_net_gram(
            torch.ones(weight), torch.ones(4, 2, 4), torch.ones(x2), q=3, relu_knee=1.0, order=order
        )
