"""Which samples a classifier gets wrong; a tie counts as wrong."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview import shapes


def margin(
    logits: Float[Tensor, "n *members k"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "n *members"]:
    """The label's logit minus the largest other one, of one classifier (n, k) or of many."""
    shapes.fit(logits=(logits, "float n? *members k"), labels=(labels, "int n?"))
    own = labels.view(-1, *[1] * (logits.dim() - 1)).expand(*logits.shape[:-1], 1)
    rivals = logits.scatter(-1, own, -float("inf")).amax(-1)
    return logits.gather(-1, own).squeeze(-1) - rivals


def wrong(
    logits: Float[Tensor, "n *members k"], labels: Int[Tensor, " n"]
) -> Bool[Tensor, "n *members"]:
    """True where the label's logit is not strictly the largest.

    The paper's error is Pr[exists i != y: F_y < F_i] (arXiv 2012.09816, Section 3); an untrained
    net whose logits are all 0 would be right everywhere under it, so ties count as errors here.
    NaN logits are wrong too.

    Args:
        logits: Of one classifier (n, k) or of many (n, members, k).
    """
    return ~(margin(logits, labels) > 0)
