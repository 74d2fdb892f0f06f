"""Slow, obvious versions of the generator's parts."""

import numpy as np
import torch
from torch import Tensor

from multiview.data import MultiViewSpec, PatchBatch


def signal(batch: PatchBatch, features: Tensor) -> Tensor:
    """(n, P, d) float64: sum over features of z_p v, patch by patch."""
    vectors = features.double().flatten(0, 1)
    total = torch.zeros(batch.patches.shape, dtype=torch.float64)
    for i in range(len(batch)):
        for p in range(total.shape[1]):
            f = int(batch.placement[i, p])
            if f >= 0:
                total[i, p] = float(batch.amount[i, p]) * vectors[f]
    return total


def features_redrawn_until_they_fit(
    spec: MultiViewSpec, label: int, rng: np.random.Generator
) -> frozenset[int]:
    """A sample's feature set by the paper's steps 1-3: all coins again while patches are short."""
    L, p = spec.num_views, spec.sparsity / spec.num_classes
    while True:
        present = set(range(label * L, (label + 1) * L))
        for j in range(spec.num_classes):
            for v in range(L):
                if j != label and rng.random() < p:
                    present.add(j * L + v)
        if spec.patches_per_feature * len(present) <= spec.num_patches:
            return frozenset(present)
