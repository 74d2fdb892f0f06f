"""Values that a careless caller may hand over in the place of a valid one, by what the valid is."""

import math
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

NAN, INF = math.nan, math.inf


def hostile(value: Any) -> list[Any]:
    """Others in the place of a valid ``value``; a few of them are valid as well."""
    if isinstance(value, bool):
        return [None, 1, 0, "yes", NAN, 2, torch.tensor(True), np.bool_(value)]
    if isinstance(value, int):
        odd = [None, "3", True, 1.5, -1, 0, NAN, INF, -INF, float(value), torch.tensor(value)]
        return [*odd, np.int64(value), np.float64(value), [value], 2]
    if isinstance(value, float):
        odd = [None, "0.5", True, NAN, INF, -INF, -1, -0.5, 0, 1, 1.5, torch.tensor(value), 1j]
        return [*odd, np.float32(value), np.float64(NAN), [value], 10**400]
    if isinstance(value, str):
        return [None, 1, "", "nonsense", True, [value], value.upper()]
    if isinstance(value, torch.Generator):
        return [None, 0, True, 1.5, "seed", np.random.default_rng(0), torch.Generator]
    if isinstance(value, Tensor):
        return _tensors(value)
    if isinstance(value, nn.Module):
        return [None, 1.5, "net", torch.zeros(2, 3), [value], type(value)]
    if isinstance(value, Sequence):
        return _sequences(value)
    if isinstance(value, torch.dtype):
        return [None, "float64", 64, float, torch.half, torch.int64, torch.complex64, [value]]
    if is_dataclass(value):
        return [None, {}, 1, "spec", [value], type(value)]
    if callable(value):
        return [None, 1, "function", torch.zeros(2, 3), [value]]
    assert value is None, f"say in this file what is hostile to {value!r}"
    return [1, "x", -1.5, NAN]


def _sequences(value: Sequence) -> list[Any]:
    first = value[0]
    changed = [[each, *value[1:]] for each in hostile(first)]
    return [None, 3, "ab", [], [*value[:-1]], [*value, value[-1]], NAN, [[*value]], *changed]


def _tensors(value: Tensor) -> list[Any]:
    other = [None, 1.5, "x", value.tolist(), value.numpy(), torch.tensor(1.0), value.unsqueeze(0)]
    if not value.dim():
        return [*other, *_kinds(value)]
    shapes = [value[:0], value[:-1], value[0], value[..., :-1], value[..., :0], value[..., None]]
    shapes += [torch.cat([value, value]), torch.cat([value, value], -1)]
    if value.dim() > 1:
        shapes += [value.transpose(0, -1), value.mT, value[:1], value[..., :1]]
    return [*other, *shapes, *_kinds(value)]


def _kinds(value: Tensor) -> list[Tensor]:
    found = [value.bool(), value.int(), value.double(), value.to(torch.complex64)]
    if value.dtype == torch.bool:
        return [*found, value.long()]
    if not value.is_floating_point():
        return [*found, value.float(), value - 1000, value + 1000, _with(value, -1), value.byte()]
    return [*found, value.long(), value.half(), *(_with(value, x) for x in (NAN, INF, -INF))]


def _with(value: Tensor, number: float) -> Tensor:
    """A copy whose first entry is this number."""
    copy = value.clone()
    copy.view(-1)[0] = number
    return copy
