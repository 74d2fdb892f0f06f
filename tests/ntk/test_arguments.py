"""What no kernel can be made of is refused by a ValueError that says which argument and why."""

# pyright: reportArgumentType=false, reportIndexIssue=false, reportOperatorIssue=false

import math

import pytest
import torch
from ntk_strategies import Net, randomised
from oracles_ntk import explicit_gram, explicit_jacobian
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.models import PatchNet
from multiview.ntk import (
    Tiling,
    centred_one_hot,
    decompose,
    descend,
    factor_tiles,
    fill_tiles,
    fingerprint,
    gradient_flow,
    gram,
    kernel_methods,
    patch_net_gram,
    plan_gram,
    predict,
    predict_tiles,
    ridge_path,
    sketch,
    soft_targets,
    solve,
    solve_tiles,
)

NAN, INF = math.nan, math.inf
FEATURES = torch.randn(4, 9, generator=stream(0, "features")).double()
KERNEL = FEATURES @ FEATURES.T
TARGETS = torch.randn(4, 2, generator=stream(0, "targets")).double()
PROBABILITIES = TARGETS.softmax(-1)
NET = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
X = torch.randn(4, 3, generator=stream(0, "samples")).double()
WEIGHT = torch.randn(2, 3, 5, generator=stream(0, "weight")).double()
PATCHES = torch.randn(4, 2, 5, generator=stream(0, "patches")).double()


def spoiled(tensor, value):
    """A copy with one entry, of the sample 2, replaced."""
    tensor = tensor.clone()
    tensor[2, ..., 0] = value
    return tensor


def patches(**given):
    settings = {"weight": WEIGHT, "x1": PATCHES, "q": 3, "relu_knee": 1.0} | given
    return patch_net_gram(settings.pop("weight"), settings.pop("x1"), **settings)


def skewed():
    kernel = KERNEL.clone()
    kernel[0, 1] += 5
    return kernel


def tiling(**changed):
    settings = {"form": "symmetric", "n1": 4, "n2": 4, "num_outputs": None, "tile": 2}
    return Tiling(**settings | {"dtype": "float64", "key": "k"} | changed)


FUNCTION = NET.forward
REFUSED = {
    "module, function": (lambda: gram(FUNCTION, X), "module is a method"),
    "module, list": (lambda: gram([NET], X), "module is a list"),
    "module of a plan": (lambda: plan_gram(None, X, 3), "module is a NoneType"),
    "module of a sketch": (lambda: sketch(3, X, 2, stream(0, "s")), "module is a int"),
    "module of a name": (lambda: fingerprint(FUNCTION, X), "module is a method"),
    "samples, list": (lambda: gram(NET, X.tolist()), "x1 is a list"),
    "samples, number": (lambda: gram(NET, torch.tensor(1.0)), "x1 is one number"),
    "samples, NaN in the middle": (lambda: gram(NET, spoiled(X, NAN)), r"x1\[2\] has entries"),
    "samples, infinite": (lambda: gram(NET, X, spoiled(X, INF)), r"x2\[2\] has entries"),
    "samples of a plan": (lambda: plan_gram(NET, spoiled(X, NAN), 3), r"x\[2\] has entries"),
    "samples of a sketch": (
        lambda: sketch(NET, spoiled(X, NAN), 2, stream(0, "s")),
        r"x\[2\] has entries",
    ),
    "samples, shape": (lambda: gram(NET, X[:, :2]), "module does not take a batch"),
    "samples, integers": (lambda: gram(NET, X.long()), "module does not take a batch"),
    "samples of two types": (lambda: gram(NET, X, X.float()), "give both one type"),
    "dtype": (lambda: gram(NET, X, dtype=torch.int32), "dtype=torch.int32"),
    "chunk_size": (lambda: gram(NET, X, chunk_size=1.5), "chunk_size=1.5"),
    "n1": (lambda: plan_gram(NET, X, 1.5), "n1=1.5"),
    "width": (lambda: sketch(NET, X, 2.5, stream(0, "s")), "width=2.5"),
    "generator": (lambda: sketch(NET, X, 2, None), "generator=None"),
    "tile": (lambda: fill_tiles("nowhere", NET, X, tile=1.5), "tile=1.5"),
    "tile of a tiling": (lambda: tiling(tile=NAN), "tile=nan"),
    "n1 of a tiling": (lambda: tiling(n1=None), "n1=None"),
    "kernel, list": (lambda: solve(KERNEL.tolist(), TARGETS), "kernel is a list"),
    "kernel, complex": (lambda: solve(KERNEL + 0j, TARGETS), "kernel is a torch.complex128"),
    "kernel, no outputs": (lambda: decompose(torch.zeros(0, 4, 4)), r"kernel \(0, 4, 4\)"),
    "kernel, skewed": (lambda: solve(skewed(), TARGETS), "not symmetric"),
    "kernel, skewed, spectrum": (lambda: decompose(skewed()), "not symmetric"),
    "kernel, skewed, descent": (
        lambda: descend(skewed(), TARGETS, loss="squared", steps=1),
        "not symmetric",
    ),
    "kernel of predictions, NaN": (
        lambda: predict(spoiled(KERNEL, NAN), solve(KERNEL, TARGETS)),
        "NaN or infinite",
    ),
    "kernel, not stored": (lambda: factor_tiles(KERNEL), "store is a Tensor"),
    "kernel to solve, not stored": (lambda: solve_tiles(KERNEL, TARGETS), "store is a Tensor"),
    "kernel to predict, not stored": (
        lambda: predict_tiles(KERNEL, solve(KERNEL, TARGETS)),
        "k_test_train is a Tensor",
    ),
    "ridge, text": (lambda: solve(KERNEL, TARGETS, "1"), "ridge='1'"),
    "ridge, None": (lambda: solve(KERNEL, TARGETS, None), "ridge=None"),
    "ridges, one": (lambda: ridge_path(decompose(KERNEL), TARGETS, 0.1), "ridges=0.1"),
    "times, one": (lambda: gradient_flow(KERNEL, TARGETS, 1.0), "times=1.0"),
    "targets, list": (lambda: solve(KERNEL, TARGETS.tolist()), "targets is a list"),
    "targets, complex": (lambda: solve(KERNEL, TARGETS + 0j), "targets is a torch.complex128"),
    "targets, none": (lambda: solve(KERNEL, TARGETS[:, :0]), r"targets \(4, 0\)"),
    "steps": (lambda: descend(KERNEL, PROBABILITIES, steps=1.5), "steps=1.5"),
    "record_every": (
        lambda: descend(KERNEL, PROBABILITIES, steps=2, record_every=0),
        "record_every=0",
    ),
    "labels, too large": (lambda: centred_one_hot(torch.tensor([0, 5]), 3), "from 0 to 5"),
    "labels, negative": (lambda: centred_one_hot(torch.tensor([0, -1]), 3), "from -1 to 0"),
    "labels, fractions": (lambda: centred_one_hot(torch.tensor([0.5]), 3), "whole numbers"),
    "labels, axes": (lambda: centred_one_hot(torch.tensor([[0]]), 3), "one a sample"),
    "classes": (lambda: centred_one_hot(torch.tensor([0]), 0), "num_classes=0"),
    "temperature": (lambda: soft_targets(TARGETS, NAN), "temperature=nan"),
    "teacher": (lambda: soft_targets(spoiled(TARGETS, NAN), 1.0), "outputs holds 1 values"),
    "teacher, no outputs": (lambda: soft_targets(TARGETS[:, :0], 1.0), r"outputs \(4, 0\)"),
    "members of two shapes": (
        lambda: kernel_methods([(KERNEL, KERNEL), (KERNEL, KERNEL[:3])], TARGETS),
        "differ in shape",
    ),
    "patches of another length": (lambda: patches(x1=PATCHES[..., :4]), "d = 4"),
    "patches of columns": (lambda: patches(x2=PATCHES[..., :4]), "differ in their patches"),
    "patches, one sample": (lambda: patches(x1=PATCHES[0]), "must be"),
    "patches, none": (lambda: patches(x1=PATCHES[:, :0]), "is empty"),
    "patches, NaN": (lambda: patches(x1=spoiled(PATCHES, NAN)), "x1 holds 2 values"),
    "weights, NaN": (lambda: patches(weight=WEIGHT * NAN), "weight holds .* values"),
    "power": (lambda: patches(q=0.5), "q=0.5"),
    "knee": (lambda: patches(relu_knee=-1.0), "relu_knee=-1.0"),
    "precision": (lambda: patches(dtype=torch.int32), "dtype=torch.int32"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arguments_are_refused_by_name(case):
    call, said = REFUSED[case]
    with unchecked(), pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize("value", [NAN, INF])
def test_weights_that_are_not_finite_are_named(value):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    net[2].weight.data[1, 1] = value
    with pytest.raises(ValueError, match=r"2\.weight of the module has entries that are NaN"):
        gram(net, X)


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 1, 10), (4, 5, 4)])
def test_patches_of_another_dimension_are_not_read_as_other_patches(shape):
    net = PatchNet(
        members=1,
        num_classes=2,
        width=3,
        patch_dim=5,
        q=3,
        relu_knee=1.0,
        sigma_init=1.0,
        generator=stream(0, "net"),
    )
    x = torch.randn(shape, generator=stream(0, "misread"))
    with pytest.raises(ValueError, match="must be patches of dimension 5"):
        gram(net, x)
    with pytest.raises(ValueError, match="must be patches of dimension 5"):
        sketch(net, x, 2, stream(0, "directions"))


def test_outputs_that_are_not_finite_are_named():
    net = Net(lambda net, x: net.a(x) / (x[:, :1] - X[1, 0]), a=nn.Linear(3, 2)).double()
    with pytest.raises(ValueError, match=r"outputs\[1\] has entries that are NaN"):
        gram(net, X)


def test_gradients_that_are_not_finite_are_refused():
    net = Net(lambda net, x: (net.a(x) - net.a(X[1:2])).abs().sqrt(), a=nn.Linear(3, 2)).double()
    with pytest.raises(ValueError, match="a gradient overflows or is not defined there"):
        gram(net, X)


@pytest.mark.parametrize("layer", [nn.GRU, nn.LSTM])
def test_sketch_of_what_torch_func_does_not_take(layer):
    forward = lambda net, x: net.b(net.a(x)[0][:, -1])  # noqa: E731
    generator = stream(0, "sketch")
    net = randomised(Net(forward, a=layer(2, 2, batch_first=True), b=nn.Linear(2, 2)), generator)
    x = torch.randn(3, 4, 2, generator=generator).double()
    phi = sketch(net, x, 4000, generator)
    jacobian = explicit_jacobian(net, x)
    seed = generator.get_state()
    again = sketch(net, x, 5, generator.set_state(seed))
    generator.set_state(seed)
    drawn = [torch.randn(jacobian.shape[-1], generator=generator) for _ in range(5)]
    wanted = jacobian @ torch.stack(drawn).double().T / 5**0.5
    torch.testing.assert_close(again, wanted.transpose(0, 1), rtol=1e-9, atol=1e-9)
    expected = explicit_gram(net, x, x, "per_class")
    assert (phi @ phi.mT - expected).abs().max() < 0.15 * expected.abs().max()


def test_routed_samples_have_a_kernel_by_the_reference():
    def forward(net, x):
        return torch.cat([(net.a if row[0, 0] > 0 else net.b)(row) for row in x.split(1)])

    net = randomised(Net(forward, a=nn.Linear(3, 2), b=nn.Linear(3, 2)), stream(0, "routed"))
    x = X.clone()
    x[:, 0] = torch.tensor([1.0, -1, 1, 1])
    with pytest.raises(ValueError, match=r'a is used otherwise .* method="jacobian"'):
        gram(net, x)
    found = gram(net, x, outputs="trace", method="jacobian")
    torch.testing.assert_close(found, explicit_gram(net, x, x, "trace"))
