"""Which of a class's two views is learned, and where the logits of training samples come from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from multiview.bench import Bench, Classifier, PatchBench
from multiview.data import PatchBatch
from multiview.measures.patches import PatchMeasure, Row, patch_bench
from multiview.models import PatchNet
from multiview.probes import (
    coverage_of,
    coverage_probes,
    logit_parts,
    loser_growth,
    lottery_winners,
    noise_share,
    stray_norms,
    view_norms,
    view_signal,
    with_fresh_noise,
)
from multiview.train.metrics import wrong
from theory_experiments.views.growth import winner_and_loser

GROUPS = ("multi", "known", "lost")  # samples: multi-view; single-view, strong view learned or lost


def members_of(trained: Mapping[str, Classifier]) -> PatchNet:
    """The networks, which the method "member" leaves."""
    net = trained["member"].net
    assert isinstance(net, PatchNet)
    return net


def covered_views(
    here: PatchBench, net: PatchNet, probes_per_view: int
) -> Bool[Tensor, "members k 2"]:
    """The views that each network has learned."""
    spec, probes = here.setting.spec, here.stream("probes")
    samples = coverage_probes(spec, here.features, probes, probes_per_view)
    return coverage_of(logits_of(net, samples), samples).covered


def logits_of(net: PatchNet, batch: PatchBatch) -> Float[Tensor, "n members k"]:
    """Logits of the samples without a graph."""
    with torch.no_grad():
        return net(batch.patches)


@dataclass(frozen=True, kw_only=True)
class Outcome(PatchMeasure):
    """Prediction and outcome of the networks "member", each (members, k).

    Of "member": ``lead`` and ``right``, the lead in the initial weights and whether the view ahead
    is the one learned, weighted by the signal S; ``start_loser``, ``final_loser`` and
    ``final_winner``, Lambda; ``growth_predicted`` and ``growth_predicted_noise``, the loser's until
    the winner reaches the knee by theory (NaN where the view behind won); ``one_view``: whether one
    view is learned; ``shown``: whether a single-view training sample shows the losing view;
    ``stray`` and ``start_stray``: projections on other classes. Of "unweighted": ``lead`` and
    ``right`` without S.
    """

    probes_per_view: int

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Outcomes of the members' networks."""
        here, net = patch_bench(bench), members_of(trained)
        setting, features, train = here.setting, here.features, here.batch
        start = here.nets("members", len(net.weight))
        final = view_norms(net, features)
        learned = final.argmax(-1)
        start_winner, start_loser = winner_and_loser(view_norms(start, features), learned)
        weighted = lottery_winners(start, features, view_signal(train, setting.q))
        plain = lottery_winners(start, features)
        # <w, xi> of a view's patch is normal; its spread is that of the weights times the noise's
        # norm.
        spread = setting.sigma_init * setting.spec.sigma_p * math.sqrt(setting.spec.patch_dim)
        lead = weighted.lead.where(weighted.winner == learned, math.nan)
        shown = torch.zeros(here.num_classes, 2, dtype=torch.bool)
        shown[train.labels[train.is_single], train.lone_view[train.is_single]] = True
        member = {
            "lead": weighted.lead,
            "right": weighted.winner == learned,
            "start_loser": start_loser,
            "final_loser": final.amin(-1),
            "final_winner": final.amax(-1),
            "growth_predicted": loser_growth(lead, setting.q),
            "growth_predicted_noise": loser_growth(lead, setting.q, spread / start_winner)
            if setting.q == 4
            else torch.full_like(lead, math.nan),
            "one_view": covered_views(here, net, self.probes_per_view).sum(-1) == 1,
            "shown": shown.expand_as(final).gather(-1, 1 - learned.unsqueeze(-1)).squeeze(-1),
            "start_stray": stray_norms(start, features),
            "stray": stray_norms(net, features),
        }
        return {
            "member": member,
            "unweighted": {"lead": plain.lead, "right": plain.winner == learned},
        }


@dataclass(frozen=True, kw_only=True)
class Memorised(PatchMeasure):
    """Errors and shares of the logit, over the pairs of a sample and a network in each group.

    Of each group: ``number`` of pairs; ``error`` and, with fresh noise, ``fresh_error``;
    ``noise_share`` of the logit; ``weak_share`` from the weak view's patch; ``parts`` and
    ``fresh_parts``, the mean logit from strong views, weak view, other classes' features and
    patches without any.

    Attributes:
        num_multi: Number of multi-view training samples whose logits are taken apart.
        redraws: Of each sample's noise.
    """

    probes_per_view: int
    num_multi: int = 200
    redraws: int = 20

    def __post_init__(self) -> None:
        for name in ("num_multi", "redraws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} counts: use at least 1.")

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Memorisation in each group of training samples."""
        here, net = patch_bench(bench), members_of(trained)
        train, generator = here.batch, bench.stream("redraws")
        single, multi = train[train.is_single], train[~train.is_single][: self.num_multi]
        covered = covered_views(here, net, self.probes_per_view)
        known = covered[:, single.labels, single.lone_view].T  # (n, members)
        everyone = torch.ones(len(multi), len(net.weight), dtype=torch.bool)
        row = self._groups(here, net, multi, {"multi": everyone}, generator)
        return row | self._groups(here, net, single, {"known": known, "lost": ~known}, generator)

    def _groups(
        self,
        here: PatchBench,
        net: PatchNet,
        batch: PatchBatch,
        groups: Mapping[str, Bool[Tensor, "n members"]],
        generator: torch.Generator,
    ) -> Row:
        """Measures of the groups of pairs in one batch."""
        error = wrong(logits_of(net, batch), batch.labels).double()
        fresh_error, fresh_parts = torch.zeros_like(error), torch.zeros(4, *error.shape)
        for _ in range(self.redraws):
            fresh = with_fresh_noise(batch, here.features, here.setting.spec, generator)
            fresh_error += wrong(logits_of(net, fresh), batch.labels) / self.redraws
            fresh_parts += torch.stack(logit_parts(net, fresh)) / self.redraws
        parts = torch.stack(logit_parts(net, batch))
        row: dict[str, dict[str, Any]] = {}
        for group, chosen in groups.items():
            own, other = parts[:, chosen].mean(-1), fresh_parts[:, chosen].mean(-1)
            row[group] = {
                "number": int(chosen.sum()),
                "error": float(error[chosen].mean()),
                "fresh_error": float(fresh_error[chosen].mean()),
                "noise_share": noise_share(own, other),
                "weak_share": float(own[1] / own.sum()),
                "parts": own,
                "fresh_parts": other,
            }
        return row
