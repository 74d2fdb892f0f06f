"""Bad data files: missing, cut, of other sizes, with other labels."""

import hashlib
import struct
from pathlib import Path

import numpy as np
from one_bad_input import BadInput
from spoilt_files import IMAGES, LABELS, changed, cut, folder_instead, one_bit, put, spoilt
from tiny_images import (
    batch,
    idx,
    write_cifar10,
    write_mnist,
)

from multiview.data.files import DamagedData
from multiview.data.images import load_images, verify


def altered(here: Path) -> str:
    """What is said of a batch that is not as SHA256SUMS has it."""
    folder = here / "cifar-10-batches-py"
    path, sums = folder / "data_batch_2", (folder / "SHA256SUMS").read_text().splitlines()
    (listed,) = (each.split()[0] for each in sums if each.endswith("data_batch_2"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    return (
        f"{path}: altered: found {path.stat().st_size} bytes, sha256 {found}, SHA256SUMS beside it "
        f"says {listed}.\n  Mend it: curl -L "
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz | tar -xz --strip-components=1 "
        f"-C {folder}\n  or remove {folder} and let the program that wrote SHA256SUMS write it"
    )


FILES: list[BadInput] = [
    BadInput(
        "an unknown data set",
        lambda here: load_images("imagenet", here),
        "name='imagenet' is not one of cifar10, cifar100, mnist.",
    ),  # type: ignore[arg-type]
    BadInput(
        "no data set",
        lambda here: load_images("cifar100", here),
        "{here} holds no cifar100: expected {here}/cifar-100-python, or its files "
        "in {here} itself.\n"
        "  Mend it:\n"
        "    mkdir -p {here}/cifar-100-python\n"
        "    curl -L https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz | "
        "tar -xz --strip-components=1 -C {here}/cifar-100-python",
        error=DamagedData,
    ),
    BadInput(
        "nothing to verify",
        lambda here: verify(here),
        "{here} holds none of cifar-10-batches-py, cifar-100-python, MNIST/raw: "
        "name the folder that does.",
    ),
    spoilt("a missing batch", "cifar10", "data_batch_3", Path.unlink, "missing", looked_at=False),
    spoilt(
        "a cut batch",
        "cifar10",
        "data_batch_3",
        cut(7),
        "not a readable pickle: ValueError: expected 12 bytes in a string4, but only 10 remain",
    ),
    spoilt(
        "an empty batch",
        "cifar10",
        "data_batch_1",
        put(b""),
        "not a readable pickle: ValueError: pickle exhausted before seeing STOP",
    ),
    spoilt(
        "a folder for a batch",
        "cifar10",
        "test_batch",
        folder_instead,
        "Is a directory",
        looked_at=False,
    ),
    BadInput(
        "an altered batch",
        lambda here: load_images("cifar10", here),
        altered,
        error=DamagedData,
        prepare=lambda here: one_bit(write_cifar10(here) / "data_batch_2"),
    ),
    BadInput(
        "sums that are none",
        lambda here: load_images("mnist", here),
        "{here}/MNIST/raw/SHA256SUMS: not a list of sha256 sums.\n"
        "  Mend it: rm {here}/MNIST/raw/SHA256SUMS",
        error=DamagedData,
        prepare=lambda here: (write_mnist(here) / "SHA256SUMS").write_text("nonsense\n"),
    ),
    spoilt(
        "other sizes of batches",
        "cifar10",
        "data_batch_4",
        put(batch([0] * 21, seed=0)),
        "21 images, but batches.meta says 20 a batch",
        looked_at=False,
    ),
    spoilt(
        "a label of no class",
        "cifar10",
        "data_batch_4",
        put(changed(labels=[0] * 19 + [10])),
        "labels from 0 to 10, not within 0..9",
    ),
    spoilt(
        "a label below 0",
        "cifar10",
        "data_batch_4",
        put(changed(labels=[-1] + [0] * 19)),
        "labels from -1 to 0, not within 0..9",
    ),
    spoilt(
        "too few labels",
        "cifar10",
        "data_batch_4",
        put(changed(labels=[0] * 19)),
        "19 labels for 20 images",
    ),
    spoilt(
        "labels that are words",
        "cifar10",
        "data_batch_4",
        put(changed(labels=["a"] * 20)),
        "its labels are a list of str, not a list of integers",
    ),
    spoilt(
        "too few class names",
        "cifar100",
        "meta",
        put({b"fine_label_names": [b"a"]}),
        "1 class names, not 100",
    ),
    spoilt(
        "pixels of another size",
        "cifar10",
        "data_batch_4",
        put(changed(data=np.zeros((20, 3071), np.uint8))),
        "its data has shape (20, 3071), not (n, 3072)",
    ),
    spoilt(
        "pixels as floats",
        "cifar10",
        "data_batch_4",
        put(changed(data=np.zeros((20, 3072)))),
        "its data is an array of float64, not an array of uint8",
    ),
    spoilt(
        "a wrong magic number",
        "mnist",
        LABELS,
        put(b"\x89PNG\r\n\x1a\n"),
        "it starts with 89504e47, not 00000801: no idx1 file",
    ),
    spoilt(
        "labels cut short", "mnist", LABELS, cut(1), "47 bytes where its header (40,) asks for 48"
    ),
    spoilt(
        "images cut short",
        "mnist",
        IMAGES,
        cut(1),
        "15695 bytes where its header (20, 28, 28) asks for 15696",
    ),
    spoilt(
        "more than the header says",
        "mnist",
        IMAGES,
        put(idx(np.zeros((20, 28, 28))) + b"x"),
        "15697 bytes where its header (20, 28, 28) asks for 15696",
    ),
    spoilt(
        "images of another size",
        "mnist",
        IMAGES,
        put(idx(np.zeros((20, 28, 27)))),
        "images of (28, 27) pixels, not 28 x 28",
    ),
    spoilt(
        "a digit of 10", "mnist", LABELS, put(idx(np.full(40, 10))), "a label 10, not within 0..9"
    ),
    spoilt(
        "labels of other images",
        "mnist",
        LABELS,
        put(idx(np.zeros(39))),
        "39 labels for 40 images",
        looked_at=False,
    ),
    spoilt(
        "a header of billions",
        "mnist",
        IMAGES,
        put(b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31)),
        "16 bytes where its header (2147483648, 2147483648, 2147483648) asks for "
        "9903520314283042199192993808",
    ),
]
