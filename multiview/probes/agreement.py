"""Do classifiers err on the same samples, and in the same way?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import shapes
from multiview.train.metrics import wrong


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How alike the mistakes of two classifiers are, averaged over all pairs of them.

    Each number is first a statistic of one pair over the n samples; then the mean over the pairs
    is taken, every pair counting the same. A pair for which it is 0/0 is left out, and where that
    leaves none the number is NaN.
    """

    disagreement: float  # fraction of the samples on which the two predict different classes
    both_wrong: float  # fraction of the samples that both get wrong
    both_wrong_if_independent: float  # product of the two error rates, each over all samples
    error_correlation: float  # phi: Pearson's, over samples, of the two's errors as 0 and 1
    same_wrong_label: float  # of the samples both get wrong, those with the same prediction


def agreement(logits: Float[Tensor, "n members k"], labels: Int[Tensor, " n"]) -> Agreement:
    """How much the members agree, right or wrong.

    A tie of the label with another class is wrong, as in ``multiview.train.metrics.wrong``; the
    prediction is then that other class, the first of the largest where several are. So a prediction
    is the label exactly where a member is right. NaN logits are wrong as well.

    ``error_correlation`` is 0/0 for a pair one of which is never or always wrong, and
    ``same_wrong_label`` for a pair without a common mistake.

    Raises:
        ValueError: If there are no samples or fewer than two members, or labels of other classes.
    """
    shapes.fit(logits=(logits, "float n? members k"), labels=(labels, "int n?"))
    n, members, k = logits.shape
    if n == 0 or members < 2:
        raise ValueError(
            f"logits {tuple(logits.shape)} hold no pair of members on a sample: use n >= 1 and "
            "members >= 2."
        )
    shapes.labels("labels", labels, k, "logits")
    mistakes = wrong(logits, labels)
    predictions = _predictions(logits, labels, mistakes)
    one, other = torch.combinations(torch.arange(members, device=logits.device)).unbind(1)
    both = mistakes[:, one] & mistakes[:, other]  # (n, pairs)
    same = predictions[:, one] == predictions[:, other]
    rate = mistakes.double().mean(0)
    joint, product = both.double().mean(0), rate[one] * rate[other]
    spread = (rate * (1 - rate)).sqrt()
    return Agreement(
        disagreement=float((~same).double().mean()),
        both_wrong=float(joint.mean()),
        both_wrong_if_independent=float(product.mean()),
        error_correlation=float(((joint - product) / (spread[one] * spread[other])).nanmean()),
        same_wrong_label=float(((both & same).double().sum(0) / both.sum(0)).nanmean()),
    )


def _predictions(logits: Tensor, labels: Tensor, mistakes: Tensor) -> Int[Tensor, "n members"]:
    """The label where it is right, elsewhere the largest of the other classes."""
    own = labels.view(-1, 1, 1).expand(*logits.shape[:-1], 1)
    rival = logits.scatter(-1, own, -float("inf")).argmax(-1)
    return torch.where(mistakes, rival, labels.unsqueeze(1))
