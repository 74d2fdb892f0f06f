"""The layer-wise engine: the explicit Jacobian's kernel, or parameters left to the reference."""

import itertools
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from unittest import mock

import pytest
import torch
from closeness import close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import OUTPUTS, Net, layered_modules_with_data, randomised
from oracles_ntk import explicit_gram
from torch import nn
from torch.nn import functional

from multiview import stream
from multiview.ntk import contract, features, gram, plan_gram

MODULE = import_module("multiview.ntk.gram")  # the package's name "gram" is the function


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@given(
    layered_modules_with_data(),
    st.sampled_from(OUTPUTS),
    st.none() | st.integers(1, 7),
    st.sampled_from(["weights", "pairs", "mixed", "planned"]),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_kernel_is_that_of_the_explicit_jacobian(drawn, outputs, chunk, order, step, together):
    module, x1, x2 = drawn

    def planned(*arguments):
        plan = make_plan(*arguments)
        choices = {"weights": ["weights"], "pairs": ["pairs"], "mixed": ["weights", "pairs"]}
        if order == "planned":
            return plan
        turn = itertools.cycle(choices[order])
        orders = tuple(next(turn) if layer.has_matrix else "none" for layer in plan.layers)
        num_outputs = arguments[-1].num_outputs
        return replace(
            plan,
            orders=orders,
            together=num_outputs if outputs == "full" else min(together, num_outputs),
        )

    make_plan = MODULE.make_plan
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(MODULE, "make_plan", planned))
        stack.enter_context(mock.patch.object(MODULE, "STEP", step))
        stack.enter_context(mock.patch.object(features, "AT_ONCE", together))
        stack.enter_context(mock.patch.object(contract, "PAIRS", 4**step))
        kernel = gram(module, x1, x2, outputs, chunk_size=chunk)
        symmetric = gram(module, x1, None, outputs, chunk_size=chunk)
    close(kernel, explicit_gram(module, x1, x2, outputs))
    close(symmetric, explicit_gram(module, x1, x1, outputs))


def reused(net, x):
    x = torch.tanh(net.conv(x))
    x = torch.tanh(net.norm(net.conv(x)))
    x = torch.tanh(net.norm(net.conv(x[:, :, 1:, ::2])))  # at other sizes
    return net.head(x.mean((2, 3)))


def in_place(net, x):
    x = functional.relu_(net.conv(x))
    x = net.norm(x).tanh_()
    return net.head(x.flatten(1)).mul_(2)


def behind_the_hooks(net, x):
    return net.b.forward(torch.tanh(net.a(x)))


def functionally_too(net, x):
    return net.b(torch.tanh(net.a(x))) + 1e-9 * functional.linear(x, net.a.weight)[:, :2]


def dead_functional_use(net, x):
    return net.b(torch.tanh(net.a(x))) + functional.relu(x @ net.a.weight.T - 1e3)[:, :2]


def sequence_first(net, x):
    return net.b(torch.tanh(net.a(x.transpose(0, 1))).sum(0))


def flattened(net, x):
    return net.b(torch.tanh(net.a(x.flatten(0, 1))).view(*x.shape[:2], -1).sum(1))


def across_samples(net, x):
    hidden = torch.tanh(net.a(x))
    return net.b(hidden - 0.5 * hidden.mean(0))


def ordered(net, x):
    order = x[:, 0].argsort()
    return net.b(torch.tanh(net.a(x[order]))[order.argsort()])


def with_small_parameters(net, x):
    return net.b(net.scale * torch.tanh(net.a(x)))


def by_keyword(net, x):
    return net.b(input=torch.tanh(net.a(input=x)))


def partly_unused(net, x):
    return torch.cat([net.a(x)[:, :1], net.b(torch.tanh(net.a(x)))[:, :1]], 1)


def detached(net, x):
    return net.b(torch.tanh(net.a(x)).detach()) + net.a(x)[:, :2]


def one_number(net, x):
    return net.b(torch.tanh(net.a(x)))[:, 0]


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def with_user_hook(layer):
    layer.register_forward_hook(lambda layer, args, output: 3 * output)
    return layer


class Twice(nn.Module):
    def forward(self, weight):
        return 2 * weight


def parametrised(layer):
    nn.utils.parametrize.register_parametrization(layer, "weight", Twice())
    return layer


def scaled():
    net = Net(with_small_parameters, **mlp())
    net.scale = nn.Parameter(torch.tensor(0.5))  # without axes
    return net


def tied():
    net = Net(lambda net, x: net.c(torch.tanh(net.b(net.a(x)))), **mlp(3, 3), c=nn.Linear(3, 2))
    net.get_submodule("b").weight = net.get_submodule("a").weight
    return net


def mlp(width=3, num_outputs=2):
    return {"a": nn.Linear(3, width), "b": nn.Linear(width, num_outputs)}


def conv(padding=1, **settings):
    return nn.Conv2d(2, 2, 3, padding=padding, **settings)


def images(forward):
    norm = nn.GroupNorm(2, 2)
    size = 2 if forward is reused else 2 * 5 * 4
    return Net(forward, conv=conv(), norm=norm, head=nn.Linear(size, 3)), (2, 5, 4)


def registered_twice():
    square = nn.Linear(3, 3)
    return nn.Sequential(square, nn.Tanh(), square, nn.Tanh(), nn.Linear(3, 2))


VECTOR, TOKENS = (3,), (3, 3)  # three tokens: as many as samples in a trial
# A module, the shape of a sample, and the parameters that must be left to the reference.
TRAPS = {
    "reused at several sizes": lambda: (*images(reused), []),
    "registered under two names": lambda: (registered_twice(), VECTOR, []),
    "changed in place": lambda: (*images(in_place), []),
    "called by keyword": lambda: (Net(by_keyword, **mlp()), VECTOR, []),
    "user's hook": lambda: (
        Net(by_keyword, a=with_user_hook(nn.Linear(3, 3)), b=nn.Linear(3, 2)),
        VECTOR,
        [],
    ),
    "one number a sample": lambda: (Net(one_number, **mlp()), VECTOR, []),
    "an output that needs one layer only": lambda: (Net(partly_unused, **mlp()), VECTOR, []),
    "a layer that is detached": lambda: (Net(detached, **mlp()), VECTOR, ["a.weight", "a.bias"]),
    "forward called": lambda: (Net(behind_the_hooks, **mlp()), VECTOR, ["b.weight", "b.bias"]),
    "functional use, faint": lambda: (
        Net(functionally_too, **mlp()),
        VECTOR,
        ["a.weight", "a.bias"],
    ),
    "functional use, dead": lambda: (
        Net(dead_functional_use, **mlp()),
        VECTOR,
        ["a.weight", "a.bias"],
    ),
    "tied": lambda: (tied(), VECTOR, ["a.weight", "a.bias"]),
    "sequence first": lambda: (Net(sequence_first, **mlp()), TOKENS, ["a.weight", "a.bias"]),
    "samples and tokens in one axis": lambda: (
        Net(flattened, **mlp()),
        TOKENS,
        ["a.weight", "a.bias"],
    ),
    "subclass": lambda: (
        nn.Sequential(Doubled(3, 2), nn.Tanh(), nn.Linear(2, 2)),
        VECTOR,
        ["0.weight", "0.bias"],
    ),
    "samples in the order of their values": lambda: (
        Net(ordered, **mlp()),
        VECTOR,
        [],
    ),
    "a parameter without axes": lambda: (scaled(), VECTOR, ["scale"]),
    "parametrised": lambda: (
        nn.Sequential(parametrised(nn.Linear(3, 2)), nn.Tanh(), nn.Linear(2, 2)),
        VECTOR,
        ["0.bias", "0.parametrizations.weight.original"],
    ),
    "reflected padding": lambda: (
        nn.Sequential(conv(padding_mode="reflect"), nn.Flatten(), nn.Linear(40, 2)),
        (2, 5, 4),
        ["0.weight", "0.bias"],
    ),
}


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("trap", TRAPS)
def test_no_module_is_silently_wrong(trap, outputs):
    module, shape, left = TRAPS[trap]()
    generator = stream(0, trap)
    module = randomised(module, generator)
    places = {name: tensor.data_ptr() for name, tensor in module.named_parameters()}
    x1, x2 = (torch.randn(n, *shape, generator=generator).double() for n in (3, 2))
    expected = explicit_gram(module, x1, x2, outputs)
    close(gram(module, x1, x2, outputs), expected)
    close(
        gram(module, x1[:2], x2, outputs),
        expected[:, :2] if outputs == "per_class" else expected[:2],
    )
    assert list(plan_gram(module, x1, 3).rest) == left
    assert all(type(tensor) is nn.Parameter for tensor in module.parameters())
    assert {name: tensor.data_ptr() for name, tensor in module.named_parameters()} == places
    if left:
        with pytest.raises(ValueError, match=f"{left[0]}.* cannot be taken layer by layer"):
            gram(module, x1, method="layerwise")


def one_of_two_ways(net, x):
    hidden = net.a(x)
    return net.b(hidden.relu() if (x > 1).any() else hidden.tanh())


def used_by_large_samples(net, x):
    hidden = net.b(net.a(x).tanh())
    return hidden + functional.linear(x, net.a.weight)[:, :2] if (x > 1).any() else hidden


def stochastic_depth(net, x):
    return net.b(net.a(x)) * (torch.rand(len(x), 1) < 0.9)


def functional_dropout(net, x):
    return net.b(functional.dropout(net.a(x), 0.01, net.training))


@pytest.mark.parametrize("method", ["auto", "jacobian"])
@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (across_samples, "other outputs in a batch than alone"),
        (lambda net, x: net.b(net.a(x)).T, "other outputs in a batch than alone"),
        (stochastic_depth, "draws at random"),
        (functional_dropout, "draws at random"),
        (lambda net, x: (net.a(x), net.b(x)), "returns a tuple"),
    ],
)
def test_modules_without_a_kernel_are_refused(forward, said, method):
    net = randomised(Net(forward, **mlp()), stream(0, "refused")).train()
    x = (
        torch.randn(1, 3, generator=stream(0, "refused")).double().expand(4, 3)
    )  # equal samples hide it
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match=said):
        gram(net, x, method=method)
    assert torch.equal(torch.get_rng_state(), state)


def attention(net, x):
    x = net.a(x)[:, None, None, :]
    drop = 0.5 if net.training else 0.0
    return net.b(functional.scaled_dot_product_attention(x, x, x, dropout_p=drop)[:, 0, 0])


def test_attention_draws_only_if_it_drops():
    net = randomised(Net(attention, **mlp()), stream(0, "attention"))
    x = torch.randn(4, 3, generator=stream(0, "attention")).double()
    close(gram(net, x, outputs="trace"), explicit_gram(net, x, x, "trace"))
    gram(net.float(), x.float())  # in float32 torch takes a kernel that is tagged as random
    with pytest.raises(ValueError, match="draws at random"):
        gram(net.train(), x.float())


@pytest.mark.parametrize("forward", [one_of_two_ways, used_by_large_samples])
def test_samples_that_take_another_way_than_those_of_the_trial_are_refused(forward):
    net = randomised(Net(forward, **mlp()), stream(0, "two ways"))
    x = torch.zeros(6, 3).double()
    x[3] = 2.0
    with pytest.raises(ValueError, match=r"by some samples than by others|in a batch than alone"):
        gram(net, x)


def test_nothing_of_the_caller_is_touched():
    def forward(net, x):
        net.calls.add_(1)
        return net.b(net.a(x))

    net = Net(forward, **mlp())
    net.register_buffer("calls", torch.zeros(1))
    x = torch.randn(4, 3, generator=stream(0, "calls"), requires_grad=True)
    kernel = gram(net, x)
    assert not kernel.requires_grad
    assert not gram(nn.Linear(3, 2), x, method="jacobian").requires_grad
    assert net.calls == 0
    assert x.grad is None


@pytest.mark.parametrize("method", ["auto", "jacobian"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_kernels_need_no_gradient_mode(mode, method):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    net = randomised(net, stream(0, "mode"))
    x = torch.randn(5, 3, generator=stream(0, "mode")).double()
    expected = gram(net, x, method=method)
    with mode():
        assert torch.equal(gram(net, x.clone(), method=method), expected)
        assert plan_gram(net, x.clone(), 5).rest == ()


@pytest.mark.parametrize("method", ["auto", "jacobian"])
def test_parameters_of_several_precisions(method):
    def forward(net, x):
        return net.b(torch.tanh(net.scale.float() * net.a(x)))

    net = randomised(Net(forward, **mlp()), stream(0, "precisions")).float()
    net.scale = nn.Parameter(torch.tensor([1.5], dtype=torch.bfloat16))
    x = torch.randn(4, 3, generator=stream(0, "precisions"))
    exact = gram(net.double(), x.double(), outputs="trace", method="jacobian")
    net.float().scale.data = net.scale.data.bfloat16()
    mixed = gram(net, x, outputs="trace", method=method)
    torch.testing.assert_close(mixed, exact, rtol=1e-2, atol=1e-2)  # scale's gradient is bfloat16
    assert (mixed - exact).abs().max() < 0.1 * exact.abs().max()


def test_a_layer_in_another_precision_is_left_to_the_reference():
    def forward(net, x):
        return net.b(torch.tanh(net.a(x.bfloat16()).float()))

    net = randomised(Net(forward, **mlp()), stream(0, "bfloat16")).float()
    net.a.bfloat16()
    x = torch.randn(4, 3, generator=stream(0, "bfloat16"))
    assert plan_gram(net, x, 4).rest == ("a.weight", "a.bias")
    expected = gram(net, x, outputs="trace", method="jacobian")
    found = gram(net, x, outputs="trace")
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()  # bfloat16 keeps 8 bits


def test_samples_that_the_trial_finds_in_order():
    net = randomised(Net(ordered, **mlp()), stream(0, "ordered"))
    x = torch.randn(4, 3, generator=stream(0, "ordered")).double()
    x[:, 0] = torch.tensor([-9.0, 5.0, 2.0, -4.0])  # the first and the last are in order
    close(gram(net, x, outputs="trace"), explicit_gram(net, x, x, "trace"))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_uneven_padding_needs_no_reference():
    net = nn.Sequential(nn.Conv2d(1, 2, (2, 4), padding="same"), nn.Tanh(), nn.Flatten())
    net = randomised(net, stream(0, "same"))
    x = torch.randn(3, 1, 4, 5, generator=stream(0, "same")).double()
    close(gram(net, x, outputs="trace", method="layerwise"), explicit_gram(net, x, x, "trace"))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op")
def test_layers_without_inputs_or_units():
    net = nn.Sequential(nn.Linear(3, 0), nn.Tanh(), nn.Linear(0, 2)).double()
    x = torch.randn(4, 3, generator=stream(0, "empty")).double()
    close(gram(net, x, outputs="trace"), torch.full((4, 4), 2.0).double())  # the last bias
