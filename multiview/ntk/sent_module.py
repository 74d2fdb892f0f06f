"""SentModule: a module for workers elsewhere, its code in the task and its numbers in a file.

What is unpickled comes with the task, from whoever gave it to the executor; the file on the shared
file system holds numbers, which nothing runs, and is compared with the digest in the task.
"""

import hashlib
import io
import pickle
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from multiview.atomic import write_atomically


@dataclass(frozen=True)
class SentModule:
    """A module as a task holds it: some kB, however many parameters it has.

    Attributes:
        pickled: The module without the numbers of its tensors, pickled and compressed.
        sizes: Bytes of each storage of its tensors, as they follow one another in the file.
        digest: SHA-256 of all of them; names the file too.
    """

    pickled: bytes
    sizes: tuple[int, ...]
    digest: bytes

    def load(self, folder: Path, device: str) -> nn.Module:
        """The module, as it was when it was sent; this thread's own, and the same at each call.

        A thread keeps the last one it loaded, and no other.

        Raises:
            OSError: If the file of the numbers cannot be read.
            ValueError: If it is not what was sent.
        """
        wanted = (self, device)
        if _last.wanted != wanted:
            _last.module, _last.wanted = None, None  # never two at once
            _last.module, _last.wanted = self._loaded(folder, device), wanted
        return cast(nn.Module, _last.module)

    def _loaded(self, folder: Path, device: str) -> nn.Module:
        path = path_of(folder, self.digest)
        numbers = np.array(np.lib.format.open_memmap(path, mode="r"))  # a copy no one can change
        if _digest(numbers) != self.digest:
            raise ValueError(
                f"{path} does not hold the numbers of the module that was sent: make the same "
                "call again, which writes them anew."
            )
        parts = torch.from_numpy(numbers).split(self.sizes)
        # Cloned into memory that is aligned as torch has it, on which bits may depend.
        storages = [each.clone().untyped_storage().to(device=device) for each in parts]
        return _Unpickler(zlib.decompress(self.pickled), storages).load()


class _Last(threading.local):
    """What a thread has loaded; no two share one, since a kernel sets hooks on its module."""

    wanted: tuple[SentModule, str] | None = None
    module: nn.Module | None = None


_last = _Last()


def path_of(folder: Path, digest: bytes) -> Path:
    """The file of the numbers with this digest."""
    return folder / f"module-{digest.hex()[:16]}.npy"


def send(module: nn.Module) -> tuple[SentModule, UInt8[np.ndarray, " bytes"]]:
    """The module as tasks hold it, and its numbers, for ``store_numbers``.

    Raises:
        ValueError: If it cannot be pickled.
    """
    file = io.BytesIO()
    pickler = _Pickler(file)
    try:
        pickler.dump(module)
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"module cannot be sent to the executor's workers ({error}): define its classes and "
            "functions at the top of an importable file, or use executor=None."
        ) from error
    parts = [_bytes_of(each) for each in pickler.storages]
    numbers = np.concatenate([np.empty(0, np.uint8), *parts])
    sizes = tuple(map(len, parts))
    return SentModule(zlib.compress(file.getvalue(), 9), sizes, _digest(numbers)), numbers


def store_numbers(folder: Path, numbers: UInt8[np.ndarray, " bytes"]) -> None:
    """Write a module's numbers where workers find them, unless the same are there."""
    path = path_of(folder, _digest(numbers))
    try:
        if np.array_equal(np.lib.format.open_memmap(path, mode="r"), numbers):
            return
    except (OSError, ValueError, EOFError):  # absent or damaged
        pass
    buffer = io.BytesIO()
    np.save(buffer, numbers)
    write_atomically(path, buffer.getvalue())


class _Pickler(pickle.Pickler):
    """Leaves the storages of tensors out, each once, so that ties and views stay what they are."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, 5)
        self.storages: list[torch.UntypedStorage] = []
        self.places: dict[int, int] = {}  # by address: tensors that are tied share one

    def persistent_id(self, value: Any) -> tuple[int, torch.dtype] | None:
        if not isinstance(value, torch.storage.TypedStorage):
            return None
        storage = value._untyped_storage
        place = self.places.setdefault(storage._cdata, len(self.storages))
        if place == len(self.storages):
            self.storages.append(storage)
        return place, value.dtype


class _Unpickler(pickle.Unpickler):
    """Puts storages in the places where they were."""

    def __init__(self, pickled: bytes, storages: list[torch.UntypedStorage]) -> None:
        super().__init__(io.BytesIO(pickled))
        self.storages = storages

    def persistent_load(self, pid: Any) -> torch.storage.TypedStorage:
        place, dtype = pid
        return torch.storage.TypedStorage(
            wrap_storage=self.storages[place], dtype=dtype, _internal=True
        )


def _bytes_of(storage: torch.UntypedStorage) -> np.ndarray:
    return torch.empty(0, dtype=torch.uint8).set_(storage.cpu()).numpy()  # type: ignore[arg-type]


def _digest(numbers: np.ndarray) -> bytes:
    return hashlib.sha256(numbers.tobytes()).digest()
