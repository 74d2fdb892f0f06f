"""Memorisation: how much of a sample's logit is its noise.

A network recognises a training sample by its label's views as long as it has learned the strong
one. Where it has not, cross-entropy still drives the training error to 0, through <w, xi_p>: the
third phase of arXiv 2012.09816, Section 4. The same sample with other noise then means nothing.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks, shapes
from multiview.data import MultiViewSpec, PatchBatch
from multiview.models import PatchNet
from multiview.models.patch_net import activations, check_patches


class LogitParts(NamedTuple):
    """The label's logit F_y of each sample and net, split by the patches it comes from."""

    strong: Float[Tensor, "n members"]  # the label's views, except where they are weak
    weak: Float[Tensor, "n members"]  # the weak views of a single-view sample
    other: Float[Tensor, "n members"]  # features of other classes
    background: Float[Tensor, "n members"]  # no feature, so nothing but noise

    @property
    def total(self) -> Float[Tensor, "n members"]:
        """F_y, the sum of the four."""
        return self.strong + self.weak + self.other + self.background


def patch_logits(net: PatchNet, batch: PatchBatch) -> Float[Tensor, "n members P"]:
    """What each patch adds to the label's logit: sum over r of sReLU(<w_{y,r}, x_p>).

    Raises:
        ValueError: If ``net`` is no ``PatchNet``, ``batch`` no ``PatchBatch``, or the patches or
            labels are not those of such a net.
    """
    checks.instance("net", net, PatchNet)
    checks.instance("batch", batch, PatchBatch)
    check_patches(batch.patches, net.weight)
    shapes.indices("labels of the batch", batch.labels, 0, net.weight.shape[1], "net")
    n, P, _ = batch.patches.shape
    found = batch.patches.new_empty(n, len(net.weight), P)
    for label in batch.labels.unique():
        rows = batch.labels == label
        own = net.weight.detach()[:, label]  # (members, m, d)
        active = activations(batch.patches[rows], own, net.q, net.relu_knee)  # (n, P, members, m)
        found[rows] = active.sum(-1).mT
    return found


def logit_parts(net: PatchNet, batch: PatchBatch) -> LogitParts:
    """Split the label's logit by what the patches carry.

    Raises:
        ValueError: As ``patch_logits``.
    """
    checks.instance("batch", batch, PatchBatch)
    L = batch.strength.shape[-1]
    carried = batch.placement.div(L, rounding_mode="floor")  # class of the feature, -1: none
    own = carried == batch.labels.unsqueeze(1)
    lone = batch.placement % L == batch.lone_view.unsqueeze(1)
    strong = own & (lone | ~batch.is_single.unsqueeze(1))
    each = patch_logits(net, batch)

    def added(where: Tensor) -> Tensor:
        return (each * where.unsqueeze(1)).sum(-1)

    return LogitParts(
        strong=added(strong),
        weak=added(own & ~strong),
        other=added((carried >= 0) & ~own),
        background=added(carried < 0),
    )


def without_noise(batch: PatchBatch, features: Float[Tensor, "k L d"]) -> PatchBatch:
    """The same samples with x_p = z_p v, and 0 where there is no feature.

    Raises:
        ValueError: If ``batch`` is no ``PatchBatch``, or ``features`` are not of its classes, views
            and dimension or not finite.
    """
    _check_features(batch, features)
    # Placement -1 takes the row of zeros put last.
    frame = torch.nn.functional.pad(features.flatten(0, 1), (0, 0, 0, 1)).to(batch.patches)
    return replace(batch, patches=frame[batch.placement] * batch.amount.unsqueeze(-1))


def with_fresh_noise(
    batch: PatchBatch,
    features: Float[Tensor, "k L d"],
    spec: MultiViewSpec,
    generator: torch.Generator | int,
) -> PatchBatch:
    """The same samples, features and coefficients, with other noise.

    Args:
        spec: The distribution they were drawn from; says how large the noise is.
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: As ``without_noise``; or if ``spec`` is no ``MultiViewSpec`` or has other
            features, or ``generator`` is neither a generator nor a seed.
    """
    checks.instance("spec", spec, MultiViewSpec)
    _check_features(batch, features)
    if (spec.num_classes, spec.num_views, spec.patch_dim) != tuple(features.shape):
        raise ValueError(
            f"spec says features of {(spec.num_classes, spec.num_views, spec.patch_dim)}, and they "
            f"have shape {tuple(features.shape)}: give the spec that they were made by."
        )
    generator = checks.generator("generator", generator, "noise")
    background = spec.sigma_p if spec.sigma_background is None else spec.sigma_background
    carries = batch.placement >= 0
    std = torch.where(carries, spec.sigma_p, background).to(batch.patches).unsqueeze(-1)
    noise = torch.randn(batch.patches.shape, generator=generator) * std
    if spec.gamma_noise > 0:
        frame = features.flatten(0, 1)
        alpha = torch.rand(*batch.placement.shape, len(frame), generator=generator)
        noise += spec.gamma_noise * alpha @ frame
    return replace(batch, patches=without_noise(batch, features).patches + noise)


def noise_share(own: Float[Tensor, "*pairs"], fresh: Float[Tensor, "*pairs"]) -> float:
    """1 - F_y(other noise) / F_y: the part of the label's logits that goes with the samples' noise.

    About 0 where the features decide, near 1 where the noise was memorised. A ratio of sums:
    one sample whose logit is small would carry a mean of ratios away. NaN where all logits are 0.

    Args:
        own: F_y of the samples as they were trained on.
        fresh: The same without noise, or the mean over fresh noise.

    Raises:
        ValueError: If the two are not floating-point numbers of one shape, or not finite.
    """
    shapes.fit(own=(own, "float *pairs"), fresh=(fresh, "float *pairs"))
    shapes.finite(own=own, fresh=fresh)
    return float(1 - fresh.sum() / own.sum())


def _check_features(batch: PatchBatch, features: Tensor) -> None:
    checks.instance("batch", batch, PatchBatch)
    k, L = batch.strength.shape[1:]
    sizes = {"k": k, "L": L, "d": batch.patches.shape[-1]}
    shapes.fit(sizes, features=(features, "float k L d"))
    shapes.finite(features=features)
