"""Shifting the logits of classes that a transfer set lacked, or had too much of."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview.train.metrics import wrong


def shifted(
    logits: Float[Tensor, "n k"], classes: Sequence[int], shift: float
) -> Float[Tensor, "n k"]:
    """The logits with ``shift`` added to those of ``classes`` (arXiv 1503.02531, Section 3).

    A student that never met a class has too low a bias for it, and one that met no others too high.
    """
    return logits + shift * _among(logits.shape[1], classes)


def best_shift(
    logits: Float[Tensor, "n k"], labels: Int[Tensor, " n"], classes: Sequence[int]
) -> float:
    """The shift of the logits of ``classes`` that leaves the fewest samples wrong.

    Found exactly: a prediction changes only where the best logit among the classes meets the best
    one of the others. Of equally good shifts the one nearest to 0; between two such meetings, the
    middle. Samples that are tested on are not to be given here.

    Raises:
        ValueError: If ``classes`` holds no class, all of them, or one that there is not.
    """
    among = _among(logits.shape[1], classes)
    if among.all():
        raise ValueError(f"classes={list(classes)} are all there are: leave one out.")
    rivals = logits.masked_fill(among, -torch.inf).amax(1)
    own = logits.masked_fill(~among, -torch.inf).amax(1)
    meetings = torch.cat([(rivals - own).double(), torch.zeros(1, dtype=torch.float64)]).unique()
    middles = (meetings[1:] + meetings[:-1]) / 2
    candidates = torch.cat([torch.zeros(1), meetings[:1] - 1, middles, meetings[-1:] + 1])
    candidates = candidates[candidates.abs().argsort(stable=True)]
    mistakes = _mistakes(logits.double(), labels, among, candidates)
    return float(candidates[mistakes.argmin()])


def _mistakes(
    logits: Tensor, labels: Tensor, among: Bool[Tensor, " k"], shifts: Float[Tensor, " s"]
) -> Int[Tensor, " s"]:
    return torch.stack([wrong(logits + shift * among, labels).sum() for shift in shifts])


def _among(num_classes: int, classes: Sequence[int]) -> Bool[Tensor, " k"]:
    if not classes or not all(0 <= each < num_classes for each in classes):
        raise ValueError(
            f"classes={list(classes)} must name at least one of the classes 0 to {num_classes - 1}."
        )
    among = torch.zeros(num_classes, dtype=torch.bool)
    among[list(classes)] = True
    return among
