"""Where a minibatch training takes its batches from: a tensor in memory, or a loader."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

# augment(inputs, generator): all samples, changed anew.
Augment = Callable[[Tensor, torch.Generator], Tensor]
# Which samples, or what a loader gave beside the inputs; the samples; their share of an epoch.
Batch = tuple[Any, Tensor, float]


@runtime_checkable
class Loader(Protocol):
    """Batches of inputs, or of (inputs, labels), such as a ``torch.utils.data.DataLoader``."""

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """All samples in a tensor."""

    inputs: Shaped[Tensor, "n ..."]
    augment: Augment | None
    batch_size: int

    @property
    def device(self) -> torch.device:
        """Where the samples are."""
        return self.inputs.device

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return math.ceil(len(self.inputs) / self.batch_size)

    def batches(self, generator: torch.Generator, done: int) -> Iterator[Batch]:
        """Those of an epoch but for the first ``done``: rows, samples, share of the epoch."""
        inputs = self.inputs if self.augment is None else self.augment(self.inputs, generator)
        order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        for rows in order.split(self.batch_size)[done:]:
            yield rows, inputs[rows], len(rows) / len(inputs)


@dataclass(frozen=True, kw_only=True)
class FromLoader:
    """A loader, which has an order and augmentations of its own."""

    loader: Loader
    device: torch.device  # of the network, where batches are taken to

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return len(self.loader)

    def batches(self, generator: torch.Generator, done: int) -> Iterator[Batch]:
        """Those of an epoch: labels or None, inputs, an equal share each."""
        for batch in self.loader:
            inputs, labels = batch if isinstance(batch, list | tuple) else (batch, None)
            if labels is not None:
                labels = labels.to(self.device)
            yield labels, inputs.to(self.device), 1 / self.steps


def source_of(
    inputs: Shaped[Tensor, "n ..."] | Loader,
    module: nn.Module,
    augment: Augment | None,
    batch_size: int,
) -> InMemory | FromLoader:
    """The source of these inputs for a training of ``module``.

    Raises:
        ValueError: If there are no batches, or a loader is given with ``augment``.
    """
    if not len(inputs):
        raise ValueError("inputs is empty: give at least one sample.")
    if isinstance(inputs, Tensor):
        return InMemory(inputs=inputs, augment=augment, batch_size=batch_size)
    if augment is not None:
        raise ValueError(
            "a loader has an order of its own, so augment cannot follow the generator: let its "
            "dataset augment, or give the inputs as a tensor."
        )
    return FromLoader(loader=inputs, device=next(module.parameters()).device)
