"""Tiny made-up data sets in the official on-disk layouts."""

import gzip
import hashlib
import io
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

_Pickler: Any = pickle._Pickler  # type: ignore[attr-defined]  # the one in Python


class _Python2Pickler(_Pickler):
    """Writes bytes as Python 2's strings, as the official files hold them."""

    dispatch: ClassVar = dict(_Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def python2_pickle(value: object) -> bytes:
    """``value`` at protocol 2, with numpy's old module names."""
    out = io.BytesIO()
    _Python2Pickler(out, 2).dump(value)
    return out.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def batch(labels: list[int], seed: int, key: bytes = b"labels") -> dict[bytes, object]:
    """A CIFAR batch of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    names = [b"image_%d.png" % i for i in range(len(labels))]
    return {b"batch_label": b"a batch", key: labels, b"data": pixels, b"filenames": names}


def write_cifar10(parent: Path, per_batch: int = 20, dump=python2_pickle) -> Path:
    """A CIFAR-10 folder below ``parent``; the labels of a batch run through the classes."""
    folder = parent / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    labels = [i % 10 for i in range(per_batch)]
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        (folder / name).write_bytes(dump(batch(labels, seed=i)))
    names = [b"class%d" % i for i in range(10)]
    meta = {b"num_cases_per_batch": per_batch, b"label_names": names, b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(dump(meta))
    return folder


def write_cifar100(parent: Path) -> Path:
    """A CIFAR-100 folder below ``parent``: two training images and one test image a class."""
    folder = parent / "cifar-100-python"
    folder.mkdir(parents=True)
    for name, n, seed in (("train", 200, 0), ("test", 100, 1)):
        content = batch([i % 100 for i in range(n)], seed, b"fine_labels")
        content[b"coarse_labels"] = [i % 20 for i in range(n)]
        (folder / name).write_bytes(python2_pickle(content))
    meta = {
        b"fine_label_names": [b"class%d" % i for i in range(100)],
        b"coarse_label_names": [b"group%d" % i for i in range(20)],
    }
    (folder / "meta").write_bytes(python2_pickle(meta))
    return folder


def idx(values: np.ndarray) -> bytes:
    """An idx file of unsigned bytes."""
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


def write_mnist(parent: Path, form: str = "plain") -> Path:
    """An MNIST folder below ``parent``, ``form`` "plain", "gz" or "both"."""
    folder = parent / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, n in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        files = {
            f"{prefix}-images-idx3-ubyte": idx(images),
            f"{prefix}-labels-idx1-ubyte": idx(np.arange(n) % 10),
        }
        for name, content in files.items():
            if form in ("plain", "both"):
                (folder / name).write_bytes(content)
            if form in ("gz", "both"):
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    return folder


def write_sums(folder: Path) -> None:
    """SHA256SUMS of every file in ``folder``."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in sorted(folder.iterdir())
    ]
    (folder / "SHA256SUMS").write_text("\n".join(["# made up", *lines]) + "\n")
