"""What benches take and return: a cell's context, soft targets, trained networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from multiview.bench.method import Logits
from multiview.distill import Hinton, KDLoss

# Which settings of the trainer apply: those of networks on labels, or of whatever is taught.
Course = Literal["labels", "students"]
# Of hidden units, or of whole patches of the input.
DropoutKind = Literal["neuron", "patch"]
# gram(x) of all pairs of x, gram(x, y) of x and y: (n, n), (n, m), or one such for each class.
Gram = Callable[..., Tensor]


@runtime_checkable
class Context(Protocol):
    """Where a cell is computed; nothing in it changes a result."""

    @property
    def device(self) -> str:
        """Name of the torch device, such as "cpu"."""
        ...

    @property
    def data_dir(self) -> Path | None:
        """Folder of real data sets."""
        ...

    @property
    def scratch(self) -> Path | None:
        """Folder of this cell alone, for checkpoints; None where none are kept."""
        ...

    @property
    def progress(self) -> Callable[..., None]:
        """``progress(message, fraction of the cell done)``."""
        ...

    @property
    def artefact(self) -> Callable[..., Mapping[str, Tensor]]:
        """``artefact(description, compute)``: what ``compute()`` returns, or returned once."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class SoftTargets:
    """What a network is taught beside the labels.

    Attributes:
        teacher: From the inputs as the students see them to logits (n, k), the same for every
            student, or (n, students, k).
        weight: Of ``kd_loss``, beside ``label_weight`` of cross-entropy with the labels.
        strays: Whether neurons of a class may come to respond to other classes' features.
    """

    teacher: Logits
    kd_loss: KDLoss = field(default_factory=Hinton)
    weight: float = 1.0
    label_weight: float = 1.0
    strays: bool = True


def check_strays(soft: Sequence[SoftTargets | None]) -> None:
    """Refuse soft targets without strays, where gradients are not projected onto features.

    Raises:
        ValueError: If there are such.
    """
    if any(each is not None and not each.strays for each in soft):
        raise ValueError(
            "strays=False needs the features of synthetic patches and the gradient flow: leave it "
            "out."
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A network after training.

    Attributes:
        best: The network as it was when best on validation samples, where there are such.
        midway: The network as it was after half of the steps, where training keeps it.
        notes: What only the training knows.
        curve: Tests along the training, (tests, networks) each; empty where there were none.
    """

    net: nn.Module
    best: Logits | None = None
    midway: Logits | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    curve: Mapping[str, Tensor] = field(default_factory=dict)
