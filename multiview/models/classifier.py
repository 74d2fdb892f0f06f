"""as_classifier: a module with inputs or outputs of another form, as one from tensors to logits."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks

LOGITS = "logits"


def as_classifier(
    module: nn.Module, argument: str | None = None, *, without: Sequence[str] = ("labels",)
) -> nn.Module:
    """A module that gives logits (n, k) whatever form those of ``module`` have.

    Networks of other libraries take several inputs by name and return an object with an attribute
    ``logits``; what trains, distils, measures or takes kernels here calls a module on a tensor and
    expects a tensor. The result holds ``module``, not a copy: to train it is to train ``module``.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> class Theirs(nn.Linear):
    ...     def forward(self, *, pixel_values, labels=None):
    ...         return SimpleNamespace(logits=super().forward(pixel_values.flatten(1)), loss=None)
    >>> theirs, images = Theirs(12, 3), torch.ones(2, 3, 2, 2)
    >>> ours = as_classifier(theirs, "pixel_values")
    >>> ours(images).shape
    torch.Size([2, 3])

    It is called on a tensor, on a dict, whose entries become arguments by name, or on a tuple or
    list, whose entries become arguments in their order:

    >>> bool((ours({"pixel_values": images, "labels": None}) == ours(images)).all())
    True

    The module's outputs may be a tensor, a dict with an entry "logits", or anything with an
    attribute ``logits``.

    Args:
        argument: The name by which the module takes a tensor; None hands it over by its place.
        without: Entries of a dict that are not handed on. By default labels, for which many
            libraries' modules would return a loss.

    Raises:
        ValueError: If ``module`` is no module or a name no text; in the forward pass, if it does
            not take the entries of a batch, or its outputs have no logits.
    """
    return AsClassifier(module, argument, without)


class AsClassifier(nn.Module):
    """What ``as_classifier`` returns."""

    def __init__(
        self, module: nn.Module, argument: str | None = None, without: Sequence[str] = ("labels",)
    ) -> None:
        super().__init__()
        self.module = checks.module("module", module)
        self.argument = None if argument is None else _name("argument", argument)
        names = checks.items("without", without)
        self.without = frozenset(_name(f"without[{i}]", each) for i, each in enumerate(names))

    def forward(self, batch: Any) -> Float[Tensor, "n k"]:
        """Logits of a batch in any of the forms."""
        if isinstance(batch, Mapping):
            named = {name: value for name, value in batch.items() if name not in self.without}
            return _logits(self._called(**named))
        if isinstance(batch, list | tuple):
            return _logits(self._called(*batch))
        if self.argument is not None:
            return _logits(self._called(**{self.argument: batch}))
        return _logits(self.module(batch))

    def _called(self, *entries: Any, **named: Any) -> Any:
        try:
            inspect.signature(self.module.forward).bind(*entries, **named)
        except TypeError as error:
            given = ", ".join(named) or f"{len(entries)} entries"
            raise ValueError(
                f"module does not take {given} ({error}): name its argument for a tensor by "
                "argument, and entries of a dict that it does not take by without."
            ) from error
        return self.module(*entries, **named)


def _logits(outputs: Any) -> Tensor:
    """The logits among what a module returns."""
    found = outputs
    if isinstance(outputs, Mapping):
        found = outputs.get(LOGITS)
    elif not isinstance(outputs, Tensor):
        found = getattr(outputs, LOGITS, None)
    if not isinstance(found, Tensor) or found.dim() != 2:
        raise ValueError(
            f"the outputs of module, {checks.shown(outputs)}, are no logits (n, k) and have none: "
            "give a module that returns them, or wrap it in one that does."
        )
    return found


def _name(argument: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{argument}={checks.shown(value)} is no name: use a text such as 'x'.")
    return value
