"""Artefacts: what a training leaves, by the address of what it is, computed once by one of many."""

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.atomic import write_atomically
from multiview.runs.leases import claim
from multiview.runs.rows import row_key

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
POLL = 0.2  # seconds between two looks at what another process computes
Tensors = Mapping[str, "Tensor"]


class DamagedArtefact(ValueError):
    """A file is not the artefact that was written."""


def compute_now(description: Mapping[str, Any], compute: Callable[[], Tensors]) -> Tensors:
    """What ``compute`` returns: as ``Artefacts``, where nothing is stored."""
    return compute()


@dataclass(frozen=True, kw_only=True)
class Artefacts:
    """Tensors in a folder that processes share, each file under the address of its description.

    Attributes:
        folder: It need not exist.
        version: Of the code that computes them; a part of every address.
    """

    folder: Path
    version: str

    def path(self, description: Mapping[str, Any]) -> Path:
        """The file of what is described.

        Args:
            description: By name, what may stand in a cell.

        Raises:
            ValueError: If it holds something else.
        """
        return self.folder / f"{row_key('artefact', description, self.version)}{SUFFIX}"

    def __call__(self, description: Mapping[str, Any], compute: Callable[[], Tensors]) -> Tensors:
        """The tensors of this description, as they are stored or as ``compute`` returns them.

        One process computes and the others wait; if it dies, one of them takes its place. A damaged
        file is named in a warning and computed again.

        Raises:
            OSError: If it cannot be written, e.g. because the disk is full.
        """
        path = self.path(description)
        while (found := _read(path)) is None:
            if (lease := claim(path.with_suffix(""))) is None:
                time.sleep(POLL)
                continue
            with lease:
                if (found := _read(path)) is None:  # not written since we looked
                    found = compute()
                    write_atomically(path, content(found))
        return found


def content(tensors: Tensors) -> bytes:
    """The bytes of a file: safetensors, with a digest of the tensors among its metadata."""
    import torch
    from safetensors.torch import save

    # A copy of each, as the format takes no two tensors that share memory.
    plain = {
        name: torch.clone(value.detach().cpu(), memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    return save(plain, {"digest": digest_of(plain)})


def read_artefact(path: Path) -> Tensors:
    """The tensors of a file, on the CPU.

    Raises:
        DamagedArtefact: If anything differs from what was written.
        OSError: If there is no such file, or it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = path.read_bytes()
    try:
        size = int.from_bytes(data[:8], "little")
        digest = json.loads(data[8 : 8 + size])["__metadata__"]["digest"]
        tensors = load(data)
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DamagedArtefact(f"{path}: no such file of tensors ({error})") from error
    if digest != digest_of(tensors):
        raise DamagedArtefact(f"{path}: its tensors do not match its digest")
    return tensors


def digest_of(tensors: Tensors) -> str:
    """A digest that changes with any name, shape, type or value."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\0".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> Tensors | None:
    """The tensors; None if they are not there, or not whole."""
    try:
        return read_artefact(path)
    except FileNotFoundError:
        return None
    except DamagedArtefact as damage:
        warnings.warn(f"damaged artefact, computed again: {damage}", stacklevel=4)
        return None
