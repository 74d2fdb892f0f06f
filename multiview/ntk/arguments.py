"""Refusals of arguments that no computation of a kernel can take."""

from math import inf
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multiview import checks


def check_tensor(name: str, value: Any) -> None:
    """Refuse what is no tensor of real numbers.

    Raises:
        ValueError: As said.
    """
    if not isinstance(value, Tensor) or value.is_complex():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name} is a {kind}: give a tensor of real numbers.")


def check_precision(name: str, value: Any) -> None:
    """Refuse what is no floating-point type of torch.

    Raises:
        ValueError: As said.
    """
    if not (isinstance(value, torch.dtype) and value.is_floating_point):
        raise ValueError(f"{name}={value!r} is no floating-point type: use torch.float64.")


def check_folder(name: str, value: Any) -> Path:
    """The path of a folder, refusing what is none.

    Raises:
        ValueError: As said.
    """
    return Path(checks.instance(name, value, (str, PathLike), "give the path of a folder"))


def check_numbers(
    name: str, values: Any, *, meaning: str, infinite: bool = False
) -> tuple[float, ...]:
    """Numbers >= 0, at least one, in Python's own types.

    Args:
        values: A sequence, or an array or tensor of one axis.
        infinite: Whether infinity is one of them.

    Raises:
        ValueError: It names the first that is none.
    """
    plain = isinstance(values, Tensor) and values.dim() == 1
    listed = checks.items(name, values.tolist() if plain else values)
    if not listed:
        raise ValueError(f"{name} is empty: give at least one number >= 0.")
    found = []
    for i, each in enumerate(listed):
        endless = infinite and isinstance(each, float | np.floating) and each == inf
        label = f"{name}[{i}]"
        found.append(inf if endless else checks.number(label, each, "[0, inf)", meaning=meaning))
    return tuple(found)
