"""Whether a function takes as many arguments as a check hands over."""

import inspect
from collections.abc import Callable
from typing import Any


def misfit(function: Callable[..., Any], number: int) -> str:
    """Why ``function`` cannot be called with so many positional arguments; "" where it can.

    Also "" of functions that do not tell, as some that are written in C.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*range(number))
    except TypeError as error:
        return str(error)
    return ""
