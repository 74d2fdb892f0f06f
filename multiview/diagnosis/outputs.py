"""The logits that several classifiers give for the same labelled samples."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

Outputs = tuple[Float[Tensor, "n nets k"], Int[Tensor, " n"]]
DOUBT = 0.01  # probability that chance does as well
PAIR = "give pairs (inputs, labels): a DataLoader or Dataset of such, or two tensors"


def outputs_of(
    nets: Sequence[nn.Module | Tensor], data: Any, batch_size: int, device: str | None
) -> Outputs:
    """Logits (n, nets, k) and labels (n,), on the CPU, in float64.

    Raises:
        ValueError: If nets are fewer than two, neither modules nor logits, of other numbers of
            classes or samples, or alike; if data have no labels, or labels of other classes; or if
            a logit is NaN or infinite.
    """
    if isinstance(nets, Tensor | nn.Module) or not isinstance(nets, Sequence):
        raise ValueError(
            f"nets is a {type(nets).__name__}: give a list of trained networks, or of their logits."
        )
    if len(nets) < 2:
        raise ValueError(
            f"nets holds {len(nets)}: what an average gains shows between networks, give two or "
            "more that differ in their random start."
        )
    modules = [net for net in nets if isinstance(net, nn.Module)]
    given = [net for net in nets if isinstance(net, Tensor)]
    if len(nets) not in (len(modules), len(given)):
        kinds = ", ".join(sorted({type(net).__name__ for net in nets}))
        raise ValueError(f"nets holds {kinds}: give torch modules alone, or logits (n, k) alone.")
    if modules:
        logits, labels = _of_modules(modules, data, batch_size, device)
    else:
        logits, labels = _given(given, data)
    _check(logits, labels)
    return torch.stack([each.double() for each in logits], 1), labels


def _given(nets: list[Tensor], data: Any) -> tuple[list[Tensor], Tensor]:
    """Logits as they were given, and the labels that belong to them."""
    labels = data[1] if isinstance(data, tuple | list) and len(data) == 2 else data
    if not isinstance(labels, Tensor):
        raise ValueError(
            f"data is a {type(data).__name__}: with nets given as logits give their labels in the "
            "same order, a tensor (n,)."
        )
    return [net.detach().cpu() for net in nets], _labels(labels)


def _of_modules(
    nets: list[nn.Module], data: Any, batch_size: int, device: str | None
) -> tuple[list[Tensor], Tensor]:
    """Logits of modules, batch by batch, so that a loader that shuffles does no harm."""
    found: list[list[Tensor]] = [[] for _ in nets]
    labels: list[Tensor] = []
    with evaluated(nets), torch.no_grad():
        for inputs, own in _batches(data, batch_size):
            labels.append(own)
            for net, parts in zip(nets, found, strict=True):
                parts.append(_logits(net, _moved(inputs, net, device), len(own)))
    if not labels:
        raise ValueError(f"data holds no samples: {PAIR}.")
    return [torch.cat(parts) for parts in found], torch.cat(labels)


@contextmanager
def evaluated(nets: Iterable[nn.Module]) -> Iterator[None]:
    """Put networks and all their layers in eval mode, and back into the mode of each."""
    modes = {each: each.training for net in nets for each in net.modules()}
    try:
        for each in modes:
            each.training = False
        yield
    finally:
        for each, mode in modes.items():
            each.training = mode


def _batches(data: Any, batch_size: int) -> Iterator[tuple[Any, Tensor]]:
    """Inputs and labels, some at a time."""
    if isinstance(data, Dataset) and hasattr(data, "__len__"):
        data = DataLoader(data, batch_size)
    pair = isinstance(data, tuple | list) and len(data) == 2
    if pair and any(isinstance(each, Tensor) for each in data):
        inputs, labels = data
        if not isinstance(inputs, Tensor) or not isinstance(labels, Tensor):
            raise ValueError(
                f"data is a {type(inputs).__name__} and a {type(labels).__name__}: {PAIR}."
            )
        if len(inputs) != len(labels):
            raise ValueError(
                f"data has {len(inputs)} inputs and {len(labels)} labels: give one label for each."
            )
        yield from zip(inputs.split(batch_size), _labels(labels).split(batch_size), strict=True)
        return
    if isinstance(data, Tensor) or not isinstance(data, Iterable):
        raise ValueError(f"data is a {type(data).__name__} without labels: {PAIR}.")
    for batch in data:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError(f"data gives a {type(batch).__name__} without labels: {PAIR}.")
        yield batch[0], _labels(batch[1])


def _labels(labels: Any) -> Tensor:
    """Labels as whole numbers on the CPU."""
    whole = isinstance(labels, Tensor) and not labels.is_floating_point()
    if not whole or labels.dim() != 1 or labels.dtype == torch.bool:
        shape = tuple(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
        kind = f" of {labels.dtype}" if isinstance(labels, Tensor) else ""
        raise ValueError(f"labels are {shape}{kind}: give the classes as integers, a tensor (n,).")
    return labels.detach().cpu().long()


def _moved(inputs: Any, net: nn.Module, device: str | None) -> Any:
    """Inputs where the network is; what is no tensor is left to the network."""
    if not isinstance(inputs, Tensor):
        return inputs
    where = next(iter(net.parameters()), None)
    return inputs.to(device or (inputs.device if where is None else where.device))


def _logits(net: nn.Module, inputs: Any, number: int) -> Tensor:
    """Logits (n, k); of an output that holds them, its ``logits``."""
    outputs: Any = net(inputs)
    outputs = getattr(outputs, "logits", outputs)
    if not isinstance(outputs, Tensor) or outputs.dim() != 2 or len(outputs) != number:
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            f"{type(net).__name__} gives {found} for {number} samples: use a network that gives "
            "logits (n, k), or an output with such logits."
        )
    return outputs.detach().cpu()


def _check(logits: list[Tensor], labels: Tensor) -> None:
    """Refuse logits that do not belong together."""
    for i, each in enumerate(logits):
        if each.dim() != 2 or not each.is_floating_point():
            raise ValueError(
                f"nets[{i}] gives {tuple(each.shape)} of {each.dtype}: use logits (n, k)."
            )
        if len(each) != len(labels) or not len(labels):
            raise ValueError(
                f"nets[{i}] gives logits of {len(each)} samples for {len(labels)} labels: give one "
                "row for each, and at least one."
            )
        if each.shape[1] != logits[0].shape[1]:
            raise ValueError(
                f"nets[{i}] tells {each.shape[1]} classes apart and nets[0] {logits[0].shape[1]}: "
                "use networks of the same classes."
            )
        if not bool(each.isfinite().all()):
            raise ValueError(
                f"nets[{i}] gives {int((~each.isfinite()).sum())} logits that are NaN or infinite: "
                "use networks whose training did not diverge."
            )
    k = logits[0].shape[1]
    if k < 2 or int(labels.min()) < 0 or int(labels.max()) >= k:
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())} and nets tell {k} classes "
            f"apart: use labels from 0 to {k - 1}, of two classes or more."
        )
    for i, one in enumerate(logits):
        for j in range(i):
            near = (one - logits[j]).abs().max() <= 1e-6 * one.abs().max()
            if bool(near):
                raise ValueError(
                    f"nets[{j}] and nets[{i}] give the same logits: use networks that were trained "
                    "from different random starts."
                )
    _check_trained(logits, labels)


def _check_trained(logits: list[Tensor], labels: Tensor) -> None:
    """Refuse networks that are not right more often than whoever names the commonest class."""
    from scipy.stats import binomtest  # slow to import

    n, chance = len(labels), float(labels.bincount().max()) / len(labels)
    for i, each in enumerate(logits):
        right = int((each.argmax(1) == labels).sum())
        if chance == 1 or binomtest(right, n, chance, alternative="greater").pvalue > DOUBT:
            raise ValueError(
                f"nets[{i}] is right on {right} of {n} samples, no better beyond doubt than naming "
                f"the commonest class ({chance:.1%}): use trained networks, or more samples."
            )
