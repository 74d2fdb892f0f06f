"""Real images in memory: load_images reads a data set, verify reports on its files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from multiview import checks, shapes
from multiview.data import cifar, mnist
from multiview.data.files import DamagedData, DataFile

ImageName = Literal["cifar10", "cifar100", "mnist"]
AT_ONCE = 1000  # images that are standardised at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """A data set with its two splits; ``test`` is whatever the errors are counted on."""

    name: str
    class_names: tuple[str, ...]
    train_images: UInt8[Tensor, "n_train C H W"]
    train_labels: Int[Tensor, " n_train"]
    test_images: UInt8[Tensor, "n_test C H W"]
    test_labels: Int[Tensor, " n_test"]

    def __post_init__(self) -> None:
        checks.instance("name", self.name, str)
        shapes.fit(
            train_images=(self.train_images, "uint8 n_train? C H W"),
            train_labels=(self.train_labels, "int n_train?"),
            test_images=(self.test_images, "uint8 n_test? C H W"),
            test_labels=(self.test_labels, "int n_test?"),
        )
        number = len(checks.items("class_names", self.class_names))
        shapes.indices("train_labels", self.train_labels, 0, number)
        shapes.indices("test_labels", self.test_labels, 0, number)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def subset(
        self, n_train: int | None, n_test: int | None, generator: torch.Generator | int
    ) -> "ImageData":
        """``n_train`` training and ``n_test`` test images, as many of each class, at random.

        Args:
            n_train: A multiple of the number of classes, as is ``n_test``; None: all of them,
                whatever their shares, at random places.
            generator: Sole source of randomness, advanced in place; or a seed.

        Raises:
            ValueError: If the classes cannot have equal shares or hold too few images.
        """
        generator = checks.generator("generator", generator, "subset")
        train = self._balanced("n_train", self.train_labels, n_train, generator)
        test = self._balanced("n_test", self.test_labels, n_test, generator)
        return replace(
            self,
            train_images=self.train_images[train],
            train_labels=self.train_labels[train],
            test_images=self.test_images[test],
            test_labels=self.test_labels[test],
        )

    def hold_out(self, n: int, generator: torch.Generator | int) -> "ImageData":
        """``n`` training images, as many of each class, in the place of the test images.

        Settings are chosen on the result: it holds no test image, and no image twice.
        """
        generator = checks.generator("generator", generator, "hold out")
        held_out = self._balanced("n", self.train_labels, n, generator)
        kept = torch.ones(len(self.train_labels), dtype=torch.bool)
        kept[held_out] = False
        return replace(
            self,
            train_images=self.train_images[kept],
            train_labels=self.train_labels[kept],
            test_images=self.train_images[held_out],
            test_labels=self.train_labels[held_out],
        )

    def standardised(
        self,
    ) -> tuple[Float[Tensor, "n_train C H W"], Float[Tensor, "n_test C H W"]]:
        """Training and test images in float32, by ``standardise``."""
        train, test = standardise(self.train_images, self.test_images)
        return train, test

    def _balanced(
        self, field: str, labels: Tensor, n: int | None, generator: torch.Generator
    ) -> Int[Tensor, " n"]:
        """Indices of ``n`` random samples in random order, as many of each class; None: of all."""
        if n is None:
            return torch.randperm(len(labels), generator=generator)
        share, rest = divmod(checks.count(field, n, 0, meaning="counts images"), self.num_classes)
        if n < 1 or rest:
            raise ValueError(
                f"{field}={n} images cannot be shared equally by {self.num_classes} classes: "
                f"use a positive multiple of {self.num_classes}."
            )
        order = torch.randperm(len(labels), generator=generator)
        members = [order[labels[order] == label] for label in range(self.num_classes)]
        smallest = min(map(len, members))
        if smallest < share:
            raise ValueError(
                f"{field}={n} asks for {share} images of each class, but {self.name} has a class "
                f"with {smallest}: use at most {smallest * self.num_classes}."
            )
        chosen = torch.cat([indices[:share] for indices in members])
        return chosen[torch.randperm(n, generator=generator)]


def standardise(
    train: UInt8[Tensor, "n C H W"], *others: UInt8[Tensor, "_ C H W"]
) -> list[Float[Tensor, "_ C H W"]]:
    """``train`` and then the others in float32, with the mean and deviation of each channel over
    ``train`` taken out of all; a constant channel becomes 0."""
    tensors = {"train": train} | {f"others[{i}]": each for i, each in enumerate(others)}
    for name, images in tensors.items():
        shapes.fit(
            {"C": train.shape[1]} if name != "train" else {}, **{name: (images, "uint8 n C H W")}
        )
    mean, deviation = moments(train)
    return [scaled(images, mean, deviation) for images in (train, *others)]


def moments(images: UInt8[Tensor, "n C H W"]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, (C, 1, 1); a constant channel has the deviation 1.

    They are taken from how often each of the 256 values occurs: in float64 the training images of
    CIFAR would fill more than a gigabyte.
    """
    values = torch.arange(256, dtype=torch.float64)
    found = []
    for channel in images.unbind(1):
        shares = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean = shares @ values
        found.append(torch.stack([mean, (shares @ (values - mean).square()).sqrt()]))
    mean, deviation = torch.stack(found, 1)[..., None, None]
    return mean, torch.where(deviation == 0, 1.0, deviation)


def scaled(
    images: UInt8[Tensor, "n C H W"],
    mean: Float[Tensor, "C 1 1"],
    deviation: Float[Tensor, "C 1 1"],
) -> Float[Tensor, "n C H W"]:
    """Images less the mean, over the deviation, in float32; computed in float64, some at a time."""
    parts = images.split(AT_ONCE)
    return torch.cat([((part.double() - mean) / deviation).float() for part in parts])


class Reader(NamedTuple):
    """How a data set is found and read.

    Attributes:
        find: From the data folder to that of the files, None if it is not there.
        files: The files of such a folder.
        read: From such a folder to the fields of ``ImageData`` but its name, as arrays.
        layout: Where the files are expected, below the data folder.
    """

    find: Callable[[Path], Path | None]
    files: Callable[[Path], list[DataFile]]
    read: Callable[[Path], dict[str, Any]]
    layout: str


READERS: Mapping[str, Reader] = {
    **{
        name: Reader(
            find=partial(cifar.find_cifar, layout),
            files=partial(cifar.cifar_files, layout),
            read=partial(cifar.read_cifar, layout),
            layout=layout.folder,
        )
        for name, layout in (("cifar10", cifar.CIFAR10), ("cifar100", cifar.CIFAR100))
    },
    "mnist": Reader(mnist.find_mnist, mnist.mnist_files, mnist.read_mnist, "MNIST/raw"),
}


def load_images(name: str, data_dir: Path | str) -> ImageData:
    """Read a data set from its standard layout on disk.

    Args:
        data_dir: The folder of the files, or the one that holds it: ``cifar-10-batches-py``,
            ``cifar-100-python`` or ``MNIST/raw``.

    Raises:
        DamagedData: If a file is missing, truncated, altered or malformed; a ValueError that says
            which, with size and digest, and the command that mends it.
        ValueError: If there is no such data set.
    """
    if name not in READERS:
        raise ValueError(f"name={name!r} is not one of {', '.join(READERS)}.")
    reader, data_dir = READERS[name], Path(data_dir).expanduser()
    folder = reader.find(data_dir)
    if folder is None:
        wanted = data_dir / reader.layout
        remedies = dict.fromkeys(file.remedy for file in reader.files(wanted))
        commands = "\n".join(f"    {command}" for command in (f"mkdir -p {wanted}", *remedies))
        raise DamagedData(
            f"{data_dir} holds no {name}: expected {wanted}, or its files in {data_dir} itself.\n"
            f"  Mend it:\n{commands}"
        )
    fields = reader.read(folder)
    names = fields.pop("class_names")
    # Copied where numpy reads straight from the file's bytes, which torch must not write to.
    arrays = {key: np.require(value, requirements=["C", "W"]) for key, value in fields.items()}
    tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
    return ImageData(name=name, class_names=names, **tensors)


def verify(data_dir: Path | str) -> list[str]:
    """One line for each file of every data set in ``data_dir``: where it is and what it is.

    A file is *official* (its digest is the published one), *matches SHA256SUMS* in its folder, or
    is of *unknown content, but well-formed*.

    Raises:
        ValueError: If any file is damaged, with all of them and what mends each; or if there is
            no data set.
    """
    data_dir = Path(data_dir).expanduser()
    found = {name: folder for name, r in READERS.items() if (folder := r.find(data_dir))}
    if not found:
        layouts = ", ".join(reader.layout for reader in READERS.values())
        raise ValueError(f"{data_dir} holds none of {layouts}: name the folder that does.")
    lines: list[str] = []
    damage: list[str] = []
    for name, folder in found.items():
        before = len(damage)
        for file in READERS[name].files(folder):
            try:
                _, origin = file.load()
                lines.append(f"{file.path}: {origin}")
            except DamagedData as error:
                damage.append(str(error))
        if len(damage) == before:  # each file is good; do they fit together?
            try:
                READERS[name].read(folder)
            except DamagedData as error:
                damage.append(str(error))
    if damage:
        raise DamagedData("\n".join([f"{len(damage)} damaged in {data_dir}:", *damage]))
    return lines
