"""Modules evaluated for many samples at once, each as if it were alone: torch's vmap."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch._C._functorch import is_batchedtensor
from torch.func import vmap
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Given a tensor of all samples and the axis they lie along; returns the like.
Act = Callable[[Tensor, int], tuple[Tensor, int]]
NORMS = {norm: inspect.signature(norm) for norm in (functional.batch_norm, functional.group_norm)}


def alone(
    function: Callable[[Tensor], Tensor], x: Shaped[Tensor, "n ..."]
) -> Shaped[Tensor, "n ..."]:
    """What ``function`` returns for each sample, which sees no other: none can be mixed or moved.

    Autograd sees through it. Norms cost what they do in a batch.
    """
    with _PlainNorms():
        return vmap(function)(x)


def with_all_samples(act: Act, x: Tensor) -> Tensor:
    """Within ``alone``: apply ``act`` to what all samples hold of ``x``.

    Nothing is done if ``x`` is the same for all samples.
    """
    return _WithAllSamples.apply(act, x)


class _WithAllSamples(torch.autograd.Function):
    @staticmethod
    def forward(act: Act, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: tuple, act: Act, x: Tensor) -> tuple[Tensor, int]:
        return act(x, in_dims[1])


class _PlainNorms(TorchFunctionMode):
    """Norms as one operation on all samples; torch's own rules for vmap take several.

    In eval mode they treat every row of their first axis by itself.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func not in NORMS:
            return func(*args, **(kwargs or {}))
        given = NORMS[func].bind(*args, **(kwargs or {})).arguments
        x = given.pop("input")
        others = [value for value in given.values() if isinstance(value, Tensor)]
        if given.get("training", False) or not _is_shared(x, others):
            return func(x, **given)

        def norm(x: Tensor, axis: int) -> tuple[Tensor, int]:
            x = x.movedim(axis, 0)
            return func(x.flatten(0, 1), **given).unflatten(0, x.shape[:2]), 0

        return with_all_samples(norm, x)


def _is_shared(x: Tensor, others: list[Tensor]) -> bool:
    """Whether ``x`` has a value a sample, and the others one for all of them."""
    return is_batchedtensor(x) and not any(map(is_batchedtensor, others))
