"""Which view of each class a classifier has won, and whether two have won the same."""

from itertools import combinations

from jaxtyping import Int
from torch import Tensor

from multiview.probes import Coverage


def won_views(coverage: Coverage) -> Int[Tensor, "*members k"]:
    """The view of each class that a classifier recognises by the larger margin."""
    return coverage.margin.argmax(-1)


def pairwise_agreement(won: Int[Tensor, "members k"]) -> float:
    """Fraction of classes with the same winner, mean over all pairs; NaN where there is no pair."""
    pairs = [float((a == b).double().mean()) for a, b in combinations(won, 2)]
    return sum(pairs) / len(pairs) if pairs else float("nan")
