"""The gain of an ensemble, and that of members with Gaussian logits in their place."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.ensemble import mean_logits
from multiview.train.metrics import wrong
from theory_experiments._contrast import error


def surrogate_error(
    logits: Float[Tensor, "n members k"],
    labels: Int[Tensor, " n"],
    draws: int,
    generator: torch.Generator,
) -> float:
    """Mean error of Gaussian members with the mean and the covariance of these, sample by sample.

    A draw adds to the mean the members' deviations from it, each times N(0, 1 / members): its
    covariance across classes is the members' own about their mean.
    """
    n, members, _ = logits.shape
    centre = logits.mean(1, keepdim=True)
    share = torch.randn(n, draws, members, generator=generator, dtype=logits.dtype)
    surrogates = centre + members**-0.5 * share @ (logits - centre)
    return float(wrong(surrogates, labels).double().mean())


def gains(
    logits: Float[Tensor, "n members k"],
    labels: Int[Tensor, " n"],
    draws: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """What is reported of one learner.

    Returns:
        ``member``, the members' mean error, ``each`` theirs, ``best`` the smallest, ``spread``
        their standard deviation; ``ensemble``, the error of the mean logits; ``gain``, member -
        ensemble; ``surrogate_gain``, that of Gaussian members: it is the larger, the more the
        members vary, but a gain beyond it says that their logits are not Gaussian around their
        mean, and not that variance has no part in it.
    """
    each = wrong(logits, labels).double().mean(0)
    ensemble = error(mean_logits(logits), labels)
    member = float(each.mean())
    return {
        "member": member,
        "each": each.tolist(),
        "best": float(each.min()),
        "spread": float(each.std()),
        "ensemble": ensemble,
        "gain": member - ensemble,
        "surrogate_gain": surrogate_error(logits, labels, draws, generator) - ensemble,
    }
