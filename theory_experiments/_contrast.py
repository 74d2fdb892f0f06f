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
Row = dict[str, dict[str, Any]]  # method -> measure -> value


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Outputs on the same samples of one kind of model, network or kernel."""

    single: Float[Tensor, "t members k"]
    summed: Float[Tensor, "t k"]
    distilled: Float[Tensor, "t *students k"]


def error(outputs: Float[Tensor, "t *many k"], labels: Int[Tensor, " t"]) -> float:
    """Fraction of the samples wrong, the mean over many classifiers; ties count as wrong."""
    return float(wrong(outputs, labels).double().mean())


def errors_of(outputs: Float[Tensor, "n members k"], labels: Int[Tensor, " n"]) -> list[float]:
    """Each member's error."""
    return [error(each, labels) for each in outputs.unbind(1)]


def errors_by_size(single: Float[Tensor, "t members k"], labels: Int[Tensor, " t"]) -> list[float]:
    """Errors of the mean logits of 1, 2, ... members: means over all subsets of that size."""
    members = range(single.shape[1])
    by_size = []
    for size in range(1, len(members) + 1):
        choices = itertools.combinations(members, size)
        errors = [error(mean_logits(single[:, list(each)]), labels) for each in choices]
        by_size.append(sum(errors) / len(errors))
    return by_size


def errors_by_method(outputs: Outputs, labels: Int[Tensor, " t"], measure: str) -> Row:
    """The errors of one kind of model, by method.

    Returns:
        Of ``member`` the mean of the single models' errors and, with ``_each`` at the end, a list
        of theirs; of ``ensemble`` the error of the mean logits of all, of ``ensemble_2`` and so on
        of those of as many (``errors_by_size``), with their ``size``; of ``summed``; and of
        ``distilled``, the mean over the students if there are many.
    """
    by_size = errors_by_size(outputs.single, labels)
    sizes = enumerate(zip(ensembles(len(by_size)), by_size, strict=True), 1)
    row: Row = {method: {"size": size, measure: value} for size, (method, value) in sizes}
    row["member"][f"{measure}_each"] = errors_of(outputs.single, labels)
    row["summed"] = {measure: error(outputs.summed, labels)}
    row["distilled"] = {measure: error(outputs.distilled, labels)}
    return row


def ensembles(members: int, one: str = "member", together: str = "ensemble") -> list[str]:
    """Methods that average 1, 2, ... all members."""
    return [one, *(f"{together}_{size}" for size in range(2, members)), together]


def merged(*rows: Row) -> Row:
    """The measures of several rows, side by side."""
    found: Row = {}
    for row in rows:
        for method, values in row.items():
            found[method] = found.get(method, {}) | values
    return found


def with_first(row: Row, measure: str) -> Row:
    """The row with the first member's error by itself: a student with its features is its like."""
    return row | {"first": {measure: row["member"][f"{measure}_each"][0]}}


def of_model(model: str, row: Row, prefix: str = "") -> Row:
    """The row with the kind of model, and what the method does to it, beside every method.

    Args:
        prefix: Of the methods' names, which tells them from those of another kind of model.
    """
    return {
        prefix + method: {"model": model, "role": method, **values}
        for method, values in row.items()
    }


def within(progress: Progress, begin: float, end: float) -> Progress:
    """Progress of a part of the work that spans ``begin`` to ``end`` of the whole."""
    return lambda message, fraction: progress(message, begin + fraction * (end - begin))


def spans(work: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Begin and end of each part of the whole, given how long each takes."""
    ends = [done / sum(work.values()) for done in itertools.accumulate(work.values(), initial=0)]
    return dict(zip(work, itertools.pairwise(ends), strict=True))
