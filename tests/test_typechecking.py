"""What the tests' import hook refuses, so that it cannot fall silent."""

import inspect
import sys
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeGuard

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor
from typechecking import checked, says_anything
from unchecked import unchecked

from multiview.models import smoothed_relu


@checked
def product(
    a: Float[Tensor, "n k"], b: Float[Tensor, "k m"], *more: int, scale: float = 1.0, **named: int
) -> Float[Tensor, "n m"]:
    wrong: Any = named.get("result")
    return wrong or scale * a @ b


ONE, TWO = torch.ones(3, 2), torch.ones(2, 4)


def test_right_arguments_pass_and_sizes_are_those_of_one_call():
    assert product(ONE, TWO, 1, 2, scale=2, other=3).shape == (3, 4)
    assert product(TWO, torch.ones(4, 5)).shape == (2, 5)


@pytest.mark.parametrize(
    ("args", "named", "culprit"),
    [
        ((ONE, ONE), {}, "b"),
        ((ONE, torch.ones(2, 4, dtype=torch.int64)), {}, "b"),
        ((ONE.numpy(), TWO), {}, "a"),
        ((ONE, TWO, "one"), {}, "more"),
        ((ONE, TWO), {"scale": "one"}, "scale"),
        ((ONE, TWO), {"other": 0.5}, "named"),
        ((ONE,), {"b": ONE}, "b"),
        ((ONE, TWO), {"result": 7}, "return"),
    ],
)
def test_a_wrong_type_or_shape_is_refused_by_name(args, named, culprit):
    shown = "named|other" if culprit == "named" else culprit
    with pytest.raises(TypeCheckError, match=f"product: ({shown}) is not "):
        product(*args, **named)


def test_a_result_of_another_shape_is_refused():
    @checked
    def transposed(a: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        return a.T

    with pytest.raises(TypeCheckError, match="return"):
        transposed(ONE)


def test_fields_of_dataclasses_and_methods_are_checked():
    @checked
    @dataclass
    class Named:
        size: float

        @checked
        def times(self, factor: "Named") -> float:
            return self.size

        @classmethod
        @checked
        def of(cls, size: int) -> "float | None":
            return size

    assert Named(3).size == Named.of(3) == 3
    with pytest.raises(TypeCheckError, match="size"):
        Named("three")  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError, match="size"):
        Named.of(0.5)  # type: ignore[arg-type]


def test_nothing_is_checked_where_it_is_said_so():
    with unchecked(), pytest.raises(RuntimeError):
        product(ONE, ONE)
    with pytest.raises(TypeCheckError):
        product(ONE, ONE)


def test_names_are_found_that_the_module_defines_further_below():
    with pytest.raises(TypeCheckError, match="later"):
        uses(3)  # type: ignore[arg-type]
    uses(Later())


@checked
def uses(later: "Later") -> None: ...


class Later: ...


def test_the_whole_library_is_checked():
    assert inspect.unwrap(smoothed_relu) is not smoothed_relu
    with pytest.raises(TypeCheckError, match="smoothed_relu"):
        smoothed_relu("one", 3, 1.0)  # type: ignore[arg-type]
    seen = 0
    for name, module in list(sys.modules.items()):
        if f"{name}.".startswith("multiview."):
            for function in vars(module).values():
                own = isinstance(function, FunctionType) and function.__module__ == name
                if own and not inspect.iscoroutinefunction(function):  # which Dask alone calls
                    seen += 1
                    assert hasattr(function, "__wrapped__") or not says_anything(function), (
                        f"{name}.{function.__name__} is not checked"
                    )
    assert seen > 20


def test_a_test_of_a_type_returns_a_bool():
    @checked
    def is_one(value: object) -> TypeGuard[int]:
        return "yes" if value else False  # type: ignore[return-value]

    assert not is_one(0)
    with pytest.raises(TypeCheckError, match="return"):
        is_one(1)
