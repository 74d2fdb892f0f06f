"""MNIST in the original idx files, plain or gzipped."""

import gzip
import io
import shlex
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from multiview.data.files import DamagedData, DataFile

URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
MAX_BYTES = 2**28  # of a decompressed file; the largest real one has 47 MB
_ORIGINAL = {  # sha256 of the original files: as they are, and as they are gzipped
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
PLAIN = list(_ORIGINAL)
SHA256 = {
    f"{name}{suffix}": digest
    for name, digests in _ORIGINAL.items()
    for suffix, digest in zip(("", ".gz"), digests, strict=True)
}


def find_mnist(data_dir: Path) -> Path | None:
    """The folder of the idx files: ``data_dir``, ``raw`` or ``MNIST/raw`` in it."""
    for folder in (data_dir / "MNIST" / "raw", data_dir / "raw", data_dir):
        if any((folder / name).is_file() for name in SHA256):
            return folder
    return None


def mnist_files(folder: Path) -> list[DataFile]:
    """Every file in ``folder``, and in its plain form every one that is there in neither form."""
    chosen = [
        name
        for name in SHA256
        if (folder / name).is_file() or (name in PLAIN and not (folder / f"{name}.gz").is_file())
    ]
    return [_file(folder, name) for name in chosen]


def read_mnist(folder: Path) -> dict[str, Any]:
    """Read the data set: the fields of ImageData by name. Of two forms the plain one is read.

    Raises:
        DamagedData: If a file is missing, altered or malformed.
    """
    files = {file.path.name.removesuffix(".gz"): file for file in reversed(mnist_files(folder))}
    parts = {name: file.load()[0] for name, file in files.items()}
    fields: dict[str, Any] = {"class_names": tuple("0123456789")}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = parts[f"{prefix}-images-idx3-ubyte"]
        labels = parts[f"{prefix}-labels-idx1-ubyte"]
        if len(images) != len(labels):
            file = files[f"{prefix}-labels-idx1-ubyte"]
            raise DamagedData(
                f"{file.path}: {len(labels)} labels for {len(images)} images.\n"
                f"  Mend it: {file.remedy}"
            )
        fields |= {f"{split}_images": images[:, None], f"{split}_labels": labels.astype(np.int64)}
    return fields


def _file(folder: Path, name: str) -> DataFile:
    parse = parse_images if "images" in name else parse_labels
    path, plain = folder / name, name.removesuffix(".gz")
    if plain == name:
        return DataFile(
            path=path,
            parse=parse,
            official=SHA256[name],
            remedy=f"curl -L {URL}/{plain}.gz | gzip -d > {shlex.quote(str(path))}",
        )
    return DataFile(
        path=path,
        parse=lambda content: parse(_decompress(content)),
        official=SHA256[name],
        remedy=f"curl -L {URL}/{name} -o {shlex.quote(str(path))}",
    )


def parse_images(content: bytes) -> np.ndarray:
    """Images (n, 28, 28) uint8 of an idx3 file.

    Raises:
        ValueError: If it is not such a file.
    """
    images = _parse_idx(content, 3)
    if images.shape[1:] != (28, 28):
        raise ValueError(f"images of {images.shape[1:]} pixels, not 28 x 28")
    return images


def parse_labels(content: bytes) -> np.ndarray:
    """Labels (n,) uint8 of an idx1 file.

    Raises:
        ValueError: If it is not such a file.
    """
    labels = _parse_idx(content, 1)
    if labels.max() > 9:
        raise ValueError(f"a label {labels.max()}, not within 0..9")
    return labels


def _parse_idx(content: bytes, num_axes: int) -> np.ndarray:
    """The bytes of an idx file: two zeros, type 8 (uint8), number of axes, sizes, numbers."""
    start = 4 + 4 * num_axes
    if len(content) < start or content[:4] != bytes([0, 0, 8, num_axes]):
        raise ValueError(
            f"it starts with {content[:4].hex()}, not 0000080{num_axes}: no idx{num_axes} file"
        )
    shape = struct.unpack(f">{num_axes}I", content[4:start])
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected or not shape[0]:
        raise ValueError(f"{len(content)} bytes where its header {shape} asks for {expected}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _decompress(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            plain = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it does not decompress ({error})") from None
    if len(plain) > MAX_BYTES:
        raise ValueError(f"it decompresses to more than {MAX_BYTES} bytes")
    return plain
