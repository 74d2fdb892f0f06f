"""The closed-form gradient against autograd, in float64."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from net_strategies import patch_nets_with_data
from torch.nn import functional

from multiview import stream
from multiview.models import PatchNet, patch_net
from multiview.train import cross_entropy
from multiview.train import patch_gradient as gradients
from multiview.train.patch_gradient import patch_gradient, zeros_last


def autograd(net, patches, target, summed):
    """Mean loss of each network (or of the sum) and the weight gradient of their total."""
    logits = net(patches)
    if summed:
        logits = logits.sum(1, keepdim=True)
    losses = -(target.unsqueeze(1) * logits.log_softmax(-1)).sum(-1).mean(0)
    (gradient,) = torch.autograd.grad(losses.sum(), net.weight)
    return losses.detach(), gradient


@given(patch_nets_with_data(), st.booleans(), st.booleans())
def test_equals_autograd(case, summed, soft):
    net, patches, labels = case
    k = net.weight.shape[1]
    target = functional.one_hot(labels, k).double()
    if soft:
        target = torch.rand(target.shape, generator=stream(k, "soft"), dtype=torch.float64)
        target = target / target.sum(1, keepdim=True)
    rows = torch.arange(len(patches))
    ours = patch_gradient(net, patches, cross_entropy(target, k), rows, summed)
    loss, gradient = autograd(net, patches, target, summed)
    torch.testing.assert_close(ours.weight, gradient, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(ours.loss, loss, rtol=1e-10, atol=1e-12)
    logits = net(patches).detach()
    expected = logits.sum(1, keepdim=True) if summed else logits
    torch.testing.assert_close(ours.logits, expected, rtol=1e-10, atol=1e-12)


@given(patch_nets_with_data())
def test_some_rows_give_the_gradient_of_their_mean(case):
    net, patches, labels = case
    k = net.weight.shape[1]
    rows = torch.arange(0, len(patches), 2)
    ours = patch_gradient(net, patches, cross_entropy(labels, k), rows)
    target = functional.one_hot(labels[rows], k).double()
    _, gradient = autograd(net, patches[rows], target, summed=False)
    torch.testing.assert_close(ours.weight, gradient, rtol=1e-10, atol=1e-12)


def test_the_size_of_a_chunk_changes_only_rounding(monkeypatch):
    net = PatchNet(
        members=3, num_classes=4, width=5, patch_dim=8, sigma_init=1.0, generator=stream(0, "w")
    ).double()
    patches = torch.randn(37, 3, 8, generator=stream(0, "x"), dtype=torch.float64)
    objective = cross_entropy(torch.arange(37) % 4, 4)
    whole = patch_gradient(net, patches, objective, torch.arange(37))
    monkeypatch.setattr(patch_net, "CHUNK_ELEMENTS", 1000)  # 5 samples at a time
    pieces = patch_gradient(net, patches, objective, torch.arange(37))
    torch.testing.assert_close(pieces.weight, whole.weight, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(pieces.logits, whole.logits, rtol=1e-12, atol=1e-14)


def test_bfloat16_products_come_close():
    net = PatchNet(
        members=2, num_classes=4, width=6, patch_dim=30, sigma_init=1.0, generator=stream(0, "w")
    )
    patches = torch.randn(60, 5, 30, generator=stream(0, "x"))
    objective, rows = cross_entropy(torch.arange(60) % 4, 4), torch.arange(60)
    exact = patch_gradient(net, patches, objective, rows)
    coarse = patch_gradient(net, patches.bfloat16(), objective, rows)
    assert coarse.weight.dtype == coarse.logits.dtype == torch.float32
    gap = (coarse.weight - exact.weight).norm() / exact.weight.norm()
    assert 1e-4 < gap < 2e-2  # bfloat16 keeps 8 bits; no gap would mean that it was not used
    torch.testing.assert_close(coarse.loss, exact.loss, rtol=1e-2, atol=1e-2)


def test_processors_without_bfloat16_round_to_the_same_gradient(monkeypatch):
    net = PatchNet(
        members=2, num_classes=4, width=6, patch_dim=30, sigma_init=1.0, generator=stream(0, "w")
    )
    patches = torch.randn(60, 5, 30, generator=stream(0, "x")).bfloat16()
    objective, rows = cross_entropy(torch.arange(60) % 4, 4), torch.arange(60)
    found, types, multiply = [], [], torch.mm

    def recorded(a, b, **out):
        types.append(a.dtype)
        return multiply(a, b, **out)

    monkeypatch.setattr(torch, "mm", recorded)
    for has_it in (True, False):
        monkeypatch.setattr("multiview.train.bfloat16._processor_has_it", lambda it=has_it: it)
        found.append(patch_gradient(net, patches, objective, rows))
    assert types == [torch.bfloat16] * 2 + [torch.float32] * 2
    native, without = found
    gap = (without.weight - native.weight).norm() / native.weight.norm()
    assert gap < 1e-3  # a tenth of what rounding to bfloat16 changes
    torch.testing.assert_close(without.logits, native.logits, rtol=1e-3, atol=1e-2)


@given(patch_nets_with_data(), st.integers(0, 2**16))
def test_zero_patches_are_left_out_and_change_nothing(case, seed):
    net, patches, labels = case
    empty = torch.rand(patches.shape[:2], generator=stream(seed, "empty")) < 0.5
    patches = patches.masked_fill(empty.unsqueeze(2), 0)
    objective, rows = cross_entropy(labels, net.weight.shape[1]), torch.arange(len(patches))
    plain = patch_gradient(net, patches, objective, rows)
    ordered, filled = zeros_last(patches)
    order = filled.argsort(stable=True)
    short = patch_gradient(net, ordered, objective, order, filled=filled)
    torch.testing.assert_close(short.weight, plain.weight, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(short.logits, plain.logits[order], rtol=1e-10, atol=1e-12)
    for sample, number, given_ in zip(ordered, filled.tolist(), patches, strict=True):
        assert not sample[number:].any()
        shown = given_[given_.ne(0).any(1)]
        torch.testing.assert_close(sample[: len(shown)], shown, rtol=0, atol=0)


def test_networks_in_blocks_have_the_gradients_of_networks_alone(monkeypatch):
    net = PatchNet(
        members=5, num_classes=3, width=4, patch_dim=8, sigma_init=1.0, generator=stream(0, "w")
    ).double()
    patches = torch.randn(20, 3, 8, generator=stream(0, "x"), dtype=torch.float64)
    labels, rows, met = torch.arange(20) % 3, torch.arange(20), []
    plain = cross_entropy(labels, 3)

    def objective(logits, rows, nets):
        met.append(nets.tolist())
        return plain(logits, rows, nets)

    numbers = torch.tensor([9, 7, 5, 3, 1])
    whole = patch_gradient(net, patches, objective, rows, nets=numbers)
    assert met == [[9, 7, 5, 3, 1]]
    monkeypatch.setattr(gradients, "MOST_NEURONS", 25)  # two networks at a time
    blocks = patch_gradient(net, patches, objective, rows, nets=numbers)
    assert met[1:] == [[9, 7], [5, 3], [1]]
    for found, expected in zip(blocks, whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    summed = patch_gradient(net, patches, plain, rows, summed=True)
    assert summed.logits.shape == (20, 1, 3)
