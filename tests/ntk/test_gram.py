"""The kernel against explicit Jacobians, and the laws every tangent kernel obeys."""

import copy
from importlib import import_module
from unittest import mock

import pytest
import torch
from closeness import close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import OUTPUTS, Reuse, modules_with_data
from oracles_ntk import explicit_gram, explicit_jacobian
from torch import nn
from unchecked import unchecked

from multiview.ntk import gram

MODULE = import_module("multiview.ntk.features")
methods = st.sampled_from(["auto", "jacobian"])
chunks = st.none() | st.integers(1, 7)


@given(modules_with_data(), st.sampled_from(OUTPUTS), methods, chunks, st.integers(1, 4))
def test_gram_is_that_of_the_explicit_jacobian(drawn, outputs, method, chunk_size, together):
    module, x1, x2 = drawn
    with mock.patch.object(MODULE, "AT_ONCE", together):
        close(
            gram(module, x1, x2, outputs, method=method, chunk_size=chunk_size),
            explicit_gram(module, x1, x2, outputs),
        )
        symmetric = gram(module, x1, outputs=outputs, method=method, chunk_size=chunk_size)
    close(symmetric, explicit_gram(module, x1, x1, outputs))


@given(modules_with_data(), chunks)
def test_gram_is_symmetric_and_positive(drawn, chunk_size):
    module, x1, x2 = drawn
    forth, back = gram(module, x1, x2), gram(module, x2, x1)
    close(forth, back.transpose(0, 1).transpose(2, 3))
    full = gram(module, x1, chunk_size=chunk_size)
    matrix = full.transpose(1, 2).flatten(2).flatten(0, 1)  # (n*O, n*O)
    close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() >= -1e-10 * matrix.abs().max()


@given(modules_with_data(), st.data())
def test_gram_is_the_rate_at_which_one_gradient_moves_another_output(drawn, data):
    module, x1, x2 = drawn
    gradient = explicit_jacobian(module, x2[:1])[0]
    b = data.draw(st.integers(0, len(gradient) - 1))
    step = 1e-5 / (1 + gradient[b].norm().item())
    start = nn.utils.parameters_to_vector(module.parameters()).detach()
    moved = []
    for sign in (1, -1):
        nn.utils.vector_to_parameters(start + sign * step * gradient[b], module.parameters())
        moved.append(module(x1).detach().flatten(1))
    nn.utils.vector_to_parameters(start, module.parameters())
    rate = (moved[0] - moved[1]) / (2 * step)
    kernel = gram(module, x1, x2[:1])[:, 0, :, b]
    torch.testing.assert_close(rate, kernel, rtol=1e-4, atol=1e-4 * (1 + kernel.abs().max().item()))


class Sum(nn.Module):
    def __init__(self, *nets):
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x):
        return torch.stack([net(x) for net in self.nets]).sum(0)


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_kernel_of_a_sum_of_nets_is_the_sum_of_their_kernels(outputs):
    generator = torch.Generator().manual_seed(0)
    x1, x2 = (torch.randn(n, 3, generator=generator).double() for n in (5, 4))
    nets = [Reuse(3, 2).double() for _ in range(3)]
    whole = gram(Sum(*nets), x1, x2, outputs)
    close(whole, torch.stack([gram(net, x1, x2, outputs) for net in nets]).sum(0))


def test_only_trainable_parameters_count():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    net[0].requires_grad_(False)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).double()
    hidden = torch.tanh(net[0](x)).detach()
    close(gram(net, x, outputs="per_class"), (hidden @ hidden.T + 1).expand(2, 6, 6))
    with pytest.raises(ValueError, match=r"requires_grad_\(True\)"):
        gram(net.requires_grad_(False), x)


def test_precision_is_chosen_and_the_module_left_alone():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).eval()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    before = copy.deepcopy(net.state_dict())
    exact = explicit_gram(copy.deepcopy(net).double(), x.double(), x.double(), "trace")
    accurate = gram(net, x, x, "trace", dtype=torch.float64)
    close(accurate, exact)
    rough = gram(net, x, x, "trace")
    assert rough.dtype == torch.float64
    torch.testing.assert_close(rough, exact, rtol=1e-5, atol=1e-5)
    assert (rough - exact).abs().max() > 1e-12  # it did run in float32
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == before[name].dtype
    assert all(p.grad is None for p in net.parameters())


class Picked(nn.Module):
    """Reorders by an integer buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("order", torch.tensor([1, 0]))

    def forward(self, x):
        return x[:, self.order].flatten(1)


def test_integer_samples_and_buffers_are_not_cast():
    net = nn.Sequential(nn.Embedding(7, 3), Picked(), nn.Linear(6, 2))
    tokens = torch.tensor([[0, 1], [2, 2], [6, 3]])
    kernel = gram(net, tokens, outputs="trace", dtype=torch.float64)
    close(kernel, explicit_gram(net.double(), tokens, tokens, "trace"))


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (nn.BatchNorm1d(4), r"1 \(BatchNorm1d\) is in train mode.*module\.eval\(\)"),
        (nn.Dropout(0.5), r"1 \(Dropout\) draws at random.*module\.eval\(\)"),
    ],
)
def test_layers_that_mix_samples_or_draw_are_refused_in_train_mode(layer, named):
    net = nn.Sequential(nn.Linear(3, 4), layer, nn.Linear(4, 2)).train()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=named):
        gram(net, x)
    net.eval()
    torch.testing.assert_close(
        gram(net, x), explicit_gram(net, x, x, "full").double(), rtol=1e-4, atol=1e-5
    )


def test_inactive_dropout_and_frozen_batch_norm_are_accepted_in_a_training_module():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.0)).train()
    net[1].eval()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    kernel = gram(net, x, outputs="trace", dtype=torch.float64)
    assert net.training
    net.double().eval()
    close(kernel, explicit_gram(net, x.double(), x.double(), "trace"))


def test_batch_norm_without_running_statistics_is_refused_in_either_mode():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)).eval()
    with pytest.raises(ValueError, match="track_running_stats=True"):
        gram(net, torch.ones(5, 3))


def test_attention_dropout_is_refused():
    layer = nn.MultiheadAttention(4, 2, dropout=0.1)
    with pytest.raises(ValueError, match="MultiheadAttention"):
        gram(layer, torch.ones(5, 4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": "mean"}, "outputs='mean': choose one of"),
        ({"chunk_size": 0}, "chunk_size=0"),
        ({"x2": torch.ones(2, 4)}, r"\(5, 3\) and x2 \(2, 4\)"),
        ({"x2": torch.ones(0, 3)}, "at least one each"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        gram(nn.Linear(3, 2), torch.ones(5, 3), **arguments)
