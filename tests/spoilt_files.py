"""Data sets of which a file is spoilt, and what must be said of it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from one_bad_input import BadInput
from tiny_images import (
    batch,
    python2_pickle,
    write_cifar10,
    write_cifar100,
    write_mnist,
    write_sums,
)

from multiview.data import cifar, mnist
from multiview.data.files import DamagedData
from multiview.data.images import load_images

WRITERS = {"cifar10": write_cifar10, "cifar100": write_cifar100, "mnist": write_mnist}
FOLDERS = {
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "mnist": "MNIST/raw",
}
TAR = "curl -L https://www.cs.toronto.edu/~kriz/{release}.tar.gz | tar -xz --strip-components=1"
MNIST = "curl -L https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz | gzip -d"
REMEDIES = {  # of a file in a folder
    "cifar10": f"{TAR.format(release='cifar-10-python')} -C {{folder}}",
    "cifar100": f"{TAR.format(release='cifar-100-python')} -C {{folder}}",
    "mnist": f"{MNIST} > {{folder}}/{{name}}",
}
OFFICIAL = {
    **cifar.CIFAR10.train,
    **cifar.CIFAR10.test,
    "meta": cifar.CIFAR100.meta[1],
    **mnist.SHA256,
}


def spoilt(
    name: str,
    data: str,
    file: str,
    spoil: Callable[[Path], Any],
    reason: str,
    *,
    looked_at: bool = True,
) -> BadInput:
    """A line about a data set of which a file is spoilt, given its path.

    Args:
        reason: Why the file is refused.
        looked_at: Whether its size and digest are said too.
    """

    def message(here: Path) -> str:
        folder = here / FOLDERS[data]
        found = ""
        if looked_at:
            content, official = (folder / file).read_bytes(), OFFICIAL[file]
            kind = "md5" if len(official) == 32 else "sha256"
            digest = hashlib.new(kind, content).hexdigest()
            found = f": found {len(content)} bytes, {kind} {digest}, official {kind} {official}"
        remedy = REMEDIES[data].format(folder=folder, name=file)
        return f"{folder / file}: {reason}{found}.\n  Mend it: {remedy}"

    return BadInput(
        name,
        lambda here: load_images(data, here),
        message,
        error=DamagedData,
        prepare=lambda here: spoil(WRITERS[data](here) / file),
    )


def put(content: Any) -> Callable[[Path], Any]:
    """Put this into the file; what is no bytes is pickled as the official files are."""
    return lambda path: path.write_bytes(
        content if isinstance(content, bytes) else python2_pickle(content)
    )


def cut(size: int) -> Callable[[Path], Any]:
    """Cut the last bytes off."""
    return lambda path: path.write_bytes(path.read_bytes()[:-size])


def folder_instead(path: Path) -> None:
    """Put a folder in the place of the file."""
    path.unlink()
    path.mkdir()


def one_bit(path: Path) -> None:
    """Change a bit of a file whose digest is listed."""
    write_sums(path.parent)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def gzipped(path: Path) -> None:
    """Leave the file in the compressed form alone, which is not compressed."""
    path.with_name(LABELS).unlink()
    path.write_bytes(b"no gzip")


def changed(**entries: Any) -> dict[bytes, Any]:
    """A batch with other entries."""
    return batch([0] * 20, seed=3) | {key.encode(): value for key, value in entries.items()}


LABELS, IMAGES = "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"
