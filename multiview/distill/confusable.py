"""Confusable sets: which classes a generalist takes for one another, for specialists to tell apart.

Hinton, Vinyals & Dean, arXiv 1503.02531, Section 5.3.
"""

import warnings
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from scipy.cluster.vq import kmeans2
from scipy.special import comb
from torch import Tensor

from multiview import checks, shapes

Columns = Literal["covariance", "correlation"]


def confusable_sets(
    probabilities: Float[Tensor, "n k"],
    num_sets: int,
    generator: torch.Generator | int,
    *,
    columns: Columns = "covariance",
    restarts: int = 20,
) -> list[list[int]]:
    """Cluster the classes by how a generalist's predictions of them vary together.

    K-means on the columns of the k x k covariance matrix of the predicted probabilities: classes
    that are often predicted together, and with the same others, have columns alike. A class's own
    variance stands in its column where no other column has it, so that a weak generalist's
    covariance tells sure classes from unsure ones rather than who is confused with whom;
    "correlation" takes the columns of the correlation matrix instead.

    Args:
        probabilities: The generalist's, on samples that it was not trained on or at least did not
            memorise.
        num_sets: K, from 1 to k.
        generator: Sole source of randomness, advanced in place; or a seed.
        restarts: K-means from so many starts, each at K random columns; the closest fit counts.

    Returns:
        The sets, each class in exactly one, in increasing order, by their first class. Sets of one
        class are possible, and a cluster that is left empty is left out: there may be fewer sets.

    Raises:
        ValueError: If there are fewer than 2 samples, or an argument is out of range.
    """
    sizes = shapes.fit(probabilities=(probabilities, "float n k"))
    n, k = sizes["n"], sizes["k"]
    if n < 2:
        raise ValueError(f"probabilities has {n} rows: a covariance takes at least 2.")
    num_sets = checks.count(
        "num_sets", num_sets, 1, k, meaning=f"and the number of classes, {k}, of probabilities"
    )
    checks.choice("columns", columns, get_args(Columns))
    restarts = checks.count("restarts", restarts)
    generator = checks.generator("generator", generator, "restarts")
    shapes.finite(probabilities=probabilities)
    points = _columns(probabilities, columns)
    fits = []
    for _ in range(restarts):
        first = points[torch.randperm(k, generator=generator)[:num_sets].numpy()]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="One of the clusters is empty")
            centres, cluster = kmeans2(points, first, iter=50, minit="matrix")
        fits.append((float(np.square(points - centres[cluster]).sum()), cluster))
    _, best = min(fits, key=lambda fit: fit[0])
    return sets_of(best.tolist())


def sets_of(group: Sequence[int]) -> list[list[int]]:
    """The sets of classes of one group, by their first class, given each class's group."""
    members: dict[int, list[int]] = {}
    for each, name in enumerate(group):
        members.setdefault(name, []).append(each)
    return list(members.values())


def groups_of(sets: Sequence[Sequence[int]], num_classes: int) -> list[int]:
    """The index of the set that each class is in.

    Raises:
        ValueError: If a class is in no set, or in several.
    """
    listed = sorted(each for classes in sets for each in classes)
    if listed != list(range(num_classes)):
        raise ValueError(f"sets={sets} must hold each of 0 to {num_classes - 1} exactly once.")
    set_of = {each: i for i, classes in enumerate(sets) for each in classes}
    return [set_of[each] for each in range(num_classes)]


def adjusted_rand(first: Sequence[int], second: Sequence[int]) -> float:
    """The adjusted Rand index of two partitions, given the group of each element in both.

    Pairs that both put together, less those expected by chance, of the most there could be: 1 for
    equal partitions, 0 in the mean over random ones of the same sizes (Hubert & Arabie, 1985).

    Raises:
        ValueError: If the partitions are not of equally many elements, of one at least.
    """
    first, second = checks.counts("first", first, 0), checks.counts("second", second, 0)
    if len(first) != len(second):
        raise ValueError(
            f"first and second are partitions of {len(first)} and {len(second)} elements: use the "
            "same."
        )
    if not first:
        raise ValueError("first and second are partitions of no element: give at least one.")
    counts = np.zeros((max(first) + 1, max(second) + 1))
    np.add.at(counts, (np.asarray(first), np.asarray(second)), 1)
    both, rows, columns, pairs = (
        float(np.sum(comb(part, 2)))
        for part in (counts, counts.sum(1), counts.sum(0), counts.sum())
    )
    expected, most = rows * columns / pairs if pairs else 0.0, (rows + columns) / 2
    # Only where both are one set, or both all single classes, is there nothing to adjust.
    return 1.0 if most == expected else (both - expected) / (most - expected)


def _columns(probabilities: Float[Tensor, "n k"], columns: Columns) -> np.ndarray:
    """Columns of the covariance or correlation, one a row; the matrices are symmetric."""
    covariance = torch.cov(probabilities.detach().double().cpu().T).reshape(
        probabilities.shape[1], -1
    )
    if columns == "covariance":
        return covariance.numpy()
    deviation = covariance.diagonal().sqrt()
    deviation = torch.where(deviation > 0, deviation, 1)  # a class that is never predicted
    return (covariance / deviation / deviation.unsqueeze(1)).numpy()
