"""The plan: fewest operations within the memory allowed, and counts that are those made."""

import itertools
from importlib import import_module
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.ntk import gram, plan_gram
from multiview.ntk.layerwise import Layer
from multiview.ntk.plan import Task, make_plan

CONV = nn.Conv2d(1, 1, 1)


def layer(name, *, groups=1, inputs, units, positions, bias=None):
    sizes = {"groups": groups, "inputs": inputs, "units": units, "positions": positions}
    return Layer(name=name, module=CONV, weight=name, bias=bias, calls=1, **sizes)


def task(**changes):
    settings = {"n1": 100, "n2": None, "num_outputs": 10, "outputs": "trace", "itemsize": 4}
    return Task(**(settings | {"memory": 2**29, "chunk_size": None} | changes))


def multiply_adds(layers, orders, together, held, task):
    """The cost by counting each product of a kernel, one by one."""
    num, pairs = task.num_outputs, task.pairs
    groups = -(-num // together)
    c = {"trace": num, "per_class": num, "full": num * num}[task.outputs]
    samples = 0
    for begin in range(0, task.n1, held):
        rows = min(held, task.n1 - begin)
        samples += rows + (task.n1 - begin - rows if task.n2 is None else task.n2)
    per_sample = per_pair = 0
    for x, order in zip(layers, orders, strict=True):
        weights = x.groups * x.units * x.inputs
        per_sample += weights * x.positions * (groups + num)
        per_pair += x.groups * x.units * c * (x.bias is not None)
        if order == "weights":
            per_sample += weights * x.positions * num
            per_pair += weights * c
        else:
            added = groups if task.outputs == "trace" else c
            each = groups * x.inputs + c * x.units + 16 * added
            per_pair += x.groups * x.positions**2 * each
    return samples * per_sample, pairs * per_pair


layers_of_any_size = st.lists(
    st.builds(
        layer,
        st.just("a"),
        groups=st.integers(1, 2),
        inputs=st.integers(1, 600),
        units=st.integers(1, 64),
        positions=st.integers(1, 64),
        bias=st.sampled_from([None, "b"]),
    ),
    min_size=1,
    max_size=3,
)
tasks = st.builds(
    task,
    n1=st.integers(1, 3000),
    n2=st.none() | st.integers(1, 3000),
    num_outputs=st.integers(1, 4),
    outputs=st.sampled_from(["full", "per_class", "trace"]),
    memory=st.sampled_from([2**16, 2**24, 2**40]),
    chunk_size=st.none() | st.integers(1, 50),
)


@given(layers_of_any_size, tasks)
def test_costs_are_those_counted_one_by_one(layers, task):
    plan = make_plan(layers, [], 0, task)
    passes, products = multiply_adds(layers, plan.orders, plan.together, plan.held, task)
    assert plan.passes == pytest.approx(passes)
    assert plan.products == pytest.approx(products)
    assert plan.flop == 2 * (plan.passes + plan.products)
    if task.chunk_size is not None:
        assert plan.held == min(task.chunk_size, task.n1)
    elif plan.held > 1:
        assert plan.bytes_held <= task.memory


@given(layers_of_any_size, tasks)
def test_no_single_change_of_order_is_cheaper(layers, task):
    plan = make_plan(layers, [], 0, task)
    for i, other in itertools.product(range(len(layers)), ("weights", "pairs")):
        orders = [*plan.orders[:i], other, *plan.orders[i + 1 :]]
        bytes_a_row = 4 * sum(
            x.groups * x.units * plan.together * (x.bias is not None)
            + (
                plan.together * x.groups * x.units * x.inputs
                if order == "weights"
                else x.groups * x.positions * (x.inputs + 1 + plan.together * x.units)
            )
            for x, order in zip(layers, orders, strict=True)
        )
        held = min(task.n1, task.chunk_size or max(1, task.memory // bytes_a_row))
        cost = 2 * sum(multiply_adds(layers, orders, plan.together, held, task))
        assert plan.flop <= cost * (1 + 1e-9)


def test_few_positions_of_wide_layers_are_multiplied_in_pairs():
    wide = layer("wide", inputs=512 * 9, units=512, positions=16)  # of a ResNet-18's last stage
    narrow = layer("narrow", inputs=32 * 9, units=32, positions=784)
    assert make_plan([wide, narrow], [], 0, task()).orders == ("pairs", "weights")


def test_one_output_at_a_time_where_the_rows_do_not_fit_together():
    conv = layer("conv", inputs=144, units=16, positions=1024)
    assert make_plan([conv], [], 0, task(n1=64)).together == 10
    tight = make_plan([conv], [], 0, task(n1=5000, memory=2**24))
    assert tight.together == 1  # ten times as many rows are held, and columns pass a tenth as often
    assert make_plan([conv], [], 0, task(n1=5000, memory=2**24, outputs="full")).together == 10


def test_memory_bounds_what_is_held_and_the_kernel_does_not_change():
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)).double()
    x = torch.randn(9, 2, 5, 5, generator=stream(0, "memory")).double()
    plans = [plan_gram(net, x[:1], 9, outputs="trace", memory=m) for m in (2**10, 2**12, 2**20)]
    assert [plan.held for plan in plans] == sorted({plan.held for plan in plans})
    kernels = [gram(net, x, outputs="trace", memory=m) for m in (2**10, 2**12, 2**20)]
    for kernel in kernels[1:]:
        torch.testing.assert_close(kernel, kernels[0], rtol=1e-12, atol=0)


def test_as_many_samples_pass_as_the_plan_says():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x1, x2 = (torch.randn(n, 3, generator=stream(0, "passes", n)).double() for n in (7, 5))
    module = import_module("multiview.ntk.gram")
    for columns in (None, x2):
        plan = plan_gram(net, x1, 7, None if columns is None else 5, "full", chunk_size=3)
        with mock.patch.object(module, "fill", wraps=module.fill) as fill:
            gram(net, x1, columns, "full", chunk_size=3)
        passed = sum(len(call.args[3]) for call in fill.call_args_list)
        one_pass = 3 * 4 + 4 * 2
        features = 2 * sum(
            each.units * each.inputs
            for each, order in zip(plan.layers, plan.orders, strict=True)
            if order == "weights"
        )
        assert plan.passes == passed * (one_pass * (1 + 2) + features)


def test_result_has_the_precision_asked_for():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = torch.randn(5, 3, generator=stream(0, "precision"))
    single = gram(net, x, outputs="trace", accumulate=torch.float32)
    double = gram(net, x, outputs="trace", dtype=torch.float64)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n1": 0}, "n1=0 counts samples"),
        ({"n1": 2, "n2": -1}, "n2=-1 counts samples"),
        ({"n1": 2, "memory": 0}, "memory=0 is in bytes"),
        ({"n1": 2, "method": "hooks"}, "method='hooks': choose one of"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        plan_gram(nn.Linear(3, 2), torch.ones(1, 3), **arguments)
    with unchecked(), pytest.raises(ValueError, match="accumulate="):
        gram(nn.Linear(3, 2), torch.ones(1, 3), accumulate=torch.float16)
