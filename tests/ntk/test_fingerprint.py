"""A kernel's name is the same in every process, and changes with anything the kernel depends on."""

import copy
import functools
import operator
import os
import subprocess
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import MethodType, SimpleNamespace

import numpy as np
import pytest
import torch
from ntk_strategies import Napping, Reuse
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from multiview import stream
from multiview.models import PatchNet, smoothed_relu
from multiview.ntk import fingerprint, gram

MODULE = import_module("multiview.ntk.fingerprint")
HERE = Path(__file__).parent
Point = namedtuple("Point", "x")


def scaled(x):
    return 2.0 * x


@dataclass(slots=True)
class Slotted:
    slope: float


class Net(nn.Module):
    def __init__(self, act=torch.tanh, table: object = None):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.register_buffer("shift", torch.zeros(4))
        self.act, self.table = act, table
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(0.5)

    def forward(self, x):
        return self.second(self.act(self.first(x) + self.shift))


class Doubled(Net):
    def forward(self, x):
        return 2 * super().forward(x)


def data():
    return torch.randn(4, 3, generator=stream(0, "data"))


def flipped(x):
    bits = x.clone().view(torch.int32)
    bits[1, 1] ^= 1
    return bits.view(torch.float32)


def key(module=None, x1=None, x2=None, **options):
    return fingerprint(module or Net(), data() if x1 is None else x1, x2, **options)


def made(change):
    net = Net()
    change(net)
    return net


def with_extra(bias):
    """A further layer, whose bias is the first layer's or like it."""

    def change(net):
        net.extra = copy.deepcopy(net.first)
        net.extra.bias = bias(net.first.bias)

    return change


def hooked(hook):
    return made(lambda net: net.first.register_forward_hook(hook))


def power(p):
    return lambda x: x**p


def rebound(function):
    return made(lambda net: setattr(net, "forward", MethodType(function, net)))


def scaled_again(x):
    return 3.0 * x


scaled_again.__name__ = "scaled"  # a method of this name may be either

MODULES = {
    "as it is": Net,
    "weight": lambda: made(lambda net: net.first.weight.data.view(-1)[3].add_(1e-7)),
    "buffer": lambda: made(lambda net: net.shift.add_(1e-30)),
    "negative zero": lambda: made(lambda net: net.shift.neg_()),
    "buffer under another name": lambda: made(lambda net: net.register_buffer("b", net.shift + 0)),
    "and another": lambda: made(lambda net: net.register_buffer("c", net.shift + 0)),
    "parameter in place of a buffer": lambda: made(
        lambda net: (delattr(net, "shift"), setattr(net, "shift", nn.Parameter(torch.zeros(4))))
    ),
    "no gradient": lambda: made(lambda net: net.second.bias.requires_grad_(False)),
    "float64": lambda: Net().double(),
    "eval mode": lambda: Net().eval(),
    "copied": lambda: made(with_extra(lambda bias: nn.Parameter(bias.detach().clone()))),
    "tied": lambda: made(with_extra(lambda bias: bias)),
    "layer tied": lambda: made(lambda net: setattr(net, "extra", net.first)),
    "no layer": lambda: made(lambda net: setattr(net, "extra", nn.Identity())),
    "ReLU": lambda: Net(act=nn.ReLU()),
    "GELU": lambda: Net(act=nn.GELU()),
    "tanh GELU": lambda: Net(act=nn.GELU(approximate="tanh")),
    "relu": lambda: Net(act=torch.relu),
    "python relu": lambda: Net(act=F.relu),
    "function": lambda: Net(act=scaled),
    "checked function": lambda: Net(act=smoothed_relu),
    "lambda": lambda: Net(act=lambda x: x**2),
    "other lambda": lambda: Net(act=lambda x: x**3),
    "nested lambda": lambda: Net(act=lambda x: (lambda: x + 1)()),
    "other nested lambda": lambda: Net(act=lambda x: (lambda: x + 2)()),
    "two lambdas": lambda: Net(table=[lambda x: x + 1, lambda x: x + 2]),
    "exchanged": lambda: Net(table=[lambda x: x + 2, lambda x: x + 1]),
    "default": lambda: Net(act=lambda x, p=2: x**p),
    "other default": lambda: Net(act=lambda x, p=3: x**p),
    "closure": lambda: Net(act=power(2)),
    "other closure": lambda: Net(act=power(3)),
    "partial": lambda: Net(act=functools.partial(F.leaky_relu, negative_slope=0.1)),
    "other partial": lambda: Net(act=functools.partial(F.leaky_relu, negative_slope=0.2)),
    "method": lambda: rebound(scaled),
    "other method of this name": lambda: rebound(scaled_again),
    "hook": lambda: hooked(lambda module, inputs, output: 2 * output),
    "other hook": lambda: hooked(lambda module, inputs, output: 3 * output),
    "subclass": Doubled,
} | {
    f"attribute {value!r}": lambda value=value: Net(table=value)
    for value in (
        *(0, False, 0.0, -0.0, "0", ("a", "b"), ("ab",), ["a", "b"], {"a": 1}, {"a": 2}),
        *({"a", "b"}, {"a", "c"}, frozenset("ab"), range(3), range(4), slice(1), slice(2)),
        *(SimpleNamespace(a=1), SimpleNamespace(a=2), Slotted(1.0), Slotted(2.0)),
        *(Decimal("1"), Decimal("2"), np.ones(2), np.zeros(2), torch.ones(2), torch.zeros(2)),
        *(operator.itemgetter(0), operator.itemgetter(1), [nn.ReLU()], [nn.GELU()]),
    )
}


def test_each_difference_of_a_module_gives_another_key_and_a_copy_the_same():
    by_key = {}
    for name, module in MODULES.items():
        net = module()
        value = key(net)
        assert len(value) == 32
        assert value not in by_key, f"{name} is like {by_key[value]}"
        by_key[value] = name
        assert key(module()) == value, name
        if "hook" not in name and "method" not in name:
            assert key(copy.deepcopy(net)) == value, name


def test_data_and_settings_count():
    keys = [key(x1=x) for x in (data(), flipped(data()), data().double(), data().view(4, 1, 3))]
    keys += [key(x2=data()), key(x2=flipped(data()))]
    keys += [key(x1=torch.ones(2, 3, dtype=t)) for t in (torch.bfloat16, torch.float16, torch.bool)]
    keys += [key(dtype=torch.float64), key(accumulate=torch.float32), key(outputs="per_class")]
    keys += [key(method="jacobian"), key(tile=512)]
    assert len(set(keys)) == len(keys)


NET = """
import functools, torch
def act(x):
    return x + 1
@functools.cache
def cached(x):
    return x + 2
class Base(torch.nn.Linear):
    def forward(self, x):
        return 3 * super().forward(x)
class Setting:
    def __call__(self, x):
        return x + 4
class Net(Base):
    pass
"""


def test_the_source_of_classes_and_functions_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for old, new in (
        ("", ""),
        ("x + 1", "x - 1"),
        ("x + 2", "x - 2"),
        ("3 *", "5 *"),
        ("+ 4", "-4"),
    ):
        (tmp_path / "written.py").write_text(NET.replace(old, new))
        sys.modules.pop("written", None)
        (tmp_path / "__pycache__" / "written.cpython-311.pyc").unlink(missing_ok=True)
        written = import_module("written")
        net = written.Net(3, 2)
        for parameter in net.parameters():
            nn.init.ones_(parameter)
        net.act, net.cached, net.setting = written.act, written.cached, written.Setting()
        keys.append(key(net))
    assert len(set(keys)) == len(keys)


def test_the_code_of_kernels_and_torch_count(tmp_path, monkeypatch):
    files = [*Path(str(MODULE.__file__)).parent.glob("*.py")]
    assert MODULE.code_of(files) == MODULE.code_of(files[::-1])
    keys, changed = [key()], tmp_path / "gram.py"
    for text in ("a = 1", "a = 2"):
        changed.write_text(text)
        monkeypatch.setattr(MODULE, "CODE", MODULE.code_of([*files, changed]))
        keys.append(key())
    changed.rename(tmp_path / "other.py")
    monkeypatch.setattr(MODULE, "CODE", MODULE.code_of([*files, tmp_path / "other.py"]))
    keys.append(key())
    monkeypatch.setattr(torch, "__version__", "0")
    monkeypatch.setattr(MODULE, "CODE", MODULE.code_of([*files, tmp_path / "other.py"]))
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_what_gram_does_to_a_module_does_not_count():
    net = Net()
    before = key(net)
    gram(net, data(), outputs="trace")
    assert key(net) == before


def test_a_parametrized_module_has_a_key():
    nets = [made(lambda net: parametrizations.weight_norm(net.first)) for _ in range(2)]
    assert key(nets[0]) == key(nets[1]) != key()


def local():
    class Local(Net):
        pass

    return Local


UNNAMED = {
    "a class in a function": (local(), "^__class__ of the module .*Local"),
    "an object of one": (lambda: Net(table=local()()), "^table.__class__ .*Local"),
    "what has no pickle": (lambda: Net(table=Lock()), "^table .*cannot pickle"),
    "a class without source": (lambda: Net(table=Point(1)), "^table .*class"),
    "what holds itself": (lambda: Net(table=endless()), "^table .*cyclic"),
    "of a layer": (lambda: nn.Sequential(Net(table=Point(1))), r"^0\.table"),
    "a script": (lambda: torch.jit.script(nn.Linear(3, 2)), "has no fingerprint"),
}


def endless():
    items = []
    items.append(items)
    return items


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("what", UNNAMED)
def test_what_cannot_be_read_is_refused(what):
    module, message = UNNAMED[what]
    with pytest.raises(ValueError, match=message) as caught:
        key(module())
    assert "at the top of a file" in str(caught.value)


def test_threads_do_not_disturb_each_other():
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: key(Doubled()), range(40)))) == 1


NETS = {
    "reuse": lambda: Reuse(3, 2),
    "napping": Napping,
    "layers": lambda: nn.Sequential(nn.Linear(3, 2), nn.GELU(), nn.Linear(2, 2)),
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
    "set": lambda: Net(table={"a", "b", "c", "d"}),
    "nested set": lambda: Net(table=[SimpleNamespace(s=frozenset([frozenset("abcd"), "e"]))]),
    "function": lambda: Net(act=smoothed_relu, table=scaled),
    "object": lambda: Net(table=object()),
    "hook": lambda: hooked(lambda module, inputs, output: 2 * output),
}


def seeded(name):
    module = NETS[name]()
    for parameter in module.parameters():
        parameter.data.fill_(0.25)
    return fingerprint(module, data())


def test_another_process_finds_the_same_keys():
    path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
    program = "from test_fingerprint import NETS, seeded; print(*map(seeded, NETS))"
    outputs = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(done.stdout)
    (found,) = (output.split() for output in outputs)
    assert len(set(found)) == len(NETS)
    # Classes of this file may have another name here than there; those of others have not, be
    # their types checked, as here, or not.
    for name, there in list(zip(NETS, found, strict=True))[:4]:
        assert seeded(name) == there, name
