"""Calibration: whether predicted probabilities are as often right as they say."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import checks, shapes

BINS = 15  # of equal width, as in arXiv 1706.04599


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well probabilities describe what is right."""

    ece: float  # expected calibration error, in [0, 1]
    nll: float  # mean negative logarithm of the label's probability, in nats


def calibration(
    probabilities: Float[Tensor, "n k"], labels: Int[Tensor, " n"], bins: int = BINS
) -> Calibration:
    """The expected calibration error and the negative log-likelihood of predicted probabilities.

    Samples are sorted into bins of equal width by the largest probability; the error is the mean
    over samples of the distance, in their bin, between the mean of that probability and the
    fraction that is right (Guo et al., arXiv 1706.04599, Section 2). With few samples it is biased
    upwards, as fractions in a bin scatter.

    Args:
        probabilities: Each row adds up to 1.
        bins: Number of bins.

    Raises:
        ValueError: If there are no samples, labels of other classes, or values that are no
            probabilities.
    """
    shapes.fit(probabilities=(probabilities, "float n k"), labels=(labels, "int n"))
    shapes.labels("labels", labels, probabilities.shape[1], "probabilities")
    bins = checks.count("bins", bins)
    each = probabilities.double()
    if not bool((each >= 0).all()) or not bool(((each.sum(1) - 1).abs() < 1e-4).all()):
        raise ValueError(
            "probabilities hold rows that are negative or do not add up to 1: use softmax."
        )
    confidence, chosen = each.max(1)
    right = (chosen == labels).double()
    places = (confidence * bins).long().clamp(max=bins - 1)
    # |sum over a bin of (confidence - right)|, over all samples, is share times distance.
    distance = torch.bincount(places, weights=confidence - right, minlength=bins).abs()
    own = each.gather(1, labels[:, None])[:, 0].clamp(min=torch.finfo(torch.float64).tiny)
    return Calibration(ece=float(distance.sum() / len(labels)), nll=float(-own.log().mean()))
