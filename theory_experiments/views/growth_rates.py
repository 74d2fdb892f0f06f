"""At what rate each view grows while neurons are small, and how far that decides which one wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench import Bench, Classifier
from multiview.measures.patches import PatchMeasure, Row, patch_bench
from multiview.rng import stream


@dataclass(frozen=True, kw_only=True)
class Growth(PatchMeasure):
    """Of "data": ``growth``, at what rate each view makes a small neuron of its class grow, (k, L).

    The mean over all training samples of (1[y = i] - 1/k) times the sum over patches of
    [<x_p, v>]^+^q: the gradient's part along a view while every class has the probability 1/k. It
    holds the samples' strengths, their noise, and the view's occurrences in other classes' samples.
    """

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The rates of the training samples."""
        here = patch_bench(bench)
        return {"data": {"growth": growth(here.inputs, here.labels, here.features, here.setting.q)}}


def growth(
    patches: Float[Tensor, "n P d"],
    labels: Int[Tensor, " n"],
    features: Float[Tensor, "k L d"],
    q: float,
) -> Float[Tensor, "k L"]:
    """The rates of ``Growth``."""
    k = len(features)
    shown = torch.einsum("npd,kld->npkl", patches, features).clamp(min=0).pow(q).sum(1)
    own = torch.nn.functional.one_hot(labels, k).to(shown) - 1 / k
    return torch.einsum("nkl,nk->kl", shown, own) / len(patches)


def predicted_slope(width: int, q: float, draws: int = 200_000) -> float:
    """By how much the log-odds of a view to win rise with the logarithm of its growth rate.

    The view with the larger S^(1/(q-2)) max_r g_r wins, with g_r normal; near even odds the slope
    is four times the density at 0 of the difference of the logarithms of two such maxima, over
    q - 2.
    """
    drawn = torch.randn(2, draws, width, generator=stream(0, "slope")).amax(2).clamp(min=1e-6)
    gap = (drawn[0].log() - drawn[1].log()).abs()
    near = 0.05
    return float(4 * (gap < near).double().mean() / (2 * near) / (q - 2))


def measured_slope(covered: Any, rates: Any) -> float:
    """The slope, over classes, of the log-odds that the first view is the one learned.

    By weighted least squares of empirical log-odds (half a network added to either side) on the
    logarithm of the rates' ratio, through the origin.
    """
    views, rate = np.asarray(covered, dtype=bool), np.asarray(rates, dtype=float)
    first, second = (views[:, :, i] & ~views[:, :, 1 - i] for i in (0, 1))
    a, b = first.sum(0) + 0.5, second.sum(0) + 0.5
    odds, weight = np.log(a / b), a * b / (a + b)
    x = np.log(rate[:, 0] / rate[:, 1])
    return float((weight * x * odds).sum() / (weight * x * x).sum())
