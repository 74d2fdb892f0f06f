"""Checks of arguments: each returns the value in Python's own type, or refuses it by name.

The message of every refusal names the argument, its value, the rule and what to use.
"""

import operator
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multiview.rng import stream


def count(
    name: str, value: Any, least: int = 1, most: int | None = None, *, meaning: str = "is a count"
) -> int:
    """An integer of Python or numpy, from ``least`` to ``most``; no bool, and no 2.0."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        bounds = f"{name} >= {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name}={shown(value)} {meaning}: use {bounds}, an integer.")
    return int(value)


def counts(
    name: str,
    values: Any,
    least: int = 1,
    *,
    length: int | None = None,
    most: int | None = None,
    meaning: str = "is a count",
) -> tuple:
    """A sequence of such integers, of so many where ``length`` is given."""
    listed = items(name, values)
    if length is not None and len(listed) != length:
        raise ValueError(f"{name}={shown(values)} has {len(listed)} entries: use {length}.")
    meaning = f"in {name}={shown(values)} {meaning}"
    return tuple(
        count(f"{name}[{i}]", each, least, most, meaning=meaning) for i, each in enumerate(listed)
    )


def number(name: str, value: Any, interval: str, *, meaning: str = "must be a number") -> float:
    """A finite number of Python or numpy in ``interval``, such as "[0, 1)"; no bool, no tensor."""
    low, high = map(float, interval[1:-1].split(","))
    given, value = value, value.item() if isinstance(value, np.generic) else value
    inside = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max  # of NaN and infinity False
        and (operator.le if interval[0] == "[" else operator.lt)(low, value)
        and (operator.le if interval[-1] == "]" else operator.lt)(value, high)
    )
    if not inside:
        raise ValueError(f"{name}={shown(given)} {meaning}: use a finite number in {interval}.")
    return value


def positive(name: str, value: Any) -> float:
    """A finite number above 0."""
    return number(name, value, "(0, inf)", meaning="must be positive and finite")


def not_negative(name: str, value: Any) -> float:
    """A finite number from 0 on."""
    return number(name, value, "[0, inf)", meaning="must be >= 0 and finite")


def fraction(name: str, value: Any, interval: str = "[0, 1]") -> float:
    """A share of a whole."""
    return number(name, value, interval, meaning="is a fraction")


def drop_probability(name: str, value: Any) -> float:
    """A probability that something is set to 0: not that of losing everything."""
    return number(name, value, "[0, 1)", meaning="is a probability to drop")


def temperature(name: str, value: Any) -> float:
    """A softmax temperature; beyond the bounds its square leaves nothing but rounding."""
    return number(name, value, "[1e-6, 1e6]", meaning="is a temperature, which must be > 0")


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that stands for them."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={shown(value)} is a switch: use True or False.")
    return bool(value)


def choice(name: str, value: Any, options: tuple) -> Any:
    """One of a few words."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name}={shown(value)}: choose one of {tuple(options)}.")
    return value


def instance(name: str, value: Any, kind: Any, remedy: str = "") -> Any:
    """An object of this class."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        words = " or ".join(each.__name__ for each in kinds)
        article = "an" if words[0] in "AEIO" else "a"
        use = remedy or f"use {article} {words}"
        raise ValueError(f"{name}={shown(value)} is no {words}: {use}.")
    return value


def generator(name: str, value: Any, purpose: str) -> torch.Generator:
    """A source of randomness: a generator, or the stream ``purpose`` of an integer seed."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return stream(int(value), purpose)
    remedy = "use an integer, or make one by multiview.stream(seed, name)"
    return instance(name, value, torch.Generator, remedy)


def function(name: str, value: Any, *, optional: bool = False) -> Any:
    """Something to be called; with ``optional`` None too."""
    if (not callable(value) or isinstance(value, type)) and not (optional and value is None):
        raise ValueError(f"{name}={shown(value)} is no function: give one, or an object like it.")
    return value


def module(name: str, value: Any) -> nn.Module:
    """A network."""
    return instance(name, value, nn.Module, "give a network")


def items(name: str, values: Any) -> list:
    """The entries of a sequence or other iterable; of no string, tensor or array without axes."""
    plain = isinstance(values, Iterable) and not isinstance(values, str | bytes | dict | nn.Module)
    if not plain or (isinstance(values, Tensor | np.ndarray) and not values.ndim):
        raise ValueError(f"{name}={shown(values)} is no sequence: give a list or a tuple.")
    return [*values]


def networks(name: str, values: Any) -> list:
    """One network or more."""
    nets = items(name, [*values] if isinstance(values, nn.ModuleList) else values)
    if not nets:
        raise ValueError(f"{name} is empty: give one network or more.")
    return [module(f"{name}[{i}]", each) for i, each in enumerate(nets)]


def shown(value: Any) -> str:
    """The value as a message shows it: of what is large, its type and size."""
    if isinstance(value, Tensor):
        return f"tensor of shape {tuple(value.shape)} and {value.dtype}"
    text = type(value).__name__ if isinstance(value, nn.Module) else repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
