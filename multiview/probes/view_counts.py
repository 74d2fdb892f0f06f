"""How many views a sample shows, and whether an ensemble gains on those that show few.

On real data a view is not given. Its stand-in is a group of channels: a sample shows a view in each
of several disjoint groups from which alone a network gets it right.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview import checks, shapes


@dataclass(frozen=True, kw_only=True)
class GainByCount:
    """Errors of the samples that show 0, 1, ... G views; the index is the count.

    ``one``, ``ensemble`` and ``gain`` are NaN for a count that no sample has; ``share`` is 0 there,
    and NaN throughout where the total gain is 0.
    """

    samples: Int[Tensor, " counts"]  # number of samples
    one: Float[Tensor, " counts"]  # mean error of single networks on them
    ensemble: Float[Tensor, " counts"]  # error of their ensemble
    gain: Float[Tensor, " counts"]  # one - ensemble
    share: Float[Tensor, " counts"]  # part of the gain over all samples; these add up to 1


def view_counts(correct: Bool[Tensor, "groups n"]) -> Int[Tensor, " n"]:
    """On how many disjoint groups of channels each sample is classified right.

    Args:
        correct: Whether the network that sees group g alone is right.

    Raises:
        ValueError: If ``correct`` is no Boolean tensor (groups, n), or there is no group.
    """
    shapes.fit(correct=(correct, "bool groups n?"))
    return correct.sum(0)


def gain_by_count(
    counts: Int[Tensor, " n"],
    one_wrong: Float[Tensor, "n members"] | Bool[Tensor, "n members"],
    ensemble_wrong: Float[Tensor, " n"] | Bool[Tensor, " n"],
    num_groups: int,
) -> GainByCount:
    """Split the gain of an ensemble over single networks by the samples' view counts.

    Args:
        counts: Of ``view_counts``.
        one_wrong: 1 or True where a member errs; fractions where it stands for several networks.
        ensemble_wrong: The same of the ensemble.
        num_groups: G, the largest count there can be.

    Raises:
        ValueError: If a count is not from 0 to ``num_groups``.
    """
    shapes.fit(
        counts=(counts, "int n?"),
        one_wrong=(one_wrong, "real n? members"),
        ensemble_wrong=(ensemble_wrong, "real n?"),
    )
    num_groups = checks.count("num_groups", num_groups)
    shapes.finite(one_wrong=one_wrong, ensemble_wrong=ensemble_wrong)
    if len(counts) and (counts.min() < 0 or counts.max() > num_groups):
        raise ValueError(
            f"counts run from {int(counts.min())} to {int(counts.max())}, but num_groups="
            f"{num_groups}: they must lie in 0 to {num_groups}."
        )

    def total(values: Tensor) -> Tensor:  # sum over the samples of each count
        return torch.bincount(counts, weights=values, minlength=num_groups + 1)

    samples = counts.bincount(minlength=num_groups + 1)
    one, ensemble = total(one_wrong.double().mean(1)), total(ensemble_wrong.double())
    return GainByCount(
        samples=samples,
        one=one / samples,
        ensemble=ensemble / samples,
        gain=(one - ensemble) / samples,
        share=(one - ensemble) / (one - ensemble).sum(),
    )
