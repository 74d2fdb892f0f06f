"""A module that was sent is the module: its numbers, ties, views and modes, in every thread."""

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import numpy as np
import pytest
import torch
from hostile_modules import PLAIN
from torch import nn

from multiview.ntk.sent_module import send, store_numbers
from multiview.rng import stream
from multiview.sparsity import with_gates

LAST = import_module("multiview.ntk.sent_module")._last


def travelled(module, folder):
    """The module as a worker has it."""
    sent, numbers = send(module)
    store_numbers(folder, numbers)
    return pickle.loads(pickle.dumps(sent)).load(folder, "cpu")


class Tied(nn.Module):
    """Two layers with one weight, a buffer that is a view of it, and a tensor beside both."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight
        self.register_buffer("row", self.a.weight.detach()[1])
        self.beside = torch.arange(4, dtype=torch.bfloat16).view(2, 2).mT
        self.empty = torch.empty(0, 2)


def test_ties_views_types_and_modes_are_kept(tmp_path):
    module = Tied().eval()
    module.a.bias.requires_grad_(False)
    other = travelled(module, tmp_path)
    assert other.a.weight is other.b.weight
    assert other.row.data_ptr() == other.a.weight[1].data_ptr()
    assert other.beside.equal(module.beside)
    assert other.empty.shape == (0, 2)
    assert not other.training
    assert [each.requires_grad for each in other.parameters()] == [True, False, True]
    for name, value in module.state_dict().items():
        assert other.state_dict()[name].equal(value)
    other.a.weight.data.zero_()
    assert module.a.weight.any()  # a copy


def test_kinds_of_parameters_are_kept(tmp_path):
    module = with_gates(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), 0.5, stream(0))
    other = travelled(module, tmp_path)
    kinds = [[type(each) for each in net.parameters()] for net in (module, other)]
    assert kinds[0] == kinds[1]
    assert len(set(kinds[0])) == 2


LAMBDAS = ("mlp", "one number a sample", "residual", "embedding, then attention", "bilinear")
RECURRENT = tuple(name for name in PLAIN if "recurrent" in name or "GRU" in name or "LSTM" in name)
PARAMETRISED = ("weight norm", "orthogonal", "parametrised")
REFUSED = {*LAMBDAS, *RECURRENT, *PARAMETRISED} - {"GRU cell"}


@pytest.mark.parametrize("name", PLAIN)
def test_modules_of_every_kind_give_the_same_outputs_or_are_refused(name, tmp_path):
    case = PLAIN[name]
    module = case.make().to(case.dtype).eval()
    if name in REFUSED:  # pickle or torch refuses them
        with pytest.raises(ValueError, match=r"cannot be sent to the executor's workers \("):
            send(module)
        return
    x = torch.ones(2, *case.shape, dtype=torch.long if case.tokens else case.dtype)
    assert travelled(module, tmp_path)(x).equal(module(x))


def test_numbers_that_are_others_are_refused(tmp_path):
    sent, numbers = send(nn.Linear(3, 2))
    store_numbers(tmp_path, numbers)
    (path,) = tmp_path.iterdir()
    np.save(path, numbers + 1)
    message = f"{path} does not hold the numbers of the module that was sent: make the same call"
    with pytest.raises(ValueError, match=message):
        sent.load(tmp_path, "cpu")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        sent.load(tmp_path, "cpu")


def test_a_thread_keeps_the_last_module_alone_and_shares_it_with_none(tmp_path):
    nets = [nn.Linear(3, 2), nn.Linear(3, 2)]
    one, two = ((send(net)[0], store_numbers(tmp_path, send(net)[1]))[0] for net in nets)
    first = one.load(tmp_path, "cpu")
    assert copy.deepcopy(one).load(tmp_path, "cpu") is first  # read once
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(one.load, tmp_path, "cpu").result() is not first
    gone = weakref.ref(first)
    del first
    assert gone() is not None
    second = two.load(tmp_path, "cpu")
    gc.collect()
    assert gone() is None
    assert LAST.module is second
