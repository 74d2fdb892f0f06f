"""A pickle reader that can build plain containers and arrays of numbers, and nothing else."""

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np


class RefusedPickle(ValueError):
    """A pickle that is damaged, or asks for something no image file needs."""


def load_plain_pickle(content: bytes) -> Any:
    """Read a pickle of dicts, lists, bytes, strings, integers and numpy arrays.

    Whatever it names is looked up in a table of five stand-ins and never imported, so nothing a
    file says is ever run, numpy's own constructors included. Strings of Python 2 load as bytes, as
    with ``encoding="bytes"``.

    Raises:
        RefusedPickle: If the pickle names anything else, holds anything else, or does not parse.
    """
    try:
        for opcode, argument, _ in pickletools.genops(content):
            # The memo is an array as long as its largest index: four bytes could ask for 32 GB.
            if opcode.name.endswith("PUT") and int(argument or 0) > len(content):
                raise RefusedPickle(f"the pickle reserves memory for {argument} objects")
        value = _Reader(io.BytesIO(content), encoding="bytes").load()
    except RefusedPickle:
        raise
    except Exception as error:  # a damaged pickle may raise almost anything
        raise RefusedPickle(f"not a readable pickle: {type(error).__name__}: {error}") from error
    return _plain(value, depth=0)


class _StandIn:
    """What a name in the file turns into; the file cannot change it."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise RefusedPickle("the pickle alters a function or class")


class _Ndarray(_StandIn):
    """numpy.ndarray: only ever an argument."""


class _Reconstruct(_StandIn):
    def __call__(self, kind: object, shape: object, code: object) -> "_Array":
        if type(kind) is not _Ndarray:
            raise RefusedPickle("the pickle reconstructs something that is no numpy array")
        return _Array()


class _MakeDtype(_StandIn):
    def __call__(self, code: bytes | str, align: int = 0, copy: int = 0) -> "_Dtype":
        return _Dtype(code if isinstance(code, str) else code.decode("latin1"))


class _Encode(_StandIn):
    """_codecs.encode: how Python 3 writes bytes at protocol 2."""

    def __call__(self, text: str, encoding: str | bytes = "latin1") -> bytes:
        if encoding not in ("latin1", b"latin1") or type(text) is not str:
            raise RefusedPickle(f"the pickle encodes text as {encoding!r}, not as latin1")
        return text.encode("latin1")


class _Dtype:
    """A number's type; the pickle states its byte order afterwards."""

    def __init__(self, code: str) -> None:
        if code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
            raise RefusedPickle(f"an array of type {code!r}: only arrays of numbers are read")
        self.numpy = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        order = state[1] if isinstance(state[1], str) else state[1].decode("latin1")
        if order not in ("|", "<", ">", "=") or any(part is not None for part in state[2:5]):
            raise RefusedPickle("an array of structures: only arrays of numbers are read")
        self.numpy = self.numpy.newbyteorder(order)


class _Array:
    """An array; its state carries shape, type and numbers."""

    numpy: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        if type(dtype) is not _Dtype:
            raise RefusedPickle("an array whose type is no numpy.dtype")
        data = data.encode("latin1") if isinstance(data, str) else bytes(data)
        expected = math.prod(shape) * dtype.numpy.itemsize
        if min(shape, default=0) < 0 or len(data) != expected:
            raise RefusedPickle(f"an array of shape {shape} has {len(data)} bytes, not {expected}")
        order = "F" if fortran else "C"
        self.numpy = np.frombuffer(data, dtype.numpy).reshape(shape, order=order)


# The second name of _reconstruct is that of numpy 2.
_ALLOWED: dict[tuple[str, str], _StandIn] = {
    ("numpy", "ndarray"): _Ndarray(),
    ("numpy", "dtype"): _MakeDtype(),
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
    ("_codecs", "encode"): _Encode(),
}


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise RefusedPickle(
                f"the pickle asks for {module_name}.{global_name}, which no image file needs: "
                "nothing of it was run"
            ) from None


def _plain(value: Any, depth: int) -> Any:
    """Put arrays in the place of their stand-ins, and refuse every other type."""
    if depth > 8:  # also ends a list that contains itself
        raise RefusedPickle("the pickle nests deeper than any image file")
    if type(value) is dict and all(type(key) in (bytes, str, int) for key in value):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if type(value) is list:
        return [_plain(item, depth + 1) for item in value]
    if type(value) is _Array and value.numpy is not None:
        return value.numpy
    if type(value) in (bytes, str, int):
        return value
    raise RefusedPickle(f"the pickle holds a {type(value).__name__}, which no image file needs")
