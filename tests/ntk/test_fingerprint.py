"""A kernel's name is the same in every process, and changes with anything the kernel depends on."""

import copy
import functools
import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
import torch
from beartype import beartype
from jaxtyping import jaxtyped
from ntk_strategies import Napping, Reuse
from torch import nn
from torch.nn import functional as F

from multiview import stream
from multiview.models import PatchNet
from multiview.ntk import fingerprint, gram

SLOPE = 2.0


def scaled(x):
    return SLOPE * x


def halved(x):
    return x / 2


class Scale:
    def __init__(self, slope):
        self.slope = slope

    def __call__(self, x):
        return self.slope * x


class Net(nn.Module):
    power = 2

    def __init__(self, act=torch.tanh, factor: object = 1.0, order=("a", "b"), table=None):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.register_buffer("shift", torch.zeros(4))
        self.act, self.factor, self.order, self.table = act, factor, order, table
        self.constant = torch.ones(2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(0.5)

    def forward(self, x):
        return scaled(self.second(self.act(self.first(x) + self.shift) ** self.power))

    def extra_repr(self):
        return repr(self.table)  # which may hold an address


class Doubled(Net):
    def forward(self, x):
        return 2 * super().forward(x)


def data(n=4):
    return torch.randn(n, 3, generator=stream(0, "data"))


def key(module=None, x1=None, x2=None, **options):
    return fingerprint(module or Net(), data() if x1 is None else x1, x2, **options)


def made(change):
    net = Net()
    change(net)
    return net


def tie(net):
    net.first.bias = nn.Parameter(net.shift.clone())
    net.extra = nn.Linear(3, 4)
    net.extra.bias = net.first.bias
    nn.init.ones_(net.extra.weight)


def named(*names):
    def change(net):
        for name in names:
            net.register_buffer(name, torch.zeros(1))

    return change


def copied(net):
    tie(net)
    net.extra.bias = nn.Parameter(net.first.bias.detach().clone())


def flipped(x):
    bits = x.clone().view(torch.int32)
    bits[1, 1] ^= 1
    return bits.view(torch.float32)


def with_constant(function, old, new):
    """The function with one constant in its code replaced."""
    constants = tuple(new if c == old else c for c in function.__code__.co_consts)
    assert constants != function.__code__.co_consts
    code = function.__code__.replace(co_consts=constants)
    made = FunctionType(code, function.__globals__, function.__name__, None, function.__closure__)
    made.__qualname__ = function.__qualname__
    return made


def hooked(net):
    net.first.register_forward_hook(lambda module, inputs, output: 2 * output)


VARIANTS = {
    "the same": lambda: key(),
    "weight": lambda: key(made(lambda net: net.first.weight.data.view(-1)[3].add_(1e-7))),
    "buffer": lambda: key(made(lambda net: net.shift.add_(1e-30))),
    "negative zero": lambda: key(made(lambda net: net.shift.neg_())),
    "no gradient": lambda: key(made(lambda net: net.second.bias.requires_grad_(False))),
    "float64": lambda: key(Net().double()),
    "eval mode": lambda: key(Net().eval()),
    "tied": lambda: key(made(tie)),
    "two buffers": lambda: key(made(named("a", "b"))),
    "the same under other names": lambda: key(made(named("b", "a"))),
    "copied": lambda: key(made(copied)),
    "activation": lambda: key(Net(act=torch.relu)),
    "python activation": lambda: key(Net(act=F.relu)),
    "other python activation": lambda: key(Net(act=F.relu6)),
    "lambda": lambda: key(Net(act=lambda x: x**2)),
    "other lambda": lambda: key(Net(act=lambda x: x**3)),
    "lambda with a default": lambda: key(Net(act=lambda x, p=2: x**p)),
    "lambda with another default": lambda: key(Net(act=lambda x, p=3: x**p)),
    "closure": lambda: key(Net(act=power(2))),
    "other closure": lambda: key(Net(act=power(3))),
    "partial": lambda: key(Net(act=functools.partial(F.leaky_relu, negative_slope=0.1))),
    "other partial": lambda: key(Net(act=functools.partial(F.leaky_relu, negative_slope=0.2))),
    "object": lambda: key(Net(act=Scale(1.0))),
    "other object": lambda: key(Net(act=Scale(2.0))),
    "method": lambda: key(Net(act=Scale(1.0).__call__)),
    "decorated": lambda: key(Net(act=times(1.0)(scaled))),
    "decorated with another number": lambda: key(Net(act=times(2.0)(scaled))),
    "other function decorated": lambda: key(Net(act=times(1.0)(halved))),
    "cached": lambda: key(Net(act=functools.cache(scaled))),
    "other function cached": lambda: key(Net(act=functools.cache(halved))),
    "number": lambda: key(Net(factor=1.5)),
    "boolean": lambda: key(Net(factor=True)),
    "text": lambda: key(Net(factor="1.0")),
    "tuple": lambda: key(Net(order=("a", "c"))),
    "joined tuple": lambda: key(Net(order=("ab",))),
    "dict": lambda: key(Net(table={"a": 1})),
    "other dict": lambda: key(Net(table={"a": 2})),
    "set": lambda: key(Net(table={"a", "b"})),
    "array": lambda: key(Net(table=np.ones(2))),
    "other array": lambda: key(Net(table=np.zeros(2))),
    "unregistered tensor": lambda: key(made(lambda net: net.constant.add_(1))),
    "hook": lambda: key(made(hooked)),
    "subclass": lambda: key(Doubled()),
    "x1": lambda: key(x1=flipped(data())),
    "x1 float64": lambda: key(x1=data().double()),
    "x1 shape": lambda: key(x1=data().view(4, 1, 3)),
    "x2": lambda: key(x2=data()),
    "other x2": lambda: key(x2=flipped(data())),
    "outputs": lambda: key(outputs="per_class"),
    "dtype": lambda: key(dtype=torch.float64),
    "accumulate": lambda: key(accumulate=torch.float32),
    "method of gram": lambda: key(method="jacobian"),
    "tile": lambda: key(tile=512),
}


def power(p):
    return lambda x: x**p


def times(factor):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(x):
            return factor * function(x)

        return wrapper

    return decorate


def checked(function):
    return beartype(jaxtyped(typechecker=beartype)(function))


def test_each_difference_gives_another_key():
    keys = {name: variant() for name, variant in VARIANTS.items()}
    by_key = {}
    for name, value in keys.items():
        assert len(value) == 32
        assert value not in by_key, f"{name} is like {by_key[value]}"
        by_key[value] = name
    assert keys == {name: variant() for name, variant in VARIANTS.items()}
    assert key(copy.deepcopy(Net())) == keys["the same"]


def test_layers_of_torch_without_weights_count():
    linear = nn.Linear(3, 2)
    nets = [nn.ReLU(), nn.GELU(), nn.GELU(approximate="tanh"), nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)]
    keys = {key(nn.Sequential(linear, act)) for act in nets}
    keys |= {key(nn.Sequential(act, linear)) for act in nets}
    assert len(keys) == 2 * len(nets)


def test_code_counts_and_so_does_what_it_names(monkeypatch):
    keys, child = [key()], key(Doubled())
    monkeypatch.setattr(sys.modules[__name__], "SLOPE", 3.0)
    keys.append(key())
    monkeypatch.setattr(sys.modules[__name__], "scaled", lambda x: x)
    keys.append(key())
    monkeypatch.setattr(Net, "power", 3)
    keys.append(key())
    monkeypatch.setattr(Net, "forward", lambda self, x: self.second(self.first(x)))
    keys.append(key())
    before = key(Doubled())
    assert before != child  # it inherits what has changed
    monkeypatch.setattr(Doubled, "forward", with_constant(Doubled.forward, 2, 3))
    assert key(Doubled()) != before
    monkeypatch.setattr(Net, "unused", property(lambda self: 1), raising=False)
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_a_type_checker_does_not_count():
    assert key(Net(act=checked(scaled))) == key(Net(act=scaled)) != key(Net(act=checked(halved)))


def test_a_remark_does_not_count(monkeypatch):
    before = key()
    monkeypatch.setattr(Net, "__doc__", "Another remark.")
    assert key() == before


def test_what_gram_does_to_a_module_does_not_count():
    net = Net()
    before = key(net)
    gram(net, data(), outputs="trace")
    assert key(net) == before


PROGRAM = """
import torch
from beartype import beartype
from jaxtyping import jaxtyped
from ntk_strategies import Napping, Reuse
from torch import nn
from multiview import stream
from multiview.models import PatchNet
from multiview.ntk import fingerprint
from test_fingerprint import NETS, seeded
print(*(seeded(name) for name in NETS))
"""

NETS = {
    "reuse": lambda: Reuse(3, 2),
    "napping": Napping,
    "layers": lambda: nn.Sequential(nn.Linear(3, 2), nn.GELU(), nn.Linear(2, 2)),
    "set": lambda: Net(table={"a", "b", "c", "d"}),
    "mixed": lambda: Net(act=Scale(1.0), table=object()),
    "patch": lambda: PatchNet(
        members=1,
        num_classes=2,
        width=2,
        patch_dim=3,
        q=3,
        relu_knee=1.0,
        sigma_init=1.0,
        generator=stream(0, "patch"),
    ),
}


def seeded(name):
    module = NETS[name]()
    for parameter in module.parameters():
        parameter.data.fill_(0.25)
    return fingerprint(module, data())


def test_another_process_finds_the_same_keys():
    here = Path(__file__).parent
    outputs = set()
    for seed in ("1", "2"):
        path = os.pathsep.join(map(str, (here, here.parent, here.parents[1])))
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    found = outputs.pop().split()
    assert len(set(found)) == len(NETS)
    # Classes of test files have another name here than there; those of the library have not.
    for name, there in zip(NETS, found, strict=True):
        if name in ("reuse", "napping", "layers", "patch"):
            assert seeded(name) == there, name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64, torch.bool])
def test_samples_of_any_type_count(dtype):
    x = torch.tensor([[0, 1, 1], [1, 0, 0]]).to(dtype)
    assert len({key(x1=x), key(x1=x.flip(0)), key(x1=x.float())}) == 3
