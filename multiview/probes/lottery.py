"""The lottery: which view of each class wins is decided by the initial weights."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.data import PatchBatch
from multiview.models import PatchNet


class Lottery(NamedTuple):
    """The view each class will learn, and by how much it leads at the start."""

    winner: Int[Tensor, "members k"]
    lead: Float[Tensor, "members k"]  # best weighted start over the second best, >= 1


def view_norms(net: PatchNet, features: Float[Tensor, "k L d"]) -> Float[Tensor, "members k L"]:
    """Lambda_{i,l} = max over neurons r of [<w_{i,r}, v_{i,l}>]^+ (arXiv 2012.09816, Section 4)."""
    projection = torch.einsum("ekmd,kvd->ekvm", net.weight.detach(), features.to(net.weight))
    return projection.amax(-1).clamp(min=0)


def view_signal(batch: PatchBatch, q: float) -> Float[Tensor, "k L"]:
    """S_{i,l}: mean over the multi-view samples of 1[y = i] sum over patches of z^q.

    It is the rate at which view l of class i makes a neuron of class i grow.

    Raises:
        ValueError: If the batch holds no multi-view sample.
    """
    multi = batch[~batch.is_single]
    if len(multi) == 0:
        raise ValueError("view_signal needs multi-view samples, and the batch holds none.")
    n, k, L = multi.strength.shape
    feature = torch.where(multi.placement >= 0, multi.placement, k * L)  # noise patches go last
    power = torch.zeros(n, k * L + 1).scatter_add_(1, feature, multi.amount**q)[:, :-1]
    own = torch.nn.functional.one_hot(multi.labels, k).unsqueeze(-1)
    return (power.view(n, k, L) * own).mean(0)


def lottery_winners(
    net: PatchNet,
    features: Float[Tensor, "k L d"],
    signal: Float[Tensor, "k L"] | None = None,
) -> Lottery:
    """Predict from untrained weights which view each class will learn.

    A neuron on view l grows as x' = S_l x^(q-1) and escapes at a time proportional to
    1 / (S_l x^(q-2)), so the view with the largest S_l^(1/(q-2)) Lambda_l wins (the set M of
    arXiv 2012.09816, Section 4).

    Args:
        net: PatchNet at initialisation.
        signal: S of ``view_signal``; all views alike where not given.

    Raises:
        ValueError: If q <= 2: every view grows at its own rate and nothing is won.
    """
    if net.q <= 2:
        raise ValueError(f"q={net.q} holds no lottery: the prediction needs q > 2.")
    start = view_norms(net, features)
    if signal is not None:
        start = start * signal.to(start) ** (1 / (net.q - 2))
    best = start.topk(2, dim=-1)
    return Lottery(winner=best.indices[..., 0], lead=best.values[..., 0] / best.values[..., 1])
