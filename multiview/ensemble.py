"""Ensembles: the mean of the members' outputs."""

from jaxtyping import Float
from torch import Tensor

from multiview import shapes


def mean_logits(logits: Float[Tensor, "n members k"]) -> Float[Tensor, "n k"]:
    """Average the members' logits, as the paper's ensemble does (arXiv 2012.09816, Theorem 2).

    Raises:
        ValueError: If ``logits`` are no floating-point numbers (n, members, k), or have no member
            or class.
    """
    shapes.fit(logits=(logits, "float n? members k"))
    return logits.mean(1)


def mean_probabilities(logits: Float[Tensor, "n members k"]) -> Float[Tensor, "n k"]:
    """Average the members' softmax probabilities; rows sum to 1.

    Raises:
        ValueError: As ``mean_logits``.
    """
    shapes.fit(logits=(logits, "float n? members k"))
    return logits.softmax(-1).mean(1)
