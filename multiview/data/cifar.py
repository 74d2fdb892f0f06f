"""CIFAR-10 and CIFAR-100 as the official Python release lays them out on disk."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from multiview.data.files import DamagedData, DataFile
from multiview.data.pickles import load_plain_pickle

PIXELS = 3 * 32 * 32


@dataclass(frozen=True, kw_only=True)
class CifarLayout:
    """The files of one release; MD5 sums as torchvision publishes them."""

    folder: str
    num_classes: int
    label_key: str
    names_key: str
    meta: tuple[str, str]  # file, MD5
    train: Mapping[str, str]  # file: MD5
    test: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"https://www.cs.toronto.edu/~kriz/cifar-{self.num_classes}-python.tar.gz"


CIFAR10 = CifarLayout(
    folder="cifar-10-batches-py",
    num_classes=10,
    label_key="labels",
    names_key="label_names",
    meta=("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
    train={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "40351d587109b95175f43aff81a1287e"},
)
CIFAR100 = CifarLayout(
    folder="cifar-100-python",
    num_classes=100,
    label_key="fine_labels",
    names_key="fine_label_names",
    meta=("meta", "7973b15100ade9c7d40fb424638fde48"),
    train={"train": "16019d7e3df5f24257cddd939b257f8d"},
    test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
)


def find_cifar(layout: CifarLayout, data_dir: Path) -> Path | None:
    """The folder of the batches: ``data_dir`` itself or the official folder in it."""
    names = [layout.meta[0], *layout.train, *layout.test]
    for folder in (data_dir / layout.folder, data_dir):
        # A file called train proves nothing; two of the three names of CIFAR-100 do.
        if folder.name == layout.folder and folder.is_dir():
            return folder
        if sum((folder / name).is_file() for name in names) >= 2:
            return folder
    return None


def cifar_files(layout: CifarLayout, folder: Path) -> list[DataFile]:
    """Every file of the release in ``folder``, the meta file first, then train, then test."""
    into = f"--strip-components=1 -C {shlex.quote(str(folder))}"
    remedy = f"curl -L {layout.url} | tar -xz {into}"
    batch = partial(parse_batch, layout)
    return [
        DataFile(
            path=folder / layout.meta[0],
            parse=partial(parse_meta, layout),
            official=layout.meta[1],
            remedy=remedy,
        ),
        *(
            DataFile(path=folder / name, parse=batch, official=md5, remedy=remedy)
            for name, md5 in {**layout.train, **layout.test}.items()
        ),
    ]


def read_cifar(layout: CifarLayout, folder: Path) -> dict[str, Any]:
    """Read a release: the fields of ImageData by name.

    Raises:
        DamagedData: If a file is missing, altered or malformed.
    """
    meta, *batches = cifar_files(layout, folder)
    (names, per_batch), _ = meta.load()
    parsed = []
    for file in batches:
        (images, labels), _ = file.load()
        if per_batch not in (None, len(labels)):
            raise DamagedData(
                f"{file.path}: {len(labels)} images, but {meta.path.name} says {per_batch} a "
                f"batch.\n  Mend it: {file.remedy}"
            )
        parsed.append((images, labels))
    last = len(layout.train)
    return {
        "class_names": names,
        "train_images": np.concatenate([images for images, _ in parsed[:last]]),
        "train_labels": np.concatenate([labels for _, labels in parsed[:last]]),
        "test_images": np.concatenate([images for images, _ in parsed[last:]]),
        "test_labels": np.concatenate([labels for _, labels in parsed[last:]]),
    }


def parse_batch(layout: CifarLayout, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 32, 32) uint8 and labels (n,) int64 of one batch file.

    Raises:
        ValueError: If it is not such a batch.
    """
    batch = _with_text_keys(load_plain_pickle(content))
    data, labels = _entry(batch, "data"), _entry(batch, layout.label_key)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
        raise ValueError(f"its data is {_kind(data)}, not an array of uint8")
    if data.ndim != 2 or data.shape[1] != PIXELS or not len(data):
        raise ValueError(f"its data has shape {data.shape}, not (n, {PIXELS})")
    labels = labels.tolist() if isinstance(labels, np.ndarray) else labels
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        kinds = {type(label).__name__ for label in labels} if isinstance(labels, list) else ()
        found = f"a list of {', '.join(sorted(kinds))}" if kinds else _kind(labels)
        raise ValueError(f"its {layout.label_key} are {found}, not a list of integers")
    if len(labels) != len(data):
        raise ValueError(f"{len(labels)} labels for {len(data)} images")
    if min(labels) < 0 or max(labels) >= layout.num_classes:
        raise ValueError(
            f"labels from {min(labels)} to {max(labels)}, not within 0..{layout.num_classes - 1}"
        )
    return data.reshape(-1, 3, 32, 32), np.array(labels, np.int64)


def parse_meta(layout: CifarLayout, content: bytes) -> tuple[tuple[str, ...], int | None]:
    """Class names, and the images in each batch file where that is stated.

    Raises:
        ValueError: If it is not the meta file of a release.
    """
    meta = _with_text_keys(load_plain_pickle(content))
    names = _entry(meta, layout.names_key)
    if not isinstance(names, list) or not all(isinstance(n, bytes | str) for n in names):
        raise ValueError(f"its {layout.names_key} are {_kind(names)}, not a list of names")
    if len(names) != layout.num_classes:
        raise ValueError(f"{len(names)} class names, not {layout.num_classes}")
    per_batch = meta.get("num_cases_per_batch")
    if type(per_batch) not in (int, type(None)):
        raise ValueError(f"its num_cases_per_batch is {_kind(per_batch)}, not an integer")
    return tuple(_text(name) for name in names), per_batch


def _with_text_keys(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, not a dict")
    return {_text(key): item for key, item in value.items() if not isinstance(key, int)}


def _entry(batch: dict[str, Any], key: str) -> Any:
    if key not in batch:
        raise ValueError(f"it has no {key!r}, only {sorted(batch)}")
    return batch[key]


def _text(value: bytes | str) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else value


def _kind(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
