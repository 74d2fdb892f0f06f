"""Bad data files: missing, cut, of other sizes, with other labels; and pickles that mean harm."""

import gzip
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from one_bad_input import BadInput
from tiny_images import batch, idx, python2_pickle, write_cifar10, write_cifar100, write_mnist, write_sums

from multiview.data import mnist
from multiview.data.files import DamagedData
from multiview.data.images import load_images, verify

WRITERS = {"cifar10": write_cifar10, "cifar100": write_cifar100, "mnist": write_mnist}


def spoilt(name: str, data: str, spoil: Callable[[Path], Any], message: str) -> BadInput:
    """A line about a data set of which something is spoilt, given its folder."""
    return BadInput(
        name,
        lambda here: load_images(data, here),  # type: ignore[arg-type]
        message,
        error=DamagedData,
        prepare=lambda here: spoil(WRITERS[data](here)),
    )


def put(file: str, content: Any) -> Callable[[Path], Any]:
    """Put this content into a file; what is no bytes is pickled as the official files are."""

    def spoil(folder: Path) -> None:
        data = content() if callable(content) else content
        (folder / file).write_bytes(data if isinstance(data, bytes) else python2_pickle(data))

    return spoil


def cut(file: str, size: int) -> Callable[[Path], Any]:
    """Cut the last bytes of a file off."""

    def spoil(folder: Path) -> None:
        (folder / file).write_bytes((folder / file).read_bytes()[:-size])

    return spoil


def folder_for(file: str) -> Callable[[Path], Any]:
    """Put a folder in the place of a file."""

    def spoil(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    return spoil


def altered(folder: Path) -> None:
    """Change a bit of a file whose digest is listed."""
    write_sums(folder)
    path = folder / "data_batch_2"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def changed(**entries: Any) -> dict[bytes, Any]:
    """A batch with other entries."""
    return batch([0] * 20, seed=3) | {key.encode(): value for key, value in entries.items()}


LABELS, IMAGES = "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"
FILES: list[BadInput] = [
    BadInput("an unknown data set", lambda here: load_images("imagenet", here), ""),  # type: ignore[arg-type]
    BadInput("no data set", lambda here: load_images("cifar100", here), "", error=DamagedData),
    BadInput("nothing to verify", lambda here: verify(here), ""),
    spoilt("a missing batch", "cifar10", lambda f: (f / "data_batch_3").unlink(), ""),
    spoilt("a cut batch", "cifar10", cut("data_batch_3", 7), ""),
    spoilt("an empty batch", "cifar10", put("data_batch_1", b""), ""),
    spoilt("a folder for a batch", "cifar10", folder_for("test_batch"), ""),
    spoilt("an altered batch", "cifar10", altered, ""),
    spoilt("sums that are none", "mnist", lambda f: (f / "SHA256SUMS").write_text("nonsense\n"), ""),
    spoilt("other sizes of batches", "cifar10", put("data_batch_4", batch([0] * 21, seed=0)), ""),
    spoilt("a label of no class", "cifar10", put("data_batch_4", changed(labels=[0] * 19 + [10])), ""),
    spoilt("a label below 0", "cifar10", put("data_batch_4", changed(labels=[-1] + [0] * 19)), ""),
    spoilt("too few labels", "cifar10", put("data_batch_4", changed(labels=[0] * 19)), ""),
    spoilt("labels that are words", "cifar10", put("data_batch_4", changed(labels=["a"] * 20)), ""),
    spoilt("too few class names", "cifar100", put("meta", {b"fine_label_names": [b"a"]}), ""),
    spoilt("pixels of another size", "cifar10", put("data_batch_4", changed(data=np.zeros((20, 3071), np.uint8))), ""),
    spoilt("pixels as floats", "cifar10", put("data_batch_4", changed(data=np.zeros((20, 3072)))), ""),
    spoilt("a wrong magic number", "mnist", put(LABELS, b"\x89PNG\r\n\x1a\n"), ""),
    spoilt("labels cut short", "mnist", cut(LABELS, 1), ""),
    spoilt("images cut short", "mnist", cut(IMAGES, 1), ""),
    spoilt("more than the header says", "mnist", put(IMAGES, idx(np.zeros((20, 28, 28))) + b"x"), ""),
    spoilt("images of another size", "mnist", put(IMAGES, idx(np.zeros((20, 28, 27)))), ""),
    spoilt("a digit of 10", "mnist", put(LABELS, idx(np.full(40, 10))), ""),
    spoilt("labels of other images", "mnist", put(LABELS, idx(np.zeros(39))), ""),
    spoilt("a header of billions", "mnist", put(IMAGES, b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31)), ""),
]


class Runs:
    """Makes the file "ran" when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch ran",)


class Evaluates:
    """Evaluates a line of Python when it is unpickled."""

    def __reduce__(self) -> tuple:
        return eval, ("open('ran', 'w')",)


def hostile(name: str, content: Any, message: str) -> BadInput:
    """A line about a batch of CIFAR-10 with this content."""
    return spoilt(name, "cifar10", put("data_batch_4", content), message)


def deep(levels: int) -> list:
    """Lists in lists."""
    found: list = []
    for _ in range(levels):
        found = [found]
    return found


def header(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    """The pickle of an array of this shape with these bytes."""
    plain = pickle.dumps(np.zeros(1, np.uint8), 2)
    return plain if not shape else pickle.dumps({b"data": _Shaped(shape, data)}, 2)


class _Shaped:
    """An array that says it is of some shape."""

    def __init__(self, shape: tuple[int, ...], data: bytes) -> None:
        self.shape, self.data = shape, data

    def __reduce__(self) -> tuple:
        reconstruct, given, _ = np.zeros(1, np.uint8).__reduce__()  # type: ignore[misc]
        state = (1, self.shape, np.dtype(np.uint8), False, self.data)
        return reconstruct, given, state


PICKLES: list[BadInput] = [
    hostile("a call of the system", {b"data": Runs()}, ""),
    hostile("a line of Python", {b"data": Evaluates()}, ""),
    hostile("a call by its opcodes", b"cos\nsystem\n(S'touch ran'\ntR.", ""),
    hostile("an import alone", b"cantigravity\nnothing\n.", ""),
    hostile("an object by its opcode", b"(ios\nsystem\n.", ""),
    hostile("a persistent object", b"Pname\n.", ""),
    hostile("a pickle of nothing", b".", ""),
    hostile("no pickle at all", b"\x00\x01\x02", ""),
    hostile("a list", [1, 2], ""),
    hostile("a class of a module", {b"data": Path("x")}, ""),
    hostile("an array of objects", {b"data": np.array([{}], object)}, ""),
    hostile("an array of structures", {b"data": np.zeros(1, [("a", "u1")])}, ""),
    hostile("an array of billions", lambda: header((2**40, 3072)), ""),
    hostile("an array of negative size", lambda: header((-1, 3072)), ""),
    hostile("a number of 100,000 bits", {b"data": 1 << 100_000}, ""),
    hostile("lists in lists", deep(50), ""),
    hostile("keys that are tuples", pickle.dumps({(1, 2): 3}, 2), ""),
    hostile("a memory of billions", b"\x80\x02]r\xff\xff\xff\x7f.", ""),
    spoilt("a gzip that is none", "mnist", lambda f: ((f / LABELS).unlink(), (f / f"{LABELS}.gz").write_bytes(b"no gzip")), ""),
]
