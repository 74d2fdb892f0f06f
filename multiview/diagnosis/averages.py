"""Errors of averages of 1, 2, ... all of the networks, sample by sample."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.ensemble import mean_logits, mean_probabilities
from multiview.train.metrics import wrong

Average = Literal["logits", "probabilities"]
MEANS: Mapping[Average, Callable[[Tensor], Tensor]] = {
    "logits": mean_logits,
    "probabilities": mean_probabilities,
}
MOST_SETS = 60  # of one size; of more, so many are drawn
DRAWS = 50  # Gaussian networks a sample


@dataclass(frozen=True, eq=False)
class BySize:
    """How often each sample is misclassified by averages of so many networks.

    Attributes:
        wrong: Of each size from 1 to M, the fraction of the choices of as many networks whose
            average gets the sample wrong, (n,).
    """

    wrong: Mapping[int, Float[Tensor, " n"]]

    @property
    def most(self) -> int:
        """M, the number of networks."""
        return max(self.wrong)

    def error(self, size: int) -> float:
        """The mean error of averages of so many networks: over samples and choices."""
        return float(self.wrong[size].mean())


def by_size(
    logits: Float[Tensor, "n nets k"],
    labels: Int[Tensor, " n"],
    average: Average,
    generator: torch.Generator,
) -> BySize:
    """Errors of averages over the sets of 1, 2, ... all networks.

    The mean over sets makes each an unbiased estimate of the error of as many independent networks
    (a U-statistic: Hoeffding, Annals of Mathematical Statistics 19, 1948).
    """
    networks, mean = logits.shape[1], MEANS[average]
    found = {}
    for size in range(1, networks + 1):
        chosen = _sets(networks, size, generator)
        mistakes = [wrong(mean(logits[:, list(each)]), labels).double() for each in chosen]
        found[size] = torch.stack(mistakes).mean(0)
    return BySize(found)


def _sets(networks: int, size: int, generator: torch.Generator) -> list[tuple[int, ...]]:
    """All sets of so many networks, or some where there are too many."""
    every = list(itertools.islice(itertools.combinations(range(networks), size), MOST_SETS + 1))
    if len(every) <= MOST_SETS:
        return every
    drawn = (torch.randperm(networks, generator=generator)[:size] for _ in range(MOST_SETS))
    return [tuple(each.tolist()) for each in drawn]


def gaussian_gain(
    logits: Float[Tensor, "n nets k"], labels: Int[Tensor, " n"], generator: torch.Generator
) -> float:
    """What averaging gains on networks whose logits are a common mean and Gaussian noise.

    The networks are replaced by the mean logits plus Gaussian noise. Its covariance across classes
    is the same on all samples, estimated from the deviations of the M networks on all of them: two
    or three networks do not show that of one sample. The mean of M has 1 / M of it already, and the
    noise has the rest, so that single networks have all of it. The gain is the mean error of the
    draws minus that of the mean. Networks of which some know a feature and others do not gain
    otherwise. The experiment ``gaussian_inputs`` asks the same of ten networks, with the covariance
    of each sample.
    """
    n, nets, k = logits.shape
    centre = logits.mean(1)
    apart = (logits - centre[:, None]).flatten(0, 1)
    rest = apart.T @ apart / (n * nets)  # unbiased, times 1 - 1 / nets
    values, axes = torch.linalg.eigh(rest)
    root = axes * values.clamp(min=0).sqrt()
    error, after = 0.0, float(wrong(centre, labels).double().mean())
    for _ in range(DRAWS):
        drawn = centre + torch.randn(n, k, generator=generator, dtype=logits.dtype) @ root.T
        error += float(wrong(drawn, labels).double().mean()) / DRAWS
    return error - after
