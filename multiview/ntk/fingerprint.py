"""The name of a kernel: a hash of what its entries depend on."""

import functools
import hashlib
import inspect
import io
import pickle
import sys
import threading
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview import checks
from multiview.ntk.arguments import check_precision
from multiview.ntk.check import check_samples
from multiview.ntk.contract import Outputs
from multiview.ntk.gram import Method
from multiview.ntk.tiling import FORMAT

KEY_DIGITS = 32
# Code of these is named, not read.
GIVEN = frozenset({"torch", "numpy", *sys.stdlib_module_names})
ONE_AT_A_TIME = threading.Lock()  # Python 3.11 parses no two texts in two threads
HOOKS = frozenset(name for name in vars(nn.Module()) if "_hooks" in name)


def code_of(files: list[Path]) -> str:
    """A hash of files and of torch's version."""
    digest = hashlib.sha256(torch.__version__.encode())
    for path in sorted(files):
        digest.update(f"\0{path.name}\0{path.read_text()}".encode())
    return digest.hexdigest()


# Read when it is imported: a file may change while a long run goes on.
CODE = code_of([*Path(__file__).parent.glob("*.py")])


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
    """Hexadecimal digits, the same in every process, for the kernel ``gram`` makes of these.

    They count: the settings; the source of ``multiview.ntk`` and the version of torch; the bits of
    the data; of every submodule its name, the source of its class and of those it inherits from,
    its parameters and buffers with their ties, and its other attributes and hooks as they pickle,
    with the source of their functions and classes.

    They do not count, so use another directory after a change of: globals that this code reads;
    code it calls in other files or functions; what is done to a class after its definition, to a
    function's file after its import, or by hooks for all modules; versions of Python and packages
    other than torch; the device, the number of threads.

    Raises:
        ValueError: If it is no module or samples are no tensor, an attribute cannot be pickled or
            a source not be found.
    """
    if not isinstance(module, nn.Module):
        raise ValueError(f"module is a {type(module).__name__}: give a torch.nn.Module.")
    check_samples(x1=x1, x2=x2)
    checks.choice("outputs", outputs, get_args(Outputs))
    checks.choice("method", method, get_args(Method))
    for name, value in (("dtype", dtype), ("accumulate", accumulate)):
        if value is not None or name == "accumulate":
            check_precision(name, value)
    tile = checks.count("tile", tile)
    names: dict[int, str] = {}  # of a tensor or module its first place: a tie is not a copy
    paths = list(module.named_modules(remove_duplicate=False))
    for path, part in paths:
        names.setdefault(id(part), path)
        for name, tensor in (*part._parameters.items(), *part._buffers.items()):
            names.setdefault(id(tensor), f"{path}.{name}")
    digest = hashlib.sha256()
    settings = (FORMAT, outputs, str(dtype), str(accumulate), method, tile)
    data = [None if x is None else _bits(x) for x in (x1, x2)]
    digest.update(pickle.dumps([CODE, repr(settings), data], 5))
    for path, part in paths:
        for name, value in [("__class__", None), *_attributes(part)]:
            try:
                content = _class(type(part)) if name == "__class__" else value
                digest.update(_pickled((path, name, content), names))
            except Exception as error:  # whatever the attribute's own code raises
                raise ValueError(
                    f"{path + '.' if path else ''}{name} of the module has no fingerprint "
                    f"({error}): define its classes and functions at the top of a file, and keep "
                    "in attributes only what can be pickled."
                ) from error
    return digest.hexdigest()[:KEY_DIGITS]


def _attributes(part: nn.Module) -> list[tuple[str, Any]]:
    """Sorted; hooks without the numbers that count all hooks of the process."""
    own = {name: value for name, value in vars(part).items() if name != "_modules"}
    for kind in ("_parameters", "_buffers"):
        own |= {f"{kind}.{name}": tensor for name, tensor in own.pop(kind).items()}
    own |= {name: list(own[name].values()) for name in HOOKS & own.keys()}
    return sorted(own.items(), key=lambda item: item[0])


def _bits(tensor: Tensor) -> tuple[str, ...]:
    flat = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    digest = hashlib.sha256(flat.view(torch.uint8).numpy().data)
    return str(tensor.dtype), str(tuple(tensor.shape)), digest.hexdigest()


def _pickled(value: Any, names: dict[int, str]) -> bytes:
    file = io.BytesIO()
    _Pickler(file, names).dump(value)
    return file.getvalue()


class _Pickler(pickle.Pickler):
    """Writes what pickles by name, by address or in any order in a way that counts its content."""

    def __init__(self, file: io.BytesIO, names: dict[int, str]) -> None:
        super().__init__(file, 5)
        self.fast = True  # no memory: equal strings need not be one string to read the same
        self.names = names

    def persistent_id(self, value: Any) -> str | None:
        content = self._content(value)
        return (
            content
            if content is None
            else hashlib.sha256(_pickled(content, self.names)).hexdigest()
        )

    def _content(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return ("tensor", self.names.get(id(value)), value.requires_grad, _bits(value))
        if isinstance(value, nn.Module) and id(value) in self.names:
            return ("module", self.names[id(value)])
        if isinstance(value, set | frozenset):
            return (type(value).__name__, sorted(_pickled(item, self.names) for item in value))
        if isinstance(value, MethodType):  # by name alone it would not say whose
            return ("method", value.__self__, value.__func__)
        if isinstance(value, CodeType):
            return ("code", value.co_code, value.co_names, value.co_consts)
        if isinstance(value, FunctionType | functools._lru_cache_wrapper):
            return _function(value)
        return _class(value) if isinstance(value, type) and not _given(value) else None


def _given(value: Any) -> bool:
    return str(getattr(value, "__module__", None)).split(".")[0] in GIVEN


def _class(kind: type) -> list[tuple[str, ...]]:
    """Name and source of a class and of those it inherits from."""
    read = [base for base in kind.__mro__ if not _given(base)]
    if local := [base.__qualname__ for base in read if "<locals>" in base.__qualname__]:
        raise ValueError(f"{local[0]} may depend on the function that made it")
    with ONE_AT_A_TIME:
        sources = [(inspect.getsource(base),) for base in read]
    return [*sources, *((base.__module__, base.__qualname__) for base in kind.__mro__)]


def _function(function: Any) -> tuple[Any, ...]:
    """Source of a function; its code and closure where no module has it by its name."""
    name, found = (function.__module__, function.__qualname__), sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is function:
        return name if _given(function) else (*name, inspect.getsource(function))
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return (*name, function.__code__, function.__defaults__, function.__kwdefaults__, cells)
