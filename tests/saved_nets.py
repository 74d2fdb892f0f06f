"""Folders of saved networks, and files of samples that they tell apart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multiview.models import MLP, save
from multiview.rng import stream

SHAPE = (1, 4, 4)
CLASSES = 3


def samples(n: int = 120) -> tuple[Tensor, Tensor]:
    """Inputs (n, 1, 4, 4) whose class is the largest of the first three pixels, and labels."""
    inputs = torch.randn(n, *SHAPE, generator=stream(0, "inputs"))
    return inputs, inputs.flatten(1)[:, :CLASSES].argmax(1)


def net(seed: int, width: int = 8, num_classes: int = CLASSES) -> MLP:
    """A network that is right more often than not: near enough the three pixels themselves."""
    drawn = stream(seed, "init")
    made = MLP(input_shape=SHAPE, num_classes=num_classes, widths=(width,), generator=drawn)
    first, last = (each for each in made.layers if isinstance(each, nn.Linear))
    with torch.no_grad():
        for i in range(CLASSES):
            first.weight[i] += 2 * torch.eye(16)[i]
            last.weight[i, i] += 2
    return made


def saved(here: Path, number: int = 3, **settings: int) -> Path:
    """The folder ``nets`` with this many networks."""
    folder = here / "nets"
    folder.mkdir(exist_ok=True)
    for seed in range(number):
        save(net(seed, **settings), folder / f"net_{seed}.safetensors")
    return folder


def asked(here: Path, arrays: Mapping[str, Any] | None = None) -> Path:
    """The file ``samples.npz`` of samples, or of these arrays."""
    inputs, labels = samples()
    usual = {"inputs": inputs.numpy(), "labels": labels.numpy()}
    np.savez(here / "samples.npz", **(usual if arrays is None else arrays))
    return here / "samples.npz"
