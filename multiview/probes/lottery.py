"""The lottery: which view of each class wins is decided by the initial weights."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import checks, shapes
from multiview.data import PatchBatch
from multiview.models import PatchNet


class Lottery(NamedTuple):
    """The view each class will learn, and by how much it leads at the start."""

    winner: Int[Tensor, "members k"]
    lead: Float[Tensor, "members k"]  # best weighted start over the second best, >= 1


def view_norms(net: PatchNet, features: Float[Tensor, "k L d"]) -> Float[Tensor, "members k L"]:
    """Lambda_{i,l} = max over neurons r of [<w_{i,r}, v_{i,l}>]^+ (arXiv 2012.09816, Section 4).

    Args:
        net: The networks, before or after training.
        features: Unit vectors of ``make_features``; ``features[i, l]`` is view l of class i.

    Raises:
        ValueError: If ``net`` is no ``PatchNet``, ``features`` are not of its classes and
            dimension, or one of the two is not finite.
    """
    _check_arguments(net, features)
    projection = torch.einsum("ekmd,kvd->ekvm", net.weight.detach(), features.to(net.weight))
    return projection.amax(-1).clamp(min=0)


def stray_norms(net: PatchNet, features: Float[Tensor, "k L d"]) -> Float[Tensor, "members k"]:
    """Largest [<w_{i,r}, v_{j,l}>]^+ over neurons r and features of other classes j != i.

    The theory keeps these at the size of the start, O(sigma_init), throughout training.

    Args:
        net, features: As of ``view_norms``.

    Raises:
        ValueError: As ``view_norms``.
    """
    _check_arguments(net, features)
    projection = torch.einsum("ekmd,jvd->ekmvj", net.weight.detach(), features.to(net.weight))
    own = torch.eye(len(features), dtype=torch.bool).view(1, len(features), 1, 1, -1)
    return projection.masked_fill(own, 0).amax((2, 3, 4)).clamp(min=0)


def view_signal(batch: PatchBatch, q: float) -> Float[Tensor, "k L"]:
    """S_{i,l}: mean over the multi-view samples of 1[y = i] sum over patches of z^q.

    It is the rate at which view l of class i makes a neuron of class i grow.

    Raises:
        ValueError: If the batch holds no multi-view sample.
    """
    checks.instance("batch", batch, PatchBatch)
    checks.positive("q", q)
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

    A neuron on view l grows as x' = S_l x^(q-1) and reaches the knee at a time proportional to
    1 / (S_l x^(q-2)), so the view with the largest S_l^(1/(q-2)) Lambda_l wins (the set M of
    arXiv 2012.09816, Section 4).

    Args:
        net: PatchNet at initialisation.
        signal: S of ``view_signal``; all views alike where not given.

    Raises:
        ValueError: If q <= 2: every view grows at its own rate and nothing is won.
    """
    _check_arguments(net, features)
    if signal is not None:
        shapes.fit(features=(features, "float k L d"), signal=(signal, "float k L"))
        if not bool(((signal >= 0) & signal.isfinite()).all()):
            raise ValueError("signal holds values that are no mean powers: use finite ones >= 0.")
    if net.q <= 2:
        raise ValueError(f"net.q={net.q} holds no lottery: the prediction needs q > 2.")
    start = view_norms(net, features)
    if signal is not None:
        start = start * signal.to(start) ** (1 / (net.q - 2))
    best = start.topk(2, dim=-1)
    return Lottery(winner=best.indices[..., 0], lead=best.values[..., 0] / best.values[..., 1])


def loser_growth(
    lead: Float[Tensor, "*classes"], q: float, blur: Float[Tensor, "*classes"] | None = None
) -> Float[Tensor, "*classes"]:
    """Factor by which the losing view has grown when the winner reaches the knee.

    Both grow as x' = S x^(q-1) until the winner blows up at 1 / ((q - 2) S x_0^(q-2)); the loser is
    then at (1 - lead^-(q-2))^(-1/(q-2)) of its start: close to it unless the lead was small (the
    tensor-power lemma of arXiv 2012.09816, Section 4).

    Noise xi on the views' patches blurs the power: <w, xi> of spread b turns x^3 into its mean
    x^3 + 3 b^2 x, whose linear term lets both grow before the power takes over. The loser's growth
    is then sqrt(1 + 3 (b / x_0)^2) times as large. (This neglects that the sReLU is 0 below 0, and
    takes the two views' signals as equal.)

    Args:
        lead: Of ``lottery_winners``, > 1; infinite growth at a tie, NaN where it is NaN.
        blur: b / x_0, the spread of <w, xi> over the winner's start; none where not given.

    Raises:
        ValueError: If q <= 2, or a blur is given and q is not 4: then there is no closed form.
    """
    q = checks.number("q", q, "(2, inf)", meaning="holds no lottery, and the race needs q > 2")
    shapes.fit(lead=(lead, "float *classes"))
    if bool((lead < 1).any()):
        raise ValueError("lead holds values below 1: the winner's start is the larger one.")
    growth = (1 - lead ** (2 - q)) ** (1 / (2 - q))
    if blur is None:
        return growth
    shapes.fit(lead=(lead, "float *classes"), blur=(blur, "float *classes"))
    if bool((blur < 0).any()):
        raise ValueError("blur holds negative values: a spread is >= 0.")
    if q != 4:
        raise ValueError(f"q={q}: the race with noise is solved for q = 4, leave blur out.")
    return growth * (1 + 3 * blur**2).sqrt()


def _check_arguments(net: PatchNet, features: Tensor) -> None:
    checks.instance("net", net, PatchNet)
    k, d = net.weight.shape[1], net.weight.shape[3]
    shapes.fit({"k": k, "d": d}, features=(features, "float k L d"))
    shapes.finite(features=features, **{"net.weight": net.weight.detach()})
