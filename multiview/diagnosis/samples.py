"""Labelled samples to ask networks: test images of a data set, or a file of inputs and labels."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from multiview import checks
from multiview.data.images import load_images, moments, scaled
from multiview.rng import stream

Samples = tuple[Float[Tensor, "n ..."], Int[Tensor, " n"]]
NEEDED = ("inputs", "labels")
ENDINGS = (".npz", ".safetensors")
# What numpy and zipfile raise for files that are damaged, encrypted or of Python objects.
DAMAGES = (zipfile.BadZipFile, zlib.error, ValueError, TypeError, EOFError, RuntimeError)
# The error of a network is then known to 10 points, which says little of a gain already.
LEAST = 100


def check_number(name: str, number: int) -> None:
    """Refuse numbers of samples that tell nothing.

    Raises:
        ValueError: If they are fewer than ``LEAST``.
    """
    if number < LEAST:
        raise ValueError(
            f"{name}={number}: of so few the error of a network is known to more than 10 points, "
            f"give at least {LEAST}."
        )


def images_of(name: str, data_dir: Path, number: int | None, seed: int) -> Samples:
    """Test images (n, C, H, W) in float32 and their labels.

    They have the mean and the deviation of each channel over all training images taken out, as
    ``multiview.data.images.standardise`` does.

    Args:
        name: Of the data set, one of ``READERS``.
        number: Of images, drawn without replacement; None: all, in their order.
        seed: Of the draw.

    Raises:
        ValueError: If the data set is missing or damaged, or has fewer images than that.
    """
    data = load_images(name, data_dir)
    images, labels = data.test_images, data.test_labels
    if number is not None and number > len(images):
        raise ValueError(
            f"images={number}: {name} has {len(images)} test images, ask for that many at most."
        )
    check_number("images", len(images) if number is None else number)
    if number is not None:
        drawn = torch.randperm(len(images), generator=stream(seed, "diagnose", "images"))[:number]
        images, labels = images[drawn], labels[drawn]
    mean, deviation = moments(data.train_images)
    return scaled(images, mean, deviation), labels.long()


def read_samples(path: Path) -> Samples:
    """``inputs`` (n, ...) in float32 and ``labels`` (n,) of a file .npz or .safetensors.

    Nothing in the file is run: arrays of Python objects are refused.

    Raises:
        ValueError: If the file is of another kind, damaged, lacks one of the two, or holds inputs
            that are no finite floating-point numbers, labels that are no classes, or too few.
        OSError: If it cannot be read.
    """
    found = _arrays(path)
    for name in NEEDED:
        if name not in found:
            there = ", ".join(sorted(found)) or "nothing"
            raise ValueError(
                f"samples={path} lacks {name}, it holds {there}: save the arrays inputs (n, ...) "
                "and labels (n,)."
            )
    inputs, labels = (found[name] for name in NEEDED)
    where = f"samples={path}"
    if labels.dim() != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"{where}: labels are {checks.shown(labels)}, give the classes as integers (n,)."
        )
    if not inputs.is_floating_point() or inputs.dim() < 2 or len(inputs) != len(labels):
        raise ValueError(
            f"{where}: inputs are {checks.shown(inputs)} for {len(labels)} labels, give floating-"
            "point numbers (n, ...) as the networks were trained on, one sample a label."
        )
    check_number("samples", len(labels))
    inputs, labels = inputs.float(), labels.long()
    if int(labels.min()) < 0:
        raise ValueError(f"{where}: labels begin at {int(labels.min())}, give classes from 0 on.")
    if not bool(inputs.isfinite().all()):
        raise ValueError(f"{where}: inputs are NaN or infinite in places, give finite numbers.")
    return inputs, labels


def _arrays(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file that may hold samples, by name."""
    if path.suffix not in ENDINGS:
        raise ValueError(f"samples={path} must end in {' or '.join(ENDINGS)}: name such a file.")
    path.open("rb").close()  # or an OSError that names it
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(file[name]) for name in file}
    except (SafetensorError, *DAMAGES) as error:
        raise ValueError(
            f"samples={path} is no whole {path.suffix} file of numbers ({error}): write it anew, "
            "such as by numpy.savez(FILE, inputs=..., labels=...)."
        ) from error
