"""Where the label's logit comes from: views, other classes' features, or a sample's own noise."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch
from multiview.models import PatchNet
from multiview.probes import logit_parts, noise_share, with_fresh_noise
from multiview.train.metrics import wrong
from theory_experiments._lottery import LotteryCell
from theory_experiments._patch_nets import logits_of

GROUPS = ("multi", "known", "lost")  # samples: multi-view; single-view, strong view learned or lost


def memorisation(
    cell: LotteryCell,
    net: PatchNet,
    train: PatchBatch,
    features: Float[Tensor, "k L d"],
    covered: Bool[Tensor, "members k 2"],
) -> dict[str, dict[str, Any]]:
    """Errors and shares of the logit, over the pairs of a sample and a network in each group.

    Returns:
        For each group: ``number`` of pairs; ``error`` and, with fresh noise, ``fresh_error``;
        ``noise_share`` of the logit; ``weak_share`` from the weak view's patch; ``parts`` and
        ``fresh_parts``, the mean logit from strong views, weak view, other classes' features and
        patches without any.
    """
    single, multi = train[train.is_single], train[~train.is_single][: cell.num_multi]
    known = covered[:, single.labels, single.lone_view].T  # (n, members)
    everyone = torch.ones(len(multi), cell.members, dtype=torch.bool)
    generator = stream(cell.seed, "redraws")
    measures: dict[str, dict[str, Any]] = {}
    for batch, groups in (
        (multi, {"multi": everyone}),
        (single, {"known": known, "lost": ~known}),
    ):
        error = wrong(logits_of(net, batch), batch.labels).double()
        fresh_error, fresh_parts = torch.zeros_like(error), torch.zeros(4, *error.shape)
        for _ in range(cell.redraws):
            fresh = with_fresh_noise(batch, features, cell.spec, generator)
            fresh_error += wrong(logits_of(net, fresh), batch.labels) / cell.redraws
            fresh_parts += torch.stack(logit_parts(net, fresh)) / cell.redraws
        parts = torch.stack(logit_parts(net, batch))
        for group, chosen in groups.items():
            own, other = parts[:, chosen].mean(-1), fresh_parts[:, chosen].mean(-1)
            measures[group] = {
                "number": int(chosen.sum()),
                "error": float(error[chosen].mean()),
                "fresh_error": float(fresh_error[chosen].mean()),
                "noise_share": noise_share(own, other),
                "weak_share": float(own[1] / own.sum()),
                "parts": own,
                "fresh_parts": other,
            }
    return measures
