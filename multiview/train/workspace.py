"""Workspace: what chunks and steps of one training use again."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")


class Workspace:
    """Memory that chunks and steps take in turn: fresh pages cost more than the work on them."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}
        self._kept: dict[str, tuple[tuple[Any, ...], list[Any], Any]] = {}

    def take(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """An uninitialised tensor of the type of ``like``; the next of this name overwrites it."""
        size = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < size or buffer.dtype != like.dtype:
            buffer = self._buffers[name] = like.new_empty(size)
        return buffer[:size].view(*shape)

    def keep(self, name: str, make: Callable[..., T], *given: Any) -> T:
        """``make(*given)``, made anew only when what is given changes.

        A tensor is unchanged if it is the same object and torch has not written to it since; what
        numpy or ``Tensor.data`` write is not seen.
        """
        marks = [_mark(each) for each in given]
        if name not in self._kept or self._kept[name][1] != marks:
            self._kept.pop(name, None)  # first, so that there are never two
            self._kept[name] = given, marks, make(*given)  # what is held gives its id to no other
        return self._kept[name][2]


def _mark(value: Any) -> object:
    """Equal for values that have not changed."""
    if not isinstance(value, Tensor):
        return value
    return object() if value.is_inference() else (id(value), value._version)
