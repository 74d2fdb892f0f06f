"""Checks of tensors: what kind they are, whether their axes fit, and what values they hold.

Kinds and shapes are known without looking at a value, so a check of them costs a training step
nothing; those of values look at everything, make a GPU wait, and are for before a training.
"""

from typing import Any

import torch
from torch import Tensor

from multiview.checks import shown

_KINDS = {
    "float": ("floating-point numbers", lambda dtype: dtype.is_floating_point),
    "int": ("integers (int64)", lambda dtype: dtype == torch.int64),
    "bool": ("True and False", lambda dtype: dtype == torch.bool),
    "uint8": ("bytes (uint8)", lambda dtype: dtype == torch.uint8),
    "real": (
        "numbers or True and False",
        lambda dtype: dtype.is_floating_point or dtype == torch.bool,
    ),
    "any": ("numbers", lambda dtype: True),
}
Sizes = dict  # of each axis met: its length; of "*axes", a tuple


def fit(sizes: dict[str, int] | None = None, /, **tensors: tuple[Any, str]) -> Sizes:
    """Check that each tensor is of its kind and that axes of one name have one length.

    >>> fit({"k": 3}, logits=(torch.zeros(5, 3), "float n k"), labels=(torch.arange(5), "int n"))
    {'k': 3, 'n': 5}

    Args:
        sizes: Lengths that are known beforehand.
        tensors: By name, the tensor and its kind and axes: "n?" may be empty, as no other may, "2"
            is of length 2, and "*batch" stands for any number of axes, which may be empty.

    Returns:
        The length of each axis by its name.

    Raises:
        ValueError: If one is no tensor, of another kind, or does not fit.
    """
    known: Sizes = dict(sizes or {})
    first: dict[str, str] = {}  # who set the length, of those not known beforehand
    for name, (value, rule) in tensors.items():
        kind, *axes = rule.split()
        _check_kind(name, value, kind, axes)
        lengths = _by_axis(tuple(value.shape), axes)
        if lengths is None:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)} with {value.dim()} axes: use {_text(axes)}."
            )
        for axis, length in lengths:
            label = axis.rstrip("?")
            if length == 0 and not axis.endswith("?"):
                raise ValueError(
                    f"{name} of shape {tuple(value.shape)} is empty along {label}: use at least 1."
                )
            asked = int(label) if label.isdigit() else known.setdefault(label, length)
            if length != asked:
                whom = f" as {first[label]}" if label in first else ""
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)} where {_text(axes)} with "
                    f"{label}={asked}{whom} is asked for: make them fit."
                )
            if label not in (sizes or {}):
                first.setdefault(label, f"of {name}")
    return known


def finite(**tensors: Tensor) -> None:
    """Refuse NaN and infinite values."""
    for name, value in tensors.items():
        if not bool(value.isfinite().all()):
            raise ValueError(
                f"{name} holds {int((~value.isfinite()).sum())} values that are NaN or infinite: "
                "use finite numbers."
            )


def logits(**tensors: Tensor) -> None:
    """Refuse what has no softmax: NaN, infinity, and rows that are minus infinity throughout."""
    for name, value in tensors.items():
        best = value.detach().amax(-1)  # NaN where any is NaN
        if not bool(best.isfinite().all()):
            raise ValueError(
                f"{name} holds {int((~best.isfinite()).sum())} rows without a softmax, with NaN or "
                "infinite values: use finite logits; minus infinity is a probability of 0."
            )


def probabilities(**tensors: Tensor) -> None:
    """Refuse rows that are no distribution."""
    for name, value in tensors.items():
        total = value.detach().double().sum(-1)
        if not bool((value >= 0).all() & ((total - 1).abs() < 1e-2).all()):
            raise ValueError(
                f"{name} holds rows that are no probabilities: use finite numbers >= 0 that sum to "
                "1, such as logits.softmax(-1)."
            )


def same_type(name: str, value: Tensor, weight: Tensor) -> None:
    """Refuse inputs of another precision than the weights; autocast takes any."""
    if value.dtype != weight.dtype and not torch.is_autocast_enabled(value.device.type):
        raise ValueError(
            f"{name} is of type {value.dtype} and the weights are of {weight.dtype}: use "
            f"{name}.to({weight.dtype})."
        )


def labels(name: str, value: Any, num_classes: int | None = None, of: str = "") -> int:
    """Refuse all but integers (n,) from 0 to ``num_classes`` - 1, and return the largest."""
    fit(**{name: (value, "int n")})
    return _check_range(name, value, 0, num_classes, of)


def indices(name: str, value: Tensor, least: int, number: int, of: str = "") -> None:
    """Refuse integers that are not from ``least`` to ``number`` - 1; none is all right."""
    if value.numel():
        _check_range(name, value, least, number, of)


def at(name: str, values: Tensor, rows: Tensor) -> Tensor:
    """The values of these samples."""
    try:
        return values[rows]
    except IndexError as error:
        raise ValueError(
            f"{name} holds values of {len(values)} samples and others are asked for: give those "
            "of all training samples."
        ) from error


def targets(name: str, value: Any, num_classes: int | None = None) -> int:
    """Refuse all but labels (n,) or probabilities (n, k); return the largest class there is."""
    if isinstance(value, Tensor) and value.dim() == 2:
        known = {} if num_classes is None else {"num_classes": num_classes}
        k = fit(known, **{name: (value, "float n num_classes")})
        probabilities(**{name: value})
        return k["num_classes"] - 1
    return labels(name, value, num_classes, "" if num_classes is None else "num_classes")


def _check_range(name: str, value: Tensor, least: int, number: int | None, of: str) -> int:
    low, high = map(int, value.aminmax())
    if low < least or (number is not None and high >= number):
        most = " on" if number is None else f" to {number - 1}"
        whose = f", as {of} has it" if of else ""
        raise ValueError(
            f"{name} run from {low} to {high}: use integers from {least}{most}{whose}."
        )
    return high


def _check_kind(name: str, value: Any, kind: str, axes: list) -> None:
    words, belongs = _KINDS[kind]
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}={shown(value)} is no tensor: use one of {words}, {_text(axes)}.")
    if not belongs(value.dtype):
        raise ValueError(f"{name} is of type {value.dtype}: use a tensor of {words}.")


def _by_axis(shape: tuple, axes: list) -> list | None:
    """Each axis with its length, or None if there are too many or too few."""
    star = next((i for i, axis in enumerate(axes) if axis.startswith("*")), None)
    if star is None:
        return [*zip(axes, shape, strict=True)] if len(shape) == len(axes) else None
    spare = len(shape) - len(axes) + 1
    if spare < 0:
        return None
    middle = (axes[star], shape[star : star + spare])
    before = zip(axes[:star], shape, strict=False)
    return [*before, middle, *zip(axes[star + 1 :], shape[star + spare :], strict=True)]


def _text(axes: list) -> str:
    inner = ", ".join(axis.rstrip("?") for axis in axes)
    return f"({inner},)" if len(axes) == 1 else f"({inner})"
