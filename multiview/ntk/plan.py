"""How a Gram matrix is to be computed: the order of every layer's products, and what is held."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, NamedTuple

from multiview.ntk.contract import PAIR_COST, Outputs
from multiview.ntk.layerwise import Layer

Order = Literal["weights", "pairs", "none"]


@dataclass(frozen=True, kw_only=True)
class GramPlan:
    """Which products are formed, in which order, and what they cost.

    Attributes:
        layers: The layers taken by themselves.
        orders: Of each: "weights" forms the matrix's gradient for every sample and output, "pairs"
            multiplies inputs and output gradients at all pairs of positions, "none" has vectors
            only.
        rest: Names of the parameters left to the reference.
        num_outputs: Outputs of the module.
        together: Outputs differentiated together; their features are held together.
        held: Rows whose features are held while the columns' pass by.
        passes: Multiply-adds of passes through the layers and of features; those of the reference
            are not counted.
        products: Multiply-adds of the products of features.
        bytes_held: Memory of the features held, beside those of the 64 columns that pass.
    """

    layers: tuple[Layer, ...]
    orders: tuple[Order, ...]
    rest: tuple[str, ...]
    num_outputs: int
    together: int
    held: int
    passes: float
    products: float
    bytes_held: int

    @property
    def flop(self) -> float:
        """Floating-point operations, two a multiply-add."""
        return 2 * (self.passes + self.products)


@dataclass(frozen=True, kw_only=True)
class Task:
    """The size of a Gram matrix."""

    n1: int
    n2: int | None  # None: symmetric
    num_outputs: int
    outputs: Outputs
    itemsize: int  # bytes of a number
    memory: int  # bytes of features that may be held
    chunk_size: int | None  # rows to hold, in place of ``memory``

    @property
    def pairs(self) -> float:
        return self.n1 * (self.n1 + 1) / 2 if self.n2 is None else self.n1 * self.n2

    def evaluations(self, held: int) -> float:
        """How many samples' features are computed."""
        panels = ceil(self.n1 / held)
        if self.n2 is not None:
            return self.n1 + panels * self.n2
        return panels * self.n1 - held * panels * (panels - 1) / 2  # each panel from its rows on


class _Cost(NamedTuple):
    """Multiply-adds a sample, multiply-adds a pair of samples, numbers held a sample."""

    features: float
    products: float
    held: float

    def plus(self, other: "_Cost", sign: int = 1) -> "_Cost":
        return _Cost(*(a + sign * b for a, b in zip(self, other, strict=True)))


def make_plan(
    layers: Sequence[Layer], rest: Sequence[str], rest_parameters: int, task: Task
) -> GramPlan:
    """The plan with the fewest operations.

    Orders are changed layer by layer as long as the total falls: an order that holds less lets
    more rows be held, and the columns pass fewer times. "full" takes all outputs together.

    Args:
        rest: Names of the parameters left to the reference.
        rest_parameters: How many numbers they are.
    """
    smallest = task.num_outputs if task.outputs == "full" else 1
    plans = []
    for together in range(smallest, task.num_outputs + 1):
        plan = _orders(layers, rest_parameters, together, task)
        plans.append(replace(plan, rest=tuple(rest)))
    return min(plans, key=lambda plan: plan.flop)


def _orders(layers: Sequence[Layer], rest_parameters: int, together: int, task: Task) -> GramPlan:
    """The best orders for so many outputs together."""
    orders: list[Order] = ["weights" if layer.has_matrix else "none" for layer in layers]
    costs = [_costs(layer, together, task) for layer in layers]
    total = _shared(layers, rest_parameters, together, task)
    for order, cost in zip(orders, costs, strict=True):
        total = total.plus(cost[order])

    def sums(cost: _Cost) -> tuple[float, float, int]:
        """Operations for features and for products, and the rows held."""
        held = task.chunk_size or max(1, int(task.memory // (cost.held * task.itemsize)))
        held = min(held, task.n1)
        return task.evaluations(held) * cost.features, task.pairs * cost.products, held

    improving = True
    while improving:
        improving = False
        for i, cost in enumerate(costs):
            if orders[i] == "none":
                continue
            other: Order = "pairs" if orders[i] == "weights" else "weights"
            changed = total.plus(cost[orders[i]], -1).plus(cost[other])
            if sum(sums(changed)[:2]) < sum(sums(total)[:2]):
                total, orders[i], improving = changed, other, True
    features, products, held = sums(total)
    return GramPlan(
        layers=tuple(layers),
        orders=tuple(orders),
        rest=(),
        num_outputs=task.num_outputs,
        together=together,
        held=held,
        passes=features,
        products=products,
        bytes_held=int(held * total.held * task.itemsize),
    )


def _shared(layers: Sequence[Layer], rest_parameters: int, together: int, task: Task) -> _Cost:
    """Passes through the module, vectors, and the parameters left to the reference."""
    one_pass = sum(_gradient(layer) * layer.positions for layer in layers)
    groups = ceil(task.num_outputs / together)  # a forward pass each; a backward pass an output
    width = rest_parameters + sum(x.num_vectors * x.groups * x.units for x in layers)
    return _Cost(
        one_pass * (groups + task.num_outputs), width * _output_pairs(task), together * width
    )


def _costs(layer: Layer, together: int, task: Task) -> dict[Order, _Cost]:
    """What a layer costs in either order, over all outputs."""
    if not layer.has_matrix:
        return {"none": _Cost(0, 0, 0)}
    outputs, output_pairs, gradient = task.num_outputs, _output_pairs(task), _gradient(layer)
    groups = ceil(outputs / together)
    # The trace sums over the outputs before pairs are multiplied and added up.
    multiplied = groups if task.outputs == "trace" else output_pairs
    per_pair = groups * layer.inputs + output_pairs * layer.units + multiplied * PAIR_COST
    return {
        "weights": _Cost(
            outputs * gradient * layer.positions, output_pairs * gradient, together * gradient
        ),
        "pairs": _Cost(
            0,
            layer.groups * layer.positions**2 * per_pair,
            layer.groups * layer.positions * (layer.inputs + 1 + together * layer.units),
        ),
    }


def _gradient(layer: Layer) -> int:
    """Numbers in the matrix's gradient."""
    return layer.groups * layer.units * layer.inputs


def _output_pairs(task: Task) -> int:
    return task.num_outputs ** (2 if task.outputs == "full" else 1)
