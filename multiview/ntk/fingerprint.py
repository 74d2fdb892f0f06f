"""The name of a kernel: a hash of everything its entries depend on."""

import functools
import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview.ntk.contract import Outputs
from multiview.ntk.store import FORMAT

KEY_DIGITS = 32
# Code of these is named, not read: it is the same wherever the same versions are installed.
GIVEN = frozenset({"torch", "numpy", *sys.stdlib_module_names})
CHECKERS = frozenset({"jaxtyping", "beartype"})
# Of a class: names, remarks, places in a file.
OF_NO_EFFECT = frozenset(
    f"__{name}__"
    for name in (
        *("annotate_func", "annotations", "dict", "doc", "firstlineno", "module", "qualname"),
        *("static_attributes", "weakref"),
    )
)
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))


def fingerprint(
    module: nn.Module,
    x1: Shaped[Tensor, "n1 ..."],
    x2: Shaped[Tensor, "n2 ..."] | None = None,
    outputs: Outputs = "trace",
    *,
    dtype: torch.dtype | None = None,
    accumulate: torch.dtype = torch.float64,
    method: str = "auto",
    tile: int = 1024,
) -> str:
    """Hexadecimal digits that change with whatever ``gram`` of these arguments may depend on.

    They count: the bits of data, parameters and buffers, which parameters are tied or need no
    gradient; of every submodule its class, its attributes and hooks; the code of classes and
    functions, and of the functions, classes and constants which that code names. The code is what
    this process runs, not the text of its file, which may have changed since: another version of
    Python gives other keys. Code of torch, numpy and the standard library counts by name; so do
    functions reached through a module (``ops.f(x)``) and global lists and dicts.

    Nothing depends on the process: no addresses, no order of sets.
    """
    reader = _Reader()
    reader.read(("multiview tiles", FORMAT, outputs, str(dtype), str(accumulate), method, tile))
    reader.read((x1, x2))
    reader.read(module)
    return reader.digest.hexdigest()[:KEY_DIGITS]


class _Reader:
    """Feeds values to a hash, each with its kind and length, so that no two read the same."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        # The objects are kept: an address is used again once its object is gone.
        self.seen: dict[int, tuple[int, Any]] = {}

    def tokens(self, *parts: str) -> None:
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            self.digest.update(f"{len(data)}:".encode() + data)

    def read(self, value: Any) -> None:
        if isinstance(value, PLAIN):
            return self.tokens(type(value).__name__, repr(value))
        if isinstance(value, torch.dtype | torch.device | torch.layout):
            return self.tokens("torch", str(value))
        if isinstance(value, Tensor):
            return self.tensor(value)
        if isinstance(value, np.ndarray | np.generic):
            return self.array(np.asarray(value))
        if isinstance(value, tuple | list):
            return self.items(type(value).__name__, value)
        if isinstance(value, set | frozenset):
            return self.items("set", sorted(_alone(item) for item in value))
        if isinstance(value, Mapping):
            return self.items("mapping", [part for item in value.items() for part in item])
        value = _unchecked(value)
        if id(value) in self.seen:
            return self.tokens("again", str(self.seen[id(value)][0]))
        self.seen[id(value)] = (len(self.seen), value)
        if isinstance(value, nn.Module):
            return self.module(value)
        if isinstance(value, functools.partial):
            return self.items("partial", [value.func, value.args, value.keywords])
        if isinstance(value, CodeType):
            return self.code(value)
        if isinstance(value, staticmethod | classmethod):
            return self.items(type(value).__name__, [value.__func__])
        if isinstance(value, property):
            return self.items("property", [value.fget, value.fset])
        if inspect.ismethod(value):
            return self.items("method", [value.__func__, value.__self__])
        if isinstance(value, type):
            return self.type(value)
        if inspect.isfunction(value):
            return self.function(value)
        if callable(value) and hasattr(value, "__wrapped__"):  # a cache around a function
            return self.items(type(value).__name__, [value.__wrapped__])
        return self.object(value)

    def items(self, kind: str, values: Any) -> None:
        self.tokens(kind, str(len(values)))
        for value in values:
            self.read(value)

    def tensor(self, tensor: Tensor) -> None:
        flat = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        self.tokens("tensor", str(tensor.dtype), str(tuple(tensor.shape)))
        self.tokens(f"requires_grad={tensor.requires_grad}", str(flat.nbytes))
        self.digest.update(flat.view(torch.uint8).numpy().data)

    def array(self, array: np.ndarray) -> None:
        self.tokens("array", str(array.dtype), str(array.shape))
        if array.dtype.hasobject:
            self.items("objects", array.ravel().tolist())
        else:
            self.digest.update(array.tobytes())

    def module(self, module: nn.Module) -> None:
        """Parameters once each, wherever they hang: a tie makes another kernel than a copy.

        ``repr`` is left out: all it shows is read here, and it may hold addresses and sets.
        """
        self.read(type(module))
        state = {**module._parameters, **module._buffers}
        for name, tensor in state.items():
            self.tokens(name, "parameter" if name in module._parameters else "buffer")
            if tensor is not None and id(tensor) in self.seen:
                self.tokens("again", str(self.seen[id(tensor)][0]))
                continue
            self.seen[id(tensor)] = (len(self.seen), tensor)
            self.read(tensor)
        for name, value in sorted(vars(module).items()):
            if name.endswith("_hooks"):  # under numbers that count all hooks of the process
                self.items(name, list(value.values()))
            elif name not in ("_parameters", "_buffers"):
                self.items(name, [value])

    def type(self, kind: type) -> None:
        """A class by name, and by what its own body and those of its bases say."""
        self.tokens("class", kind.__module__, kind.__qualname__)
        if _given(kind):
            return
        for base in kind.__mro__[1:]:
            self.read(base)
        for name, value in sorted(vars(kind).items()):
            slot = inspect.isdatadescriptor(value) and not isinstance(value, property)
            if name not in OF_NO_EFFECT and not slot:
                self.items(name, [value])

    def function(self, function: Callable) -> None:
        self.tokens("function", function.__module__ or "", function.__qualname__)
        if _given(function):
            return
        self.read((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            self.items("cell", [cell.cell_contents] if _filled(cell) else [])
        self.read(function.__code__)
        for name in sorted(_names(function.__code__) & set(function.__globals__)):
            value = function.__globals__[name]
            if _constant(value) or isinstance(value, type) or callable(value):
                self.items(name, [value])

    def code(self, code: CodeType) -> None:
        self.read((code.co_code, code.co_names, code.co_varnames, code.co_consts))

    def object(self, value: Any) -> None:
        """Anything else: its class and, if that is not of a library, its attributes."""
        self.read(type(value))
        self.tokens(str(getattr(value, "__qualname__", getattr(value, "__name__", ""))))
        if not _given(type(value)):
            self.read(dict(sorted(getattr(value, "__dict__", {}).items())))


def _alone(value: Any) -> str:
    reader = _Reader()
    reader.read(value)
    return reader.digest.hexdigest()


def _given(value: Any) -> bool:
    return (getattr(value, "__module__", None) or "builtins").split(".")[0] in GIVEN


def _unchecked(value: Any) -> Any:
    """Without decorators that only check types, in code that is made anew in each process."""
    while inspect.isfunction(value) and hasattr(value, "__wrapped__"):
        origin = value.__globals__.get("__name__", "").split(".")[0]
        if origin not in CHECKERS and "@beartype" not in value.__code__.co_filename:
            break
        value = value.__wrapped__  # type: ignore[attr-defined]
    return value


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _names(code: CodeType) -> set[str]:
    """The names a function looks up, those of the functions in it included."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _constant(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_constant, value))
    return isinstance(value, (*PLAIN, torch.dtype))
