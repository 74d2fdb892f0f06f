"""Bad pickles in the place of batches of CIFAR: code, wrong types, huge sizes."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from one_bad_input import BadInput
from spoilt_files import LABELS, gzipped, put, spoilt
from tiny_images import (
    write_mnist,
)

from multiview.data.files import DamagedData
from multiview.data.images import load_images


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
    return spoilt(name, "cifar10", "data_batch_4", put(content), message)


def deep(levels: int) -> list:
    """Lists in lists."""
    found: list = []
    for _ in range(levels):
        found = [found]
    return found


def array(shape: str, data: str = "S''") -> bytes:
    """The pickle of a dict with an array of bytes that says it has some shape."""
    opcodes = (
        "(dS'data'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        f"(I1\n({shape}tcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"
        f"I00\n{data}\ntbs."
    )
    return opcodes.encode()


PICKLES: list[BadInput] = [
    hostile(
        "a call of the system",
        {b"data": Runs()},
        "the pickle asks for posix.system, which no image file needs: nothing of it was run",
    ),
    hostile(
        "a line of Python",
        {b"data": Evaluates()},
        "the pickle asks for __builtin__.eval, which no image file needs: nothing of it was run",
    ),
    hostile(
        "a call by its opcodes",
        b"cos\nsystem\n(S'touch ran'\ntR.",
        "the pickle asks for os.system, which no image file needs: nothing of it was run",
    ),
    hostile(
        "an import alone",
        b"cantigravity\nnothing\n.",
        "the pickle asks for antigravity.nothing, which no image file needs: nothing of it was run",
    ),
    hostile(
        "an object by its opcode",
        b"(ios\nsystem\n.",
        "the pickle asks for INST, which no image file needs",
    ),
    hostile(
        "a persistent object", b"Pname\n.", "the pickle asks for PERSID, which no image file needs"
    ),
    hostile("a pickle of nothing", b".", "not a readable pickle: IndexError: pop from empty list"),
    hostile(
        "no pickle at all",
        b"\x00\x01\x02",
        "not a readable pickle: ValueError: at position 0, opcode b'\\x00' unknown",
    ),
    hostile("a list", [1, 2], "it holds a list, not a dict"),
    hostile(
        "a class of a module",
        {b"data": Path("x")},
        "the pickle asks for pathlib.PosixPath, which no image file needs: nothing of it was run",
    ),
    hostile(
        "an array of objects",
        {b"data": np.array([{}], object)},
        "an array of type 'O8': only arrays of numbers are read",
    ),
    hostile(
        "an array of structures",
        {b"data": np.zeros(1, [("a", "u1")])},
        "an array of type 'V1': only arrays of numbers are read",
    ),
    hostile(
        "an array of billions",
        array("L1099511627776L\nI3072\n"),
        "an array of shape (1099511627776, 3072) has 0 bytes, not 3377699720527872",
    ),
    hostile(
        "an array of negative size", array("I-1\nI3072\n"), "an array of 2 axes or of negative size"
    ),
    hostile(
        "a number of 100,000 bits",
        {b"data": 1 << 100_000},
        "the pickle holds an integer of 100001 bits",
    ),
    hostile("lists in lists", deep(50), "the pickle nests deeper than any image file"),
    hostile(
        "keys that are tuples", pickle.dumps({(1, 2): 3}, 2), "the pickle holds a key of type tuple"
    ),
    hostile(
        "a memory of billions",
        b"\x80\x02]r\xff\xff\xff\x7f.",
        "the pickle reserves memory for 2147483647 objects",
    ),
    BadInput(
        "a gzip that is none",
        lambda here: load_images("mnist", here),
        "{here}/MNIST/raw/train-labels-idx1-ubyte.gz: it does not decompress (Not "
        "a gzipped file (b'no')): found 7 bytes, sha256 "
        "f4ca5d0cb1de7a397d16768535058352ed598bef5cf251edf417327b251a0e92, "
        "official sha256 "
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c.\n"
        "  Mend it: curl -L "
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz "
        "-o {here}/MNIST/raw/train-labels-idx1-ubyte.gz",
        error=DamagedData,
        prepare=lambda here: gzipped(write_mnist(here) / f"{LABELS}.gz"),
    ),
]
