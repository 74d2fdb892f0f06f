"""tensor_batches: a loader whose batches are dicts, as one of inputs, or of (inputs, labels)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from multiview import checks


@dataclass(frozen=True)
class TensorBatches:
    """What ``tensor_batches`` returns: goes through the loader anew each time."""

    loader: Any
    inputs: str
    labels: str | None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Tensor | tuple[Tensor, Tensor]]:
        for batch in self.loader:
            inputs = _entry(batch, "inputs", self.inputs)
            yield inputs if self.labels is None else (inputs, _entry(batch, "labels", self.labels))


def tensor_batches(
    loader: Iterable[Any], inputs: str = "pixel_values", labels: str | None = "labels"
) -> TensorBatches:
    """A loader of dicts in the form that trainings and distillation here take.

    >>> import torch
    >>> loader = [{"pixel_values": torch.ones(2, 3), "labels": torch.tensor([0, 1]), "id": "a"}]
    >>> [(images.shape, labels) for images, labels in tensor_batches(loader)]
    [(torch.Size([2, 3]), tensor([0, 1]))]

    Args:
        loader: Of dicts; it has a length and can be gone through once an epoch.
        inputs: The entry of a batch that holds the inputs.
        labels: The entry that holds the labels; None for batches of inputs alone.

    Raises:
        ValueError: If ``loader`` is no loader or a name no text; while it is gone through, if a
            batch has no such entry or it is no tensor.
    """
    if isinstance(loader, str | Tensor) or not (
        hasattr(loader, "__iter__") and hasattr(loader, "__len__")
    ):
        raise ValueError(
            f"loader={checks.shown(loader)} is no loader with a length: give one, such as a "
            "DataLoader."
        )
    for name, value in {"inputs": inputs, "labels": labels}.items():
        if not (isinstance(value, str) and value) and not (name == "labels" and value is None):
            raise ValueError(f"{name}={checks.shown(value)} is no name of an entry: use a text.")
    return TensorBatches(loader, inputs, labels)


def _entry(batch: Any, argument: str, name: str) -> Tensor:
    if not isinstance(batch, Mapping):
        raise ValueError(
            f"the loader gave a batch of type {type(batch).__name__}, and no dict with an entry "
            f"{name!r}: loaders of other batches need no tensor_batches."
        )
    if not isinstance(value := batch.get(name), Tensor):
        raise ValueError(
            f"the loader gave a batch with entries {', '.join(map(str, batch))} and no tensor "
            f"{name!r}: name the entry that holds it by {argument}."
        )
    return value
