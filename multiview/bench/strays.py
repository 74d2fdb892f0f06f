"""Gradients without strays: neurons kept off the features of other classes than their own."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from multiview.bench.flow import patch_net
from multiview.bench.types import SoftTargets
from multiview.models import SummedMembers
from multiview.train.patch_networks import Constraint


def constraint(
    nets: Sequence[nn.Module], soft: Sequence[SoftTargets | None], features: Float[Tensor, "k L d"]
) -> Constraint | None:
    """What keeps the gradients of those networks off strays that are taught so; None for none.

    Raises:
        ValueError: If one of them is a sum of networks, whose members have one gradient.
    """
    kept: list[bool] = []
    for net, each in zip(nets, soft, strict=True):
        off = each is not None and not each.strays
        if off and isinstance(net, SummedMembers):
            raise ValueError("strays=False of a sum of networks: use a network by itself.")
        kept += [off] * len(patch_net(net).weight)
    return partial(without_strays, features, torch.tensor(kept)) if any(kept) else None


def without_strays(
    features: Float[Tensor, "k L d"],
    kept: Bool[Tensor, " all"],
    gradient: Float[Tensor, "e k m d"],
    nets: Int[Tensor, " e"],
) -> Float[Tensor, "e k m d"]:
    """Gradients, of some networks without what lies along features of other classes.

    Args:
        kept: Of all networks, those whose neurons are kept off other classes' features.
        nets: Which networks these gradients are of.
    """
    some, own = kept[nets].nonzero().flatten(), torch.arange(len(features))
    features = features.to(gradient)
    along = torch.einsum("ekmd,jld->ekmjl", gradient[some], features)
    along[:, own, :, own] = 0
    return gradient.index_add(0, some, -torch.einsum("ekmjl,jld->ekmd", along, features))
