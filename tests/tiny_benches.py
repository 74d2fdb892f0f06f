"""Benches of next to nothing: Gaussian inputs and linear networks, trained in milliseconds."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from multiview import stream
from multiview.bench.modules import ModuleBench
from multiview.bench.recipe import plain_recipe
from multiview.bench.tensors import TensorSetting, samples_of
from multiview.runs.experiment import Context

CLASSES, INPUTS = 3, 5


def linear() -> nn.Module:
    """A linear classifier."""
    return nn.Linear(INPUTS, CLASSES)


def drawn(number: int, name: str) -> tuple[Tensor, Tensor]:
    """Inputs around a mean of their own for each class, and their labels."""
    generator = stream(0, name)
    labels = torch.arange(number) % CLASSES
    means = 2 * torch.eye(CLASSES, INPUTS)[labels]
    return means + torch.randn(number, INPUTS, generator=generator), labels


def tiny_setting(*, together: int = 5, epochs: int = 2, **settings: Any) -> TensorSetting:
    """Two members, 30 samples to train on, 15 to validate and 60 to test on."""
    recipe = replace(plain_recipe(epochs, batch_size=10), together=together)
    parts = (drawn(30, "train"), drawn(60, "test"), drawn(15, "validation"))
    own = {"members": 2, "recipe": recipe, "students": recipe} | settings
    return TensorSetting.of(samples_of(*parts, num_classes=CLASSES), linear, **own)


def tiny_bench(seed: int = 0, context: Context | None = None, **settings: Any) -> ModuleBench:
    """The bench of such a setting."""
    return tiny_setting(**settings).bench(seed, context or Context())
