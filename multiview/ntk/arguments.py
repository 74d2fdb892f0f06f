"""Refusals of arguments that no computation of a kernel can take."""

from typing import Any

import torch
from torch import Tensor


def check_tensor(name: str, value: Any) -> None:
    """Refuse what is no tensor of real numbers.

    Raises:
        ValueError: As said.
    """
    if not isinstance(value, Tensor) or value.is_complex():
        said = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name} is a {said}: give a tensor of real numbers.")


def check_precision(name: str, value: Any) -> None:
    """Refuse what is no floating-point type of torch.

    Raises:
        ValueError: As said.
    """
    if not (isinstance(value, torch.dtype) and value.is_floating_point):
        raise ValueError(f"{name}={value!r} is no floating-point type: use torch.float64.")
