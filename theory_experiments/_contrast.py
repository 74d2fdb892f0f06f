"""What the comparisons of networks and kernels share: the four methods and their errors."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from multiview.ensemble import mean_logits
from multiview.train.metrics import wrong

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Outputs on the same samples of one kind of model, network or kernel."""

    single: Float[Tensor, "t members k"]
    summed: Float[Tensor, "t k"]
    distilled: Float[Tensor, "t k"]


def error(outputs: Float[Tensor, "t k"], labels: Int[Tensor, " t"]) -> float:
    """Fraction of the samples wrong; ties count as wrong."""
    return float(wrong(outputs, labels).double().mean())


def errors_of(outputs: Float[Tensor, "n members k"], labels: Int[Tensor, " n"]) -> list[float]:
    """Each member's error."""
    return [error(each, labels) for each in outputs.unbind(1)]


def errors_by_size(single: Float[Tensor, "t members k"], labels: Int[Tensor, " t"]) -> list[float]:
    """Errors of the mean logits of 1, 2, ... members, the mean over all choices of them."""
    members = range(single.shape[1])
    by_size = []
    for size in range(1, len(members) + 1):
        choices = itertools.combinations(members, size)
        errors = [error(mean_logits(single[:, list(each)]), labels) for each in choices]
        by_size.append(sum(errors) / len(errors))
    return by_size


def error_columns(model: str, outputs: Outputs, labels: Int[Tensor, " t"]) -> dict[str, Any]:
    """The columns of one kind of model.

    Returns:
        ``<model>_one``, the members' mean error, and ``_one_each``, theirs; ``_ensemble`` that of
        their mean logits and ``_by_size`` of those of 1, 2, ... members, the mean over all
        choices of them; ``_sum`` and ``_distilled``.
    """
    by_size = errors_by_size(outputs.single, labels)
    return {
        f"{model}_one": by_size[0],
        f"{model}_one_each": errors_of(outputs.single, labels),
        f"{model}_ensemble": by_size[-1],
        f"{model}_by_size": by_size,
        f"{model}_sum": error(outputs.summed, labels),
        f"{model}_distilled": error(outputs.distilled, labels),
    }


def within(progress: Progress, begin: float, end: float) -> Progress:
    """Progress of a part of the work that spans ``begin`` to ``end`` of the whole."""
    return lambda message, fraction: progress(message, begin + fraction * (end - begin))


def spans(work: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Begin and end of each part of the whole, given how long each takes."""
    ends = [done / sum(work.values()) for done in itertools.accumulate(work.values(), initial=0)]
    return dict(zip(work, itertools.pairwise(ends), strict=True))
