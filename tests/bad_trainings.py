"""Bad modules, samples and loaders, for trainings."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from few_samples import SPEC, Items, X, Y, linear, normed, with_value
from one_bad_input import BadInput
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from multiview import stream
from multiview.train import (
    Checkpoint,
    fit,
    target_loss,
)


def fitted(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a training with other arguments."""

    def call(here: Path) -> Any:
        made = {
            key: value() if isinstance(value, Fresh) else value for key, value in changes.items()
        }
        given = {"module": linear(), "inputs": X, "loss": target_loss(Y), "spec": SPEC} | made
        return fit(**{"generator": stream(0), **given})

    return BadInput(name, call, message)


class Fresh:
    """An argument that is made for each call."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __call__(self) -> Any:
        return self.make()


def loader(*tensors: torch.Tensor, size: int = 20) -> DataLoader:
    """A loader of these."""
    return DataLoader(TensorDataset(*tensors), batch_size=size)


TRAININGS: list[BadInput] = [
    fitted(
        "a function for a module",
        "module=<built-in function abs> is no Module: give a network.",
        module=abs,
    ),
    fitted(
        "a module without parameters",
        "no parameter of the module requires a gradient, so nothing can be "
        "trained: use module.requires_grad_().",
        module=nn.Identity(),
    ),
    fitted(
        "a module that is frozen",
        "no parameter of the module requires a gradient, so nothing can be "
        "trained: use module.requires_grad_().",
        module=Fresh(lambda: linear().requires_grad_(False)),
    ),
    fitted("no samples", "inputs is empty: give at least one sample.", inputs=X[:0]),
    fitted(
        "samples that are a list",
        "the loader gave a batch of type list that is neither inputs nor (inputs, "
        "labels): give it a collate_fn that makes it so.",
        inputs=X.tolist(),
    ),
    fitted(
        "samples with NaN",
        "inputs holds 1 values that are NaN or infinite: use finite numbers.",
        inputs=with_value(X, torch.nan),
    ),
    fitted(
        "samples of another type",
        "module fails on inputs of shape (20, 5) and type torch.float64: mat1 and "
        "mat2 must have the same dtype, but got Double and Float. Give inputs that "
        "it takes, or another module.",
        inputs=X.double(),
    ),
    fitted(
        "targets of other samples",
        "the loss has targets or labels of 59 samples for 60 inputs: give one each.",
        loss=target_loss(Y[:-1]),
    ),
    fitted(
        "targets of no class",
        "targets, or labels, run from 0 to 3 and the module has 3 outputs: use labels from 0 to 2.",
        loss=target_loss(Y + 1),
    ),
    fitted(
        "outputs of no class",
        "targets (20,) are given for outputs of shape (60, 1): use a module with "
        "one output for each class.",
        module=Fresh(lambda: nn.Sequential(linear(), nn.Flatten(0))),
    ),
    fitted(
        "a loss by name",
        "loss='cross entropy' is no function: give one, or an object like it.",
        loss="cross entropy",
    ),
    fitted(
        "a word for a seed",
        "generator='seed' is no Generator: use an integer, or make one by "
        "multiview.stream(seed, name).",
        generator="seed",
    ),
    fitted("settings by name", "spec='sgd' is no OptimSpec: use an OptimSpec.", spec="sgd"),
    fitted(
        "a loader of nothing",
        "inputs is empty: give at least one sample.",
        inputs=DataLoader(Items()),
        loss=target_loss(None),
    ),
    fitted(
        "a loader without labels",
        "the loader gives no labels: make its batches (inputs, labels).",
        inputs=loader(X),
        loss=target_loss(None),
    ),
    fitted(
        "a loader of three",
        "the loader gave a batch of type list that is neither inputs nor (inputs, "
        "labels): give it a collate_fn that makes it so.",
        inputs=loader(X, Y, Y),
        loss=target_loss(None),
    ),
    fitted(
        "a loader beside labels",
        "targets are numbered by sample and a loader's samples are not: let the "
        "loader give the labels, and targets=None.",
        inputs=loader(X, Y),
    ),
    fitted(
        "a loader of labels as floats",
        "labels of the loader is of type torch.float64: use a tensor of integers (int64).",
        inputs=loader(X, Y.double()),
        loss=target_loss(None),
    ),
    fitted(
        "a loader of labels of no class",
        "targets, or labels, run from 1 to 3 and the module has 3 outputs: use labels from 0 to 2.",
        inputs=loader(X, Y + 1),
        loss=target_loss(None),
    ),
    fitted(
        "a loader with NaN",
        "inputs of the loader holds 1 values that are NaN or infinite: use finite numbers.",
        inputs=loader(with_value(X, torch.nan), Y),
        loss=target_loss(None),
    ),
    fitted(
        "a loader that is spent",
        "inputs is empty: give at least one sample.",
        inputs=[],
        loss=target_loss(None),
    ),
    fitted(
        "a loader and a checkpoint",
        "a checkpoint cannot repeat a loader's order: give the inputs as a tensor, "
        "or no checkpoint.",
        inputs=loader(X, Y),
        loss=target_loss(None),
        checkpoint=Checkpoint(path=Path("c.pt")),
    ),
    fitted(
        "BatchNorm on a last sample",
        "batch_size=59 leaves a batch of one of 60 samples, on which a BatchNorm "
        "of the module cannot be trained: use batch_size=60, or a norm such as "
        "GroupNorm.",
        module=Fresh(normed),
        spec=replace(SPEC, batch_size=59),
    ),
    fitted(
        "BatchNorm on samples one by one",
        "batch_size=1 leaves a batch of one of 60 samples, on which a BatchNorm of "
        "the module cannot be trained: use batch_size=2, or a norm such as "
        "GroupNorm.",
        module=Fresh(normed),
        spec=replace(SPEC, batch_size=1),
    ),
    BadInput(
        "labels as floats",
        lambda here: target_loss(Y.double()),
        "targets is of type torch.float64: use a tensor of integers (int64).",
    ),
    BadInput(
        "labels below 0",
        lambda here: target_loss(Y - 1),
        "targets run from -1 to 1: use integers from 0 on.",
    ),
    BadInput(
        "probabilities that are none",
        lambda here: target_loss(torch.ones(4, 3)),
        "targets holds rows that are no probabilities: use finite numbers >= 0 "
        "that sum to 1, such as logits.softmax(-1).",
    ),
    BadInput(
        "smoothing of 2",
        lambda here: target_loss(Y, 2.0),
        "smoothing=2.0 is a fraction: use a finite number in [0, 1].",
    ),
]
