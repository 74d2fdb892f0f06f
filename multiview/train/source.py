"""Where a minibatch training takes its batches from: a tensor in memory, or a loader."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview import checks, shapes

# augment(inputs, generator): all samples, changed anew.
Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True, eq=False)
class LoaderTargets:
    """What a loader gave beside the inputs of a batch."""

    labels: Tensor | None
    # Smallest and largest of integer labels on a CPU: known without making a GPU wait.
    extent: tuple | None = None


# Which samples these are, or what a loader gave with them, and the samples.
Batch = tuple[Tensor | LoaderTargets, Tensor]


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
        """Device of the samples."""
        return self.inputs.device

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return math.ceil(len(self.inputs) / self.batch_size)

    def batches(self, generator: torch.Generator, done: int) -> Iterator[Batch]:
        """Batches of an epoch after the first ``done``."""
        inputs = self.inputs if self.augment is None else self.augment(self.inputs, generator)
        order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        for rows in order.split(self.batch_size)[done:]:
            yield rows, inputs[rows]


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
        """Those of an epoch.

        Raises:
            ValueError: If a batch is neither inputs nor (inputs, labels), or there are fewer
                batches than the loader's length; further ones are left out.
        """
        torch.randint(2**62, (), generator=generator)  # the next training draws anew
        number = 0
        for number, batch in enumerate(self.loader, start=1):
            yield self._given(batch)
            if number == self.steps:
                break
        if number < self.steps:
            raise ValueError(
                f"the loader gave {number} batches where its length is {self.steps}: give one that "
                "can be gone through once an epoch, such as a DataLoader."
            )

    def _given(self, batch: Any) -> Batch:
        inputs, *rest = batch if isinstance(batch, list | tuple) else (batch,)
        if not isinstance(inputs, Tensor) or len(rest) > 1:
            raise ValueError(
                f"the loader gave a batch of type {type(batch).__name__} that is neither inputs "
                "nor (inputs, labels): give it a collate_fn that makes it so."
            )
        if inputs.device.type == "cpu" and inputs.is_floating_point():
            shapes.finite(**{"inputs of the loader": inputs})
        if not rest:
            return LoaderTargets(None), inputs.to(self.device)
        (labels,) = rest
        if not isinstance(labels, Tensor):
            raise ValueError(
                f"labels={checks.shown(labels)} of the loader are no tensor: give one."
            )
        known = labels.device.type == "cpu" and labels.dtype == torch.int64 and labels.numel()
        extent = tuple(map(int, labels.aminmax())) if known else None
        return LoaderTargets(labels.to(self.device), extent), inputs.to(self.device)


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
    check_source(inputs)
    checks.function("augment", augment, optional=True)
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


def check_source(inputs: Any) -> None:
    """Refuse what is neither a tensor of samples nor a loader."""
    number = isinstance(inputs, Tensor) and not inputs.dim()
    if number or isinstance(inputs, str) or not isinstance(inputs, Loader):
        raise ValueError(
            f"inputs={checks.shown(inputs)} are neither a tensor with an axis of samples nor a "
            "loader: give one of the two."
        )
