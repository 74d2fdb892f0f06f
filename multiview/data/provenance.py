"""What a sample is made of: its label, its features, their strengths and their patches."""

from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from multiview.data.spec import MultiViewSpec

Kind = Literal["mixed", "multi", "single"]


def draw_provenance(
    spec: MultiViewSpec, n: int, generator: Generator, kind: Kind
) -> dict[str, Tensor]:
    """Draw all fields of a ``PatchBatch`` of ``n`` samples except the patches themselves."""
    k, L = spec.num_classes, spec.num_views
    labels = torch.randint(k, (n,), generator=generator)
    mu = {"mixed": spec.mu, "multi": 0.0, "single": 1.0}[kind]
    is_single = torch.rand(n, generator=generator, dtype=torch.float64) < mu
    lone_view = torch.where(is_single, torch.randint(L, (n,), generator=generator), -1)
    own = torch.arange(k * L) // L == labels.unsqueeze(1)
    order, chosen = _choose_features(spec, own, generator)
    present = torch.zeros_like(own).scatter_(1, order, chosen)
    strength = _draw_strengths(spec, own, is_single, lone_view, generator) * present
    placement, amount = _place_features(spec, order, chosen, strength, generator)
    return {
        "labels": labels,
        "is_single": is_single,
        "lone_view": lone_view,
        "strength": strength.view(n, k, L),
        "placement": placement,
        "amount": amount,
    }


def _choose_features(
    spec: MultiViewSpec, own: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """The label's views and, with probability s/k each, other classes' features.

    Redrawing a set until it fits leaves the number of features a truncated binomial and, given
    the number, every subset equally likely; drawing these two directly needs no loop.

    Args:
        own: (n, k*L), whether a feature is the label's.

    Returns:
        ``order`` (n, M), distinct features, the label's first and others at random; ``chosen``
        (n, M), whether each is in the sample.
    """
    probabilities = torch.tensor(spec.other_count_probabilities(), dtype=torch.float64)
    u = torch.rand(len(own), generator=generator, dtype=torch.float64)
    count = torch.searchsorted(probabilities.cumsum(0)[:-1], u, right=True)
    most = spec.num_views + spec.max_other_features
    order = uniform(generator, *own.shape).masked_fill(own, -1.0).argsort(1)[:, :most]
    return order, torch.arange(most) < spec.num_views + count.unsqueeze(1)


def _draw_strengths(
    spec: MultiViewSpec, own: Tensor, is_single: Tensor, lone_view: Tensor, generator: Generator
) -> Tensor:
    """(n, k*L) totals Z by case: label or not, multi- or single-view, strong or weak."""
    view = torch.arange(own.shape[1]) % spec.num_views
    single = is_single.unsqueeze(1)
    weak = single & (view != lone_view.unsqueeze(1))
    case = torch.where(own, weak.long(), 2 + single.long())
    cases = ("label_strength", "rho", "other_strength", "gamma_other")
    bounds = torch.tensor([spec.interval(name) for name in cases], dtype=torch.float32)
    low, high = bounds[case].unbind(-1)
    return low + (high - low) * uniform(generator, *own.shape)  # rounds to at most high


def _place_features(
    spec: MultiViewSpec, order: Tensor, chosen: Tensor, strength: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Put each chosen feature on C_p random patches of its own and split its strength."""
    n, most = order.shape
    C_p, P = spec.patches_per_feature, spec.num_patches
    # The paper leaves the split open: cutting [0, 1] at random makes it uniform on the simplex.
    cuts = uniform(generator, n, most, C_p - 1).sort(-1).values
    share = pad(pad(cuts, (1, 0)), (0, 1), value=1.0).diff(dim=-1)
    amount = strength.gather(1, order).unsqueeze(-1) * share
    feature = torch.where(chosen, order, -1).repeat_interleave(C_p, 1)
    empty = P - most * C_p
    shuffle = uniform(generator, n, P).argsort(1)
    placement = pad(feature, (0, empty), value=-1).gather(1, shuffle)
    return placement, pad(amount.flatten(1), (0, empty)).gather(1, shuffle)


def uniform(generator: Generator, *shape: int) -> Tensor:
    """Uniform on [0, 1) in float32, whatever the default dtype."""
    return torch.rand(shape, generator=generator, dtype=torch.float32)
