"""Shifting the logits of classes that a transfer set lacked, or had too much of."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview import checks, shapes
from multiview.train.metrics import wrong


def shifted(
    logits: Float[Tensor, "n k"], classes: Sequence[int], shift: float
) -> Float[Tensor, "n k"]:
    """The logits with ``shift`` added to those of ``classes`` (arXiv 1503.02531, Section 3).

    A student that never met a class has too low a bias for it, and one that met no others too high.

    Raises:
        ValueError: If ``logits`` are no floating-point numbers (n, k), ``classes`` holds no class
            or one that there is not, or ``shift`` is not finite.
    """
    shapes.fit(logits=(logits, "float n? k"))
    shift = checks.number("shift", shift, "(-inf, inf)", meaning="is added to logits")
    return logits + shift * _among(logits, classes)


def best_shift(
    logits: Float[Tensor, "n k"], labels: Int[Tensor, " n"], classes: Sequence[int]
) -> float:
    """The shift of the logits of ``classes`` that leaves the fewest samples wrong.

    Found exactly: a prediction changes only where the best logit among the classes meets the best
    one of the others. Of equally good shifts the one nearest to 0; between two such meetings, the
    middle. Samples that are tested on are not to be given here.

    Raises:
        ValueError: If ``classes`` holds no class, all of them, or one that there is not; if there
            are no samples, or logits that are not finite.
    """
    shapes.fit(logits=(logits, "float n k"), labels=(labels, "int n"))
    shapes.labels("labels", labels, logits.shape[1], "logits")
    shapes.finite(logits=logits)
    among = _among(logits, classes)
    if among.all():
        raise ValueError(f"classes={list(classes)} are all there are: leave one out.")
    within, beside = logits.masked_fill(~among, -torch.inf), logits.masked_fill(among, -torch.inf)
    meeting = (beside.amax(1) - within.amax(1)).double()  # where the two sides are equal
    # A sample that is right within its own side is right wherever that side wins.
    gained = meeting[~wrong(within, labels)].sort().values
    kept = meeting[~wrong(beside, labels)].sort().values
    none = meeting.new_zeros(1)
    known = torch.cat([meeting, none]).unique()
    ends = torch.stack([known[0] - 1, known[-1] + 1])
    candidates = torch.cat([none, ends, (known[1:] + known[:-1]) / 2])
    candidates = candidates[candidates.abs().argsort(stable=True)]
    right = torch.searchsorted(gained, candidates) - torch.searchsorted(
        kept, candidates, right=True
    )
    return float(candidates[right.argmax()])


def _among(logits: Float[Tensor, "n k"], classes: Sequence[int]) -> Bool[Tensor, " k"]:
    num_classes = logits.shape[1]
    chosen = checks.counts(
        "classes", classes, 0, most=num_classes - 1, meaning="is a class of logits"
    )
    if not chosen:
        raise ValueError(
            f"classes={classes} must name at least one of the classes 0 to {num_classes - 1}."
        )
    among = torch.zeros(num_classes, dtype=torch.bool, device=logits.device)
    among[list(chosen)] = True
    return among
