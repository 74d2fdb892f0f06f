"""Refusals of arguments that no computation of a kernel can take."""

from math import inf
from numbers import Integral
from typing import Any

import torch
from torch import Tensor


def check_count(name: str, value: Any, least: int = 1, of: str = "") -> None:
    """Refuse what is no whole number of at least ``least``.

    Args:
        of: What is counted, if its name does not tell.

    Raises:
        ValueError: As said.
    """
    if not isinstance(value, Integral) or value < least:
        said = f" counts {of}: it" if of else ""
        raise ValueError(f"{name}={value!r}{said} must be at least {least}, a whole number.")


def check_positive(name: str, value: Any) -> None:
    """Refuse what is no number above 0, or infinite.

    Raises:
        ValueError: As said.
    """
    try:
        fine = 0 < value < inf
    except TypeError:
        fine = False
    if not fine:
        raise ValueError(f"{name}={value!r} must be > 0 and finite.")


def check_tensor(name: str, value: Any) -> None:
    """Refuse what is no tensor of real numbers.

    Raises:
        ValueError: As said.
    """
    if not isinstance(value, Tensor) or value.is_complex():
        said = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name} is a {said}: give a tensor of real numbers.")


def check_finite(name: str, value: Tensor) -> None:
    """Refuse a tensor with entries that are NaN or infinite.

    Raises:
        ValueError: As said.
    """
    if not value.isfinite().all():
        raise ValueError(f"{name} has entries that are NaN or infinite.")


def check_precision(name: str, value: Any) -> None:
    """Refuse what is no floating-point type of torch.

    Raises:
        ValueError: As said.
    """
    if not (isinstance(value, torch.dtype) and value.is_floating_point):
        raise ValueError(f"{name}={value!r} is no floating-point type: use torch.float64.")
