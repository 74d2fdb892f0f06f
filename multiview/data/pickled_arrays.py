"""What the five names that a pickle of arrays may use turn into: stand-ins that run nothing."""

from typing import Any

import numpy as np

MOST_AXES = 32  # numpy's own limit before version 2


class RefusedPickle(ValueError):
    """A pickle that is damaged, or asks for something no image file needs."""


class StandIn:
    """What a name in the file turns into; the file can call it, not change it."""

    def __call__(self, *arguments: Any) -> Any:
        raise RefusedPickle("the pickle calls a class that is only ever an argument")


def stand_ins(size: int) -> dict[tuple[str, str], StandIn]:
    """The stand-ins by module and name, for a file of ``size`` bytes."""
    reconstruct = _Reconstruct()
    return {
        ("numpy", "ndarray"): _Ndarray(),
        ("numpy", "dtype"): _MakeDtype(),
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,  # of numpy 2
        ("_codecs", "encode"): _Encode(size),
    }


class _Ndarray(StandIn):
    """numpy.ndarray: only ever an argument."""


class _Reconstruct(StandIn):
    def __call__(self, kind: object, shape: object, code: object) -> "PickledArray":
        if type(kind) is not _Ndarray:
            raise RefusedPickle("the pickle reconstructs something that is no numpy array")
        return PickledArray()


class _MakeDtype(StandIn):
    def __call__(self, code: bytes | str, align: int = 0, copy: int = 0) -> "Dtype":
        return Dtype(code if isinstance(code, str) else code.decode("latin1"))


class _Encode(StandIn):
    """_codecs.encode: how Python 3 writes bytes at protocol 2."""

    def __init__(self, size: int) -> None:
        self.left = size  # each text is in the file and is encoded once

    def __call__(self, text: str, encoding: str | bytes = "latin1") -> bytes:
        if encoding not in ("latin1", b"latin1") or type(text) is not str:
            raise RefusedPickle("the pickle encodes something else than text, or not as latin1")
        self.left -= len(text)
        if self.left < 0:
            raise RefusedPickle("the pickle encodes more text than it holds")
        return text.encode("latin1")


class Dtype:
    """A number's type; the pickle states its byte order afterwards."""

    def __init__(self, code: str) -> None:
        if code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
            raise RefusedPickle(f"an array of type {code[:20]!r}: only arrays of numbers are read")
        self.numpy = np.dtype(code)

    def set_state(self, state: tuple) -> None:
        """Take the byte order from what numpy stores of a type."""
        order = state[1] if isinstance(state[1], str) else state[1].decode("latin1")
        if order not in ("|", "<", ">", "=") or any(part is not None for part in state[2:5]):
            raise RefusedPickle("an array of structures: only arrays of numbers are read")
        self.numpy = self.numpy.newbyteorder(order)


class PickledArray:
    """An array; its state carries shape, type and numbers."""

    numpy: np.ndarray | None = None

    def set_state(self, state: tuple) -> None:
        """Take the numbers from what numpy stores of an array; bytes are shared, not copied."""
        _, shape, dtype, fortran, data = state
        if type(dtype) is not Dtype:
            raise RefusedPickle("an array whose type is no numpy.dtype")
        if self.numpy is not None or type(data) is not bytes:
            raise RefusedPickle("an array whose numbers are not given once and as bytes")
        if type(shape) is not tuple or not all(type(size) is int for size in shape):
            raise RefusedPickle("an array whose shape is no tuple of integers")
        if len(shape) > MOST_AXES or min(shape, default=0) < 0:
            raise RefusedPickle(f"an array of {len(shape)} axes or of negative size")
        expected = dtype.numpy.itemsize
        for size in shape:
            expected *= size
        if len(data) != expected:
            raise RefusedPickle(f"an array of shape {shape} has {len(data)} bytes, not {expected}")
        order = "F" if fortran else "C"
        self.numpy = np.frombuffer(data, dtype.numpy).reshape(shape, order=order)
