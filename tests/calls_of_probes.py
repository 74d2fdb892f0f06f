"""Calls of multiview.probes."""

import itertools
from typing import Any

import numpy as np
import torch
from one_call import (
    FEATURES,
    SPEC,
    Call,
    batch,
    double,
    finite,
    holds,
    labels,
    near,
    normal,
    patch_net,
)
from torch import Tensor

from multiview import probes, stream
from multiview.data import PatchBatch


def _agreement(found: probes.Agreement, a: dict[str, Any]) -> bool:
    z = a["logits"].double()
    own = z.gather(-1, a["labels"].view(-1, 1, 1).expand(*z.shape[:-1], 1))
    rivals = z.scatter(-1, a["labels"].view(-1, 1, 1).expand(*z.shape[:-1], 1), -torch.inf)
    wrong = ~(own[..., 0] > rivals.amax(-1))
    pairs = [(i, j) for i in range(z.shape[1]) for j in range(i)]
    both = np.mean([float((wrong[:, i] & wrong[:, j]).double().mean()) for i, j in pairs])
    return near(found.both_wrong, both) and 0 <= found.disagreement <= 1


def _norms(a: dict[str, Any], own: bool) -> Tensor:
    w = double(a["net"].weight)
    reach = torch.einsum("ekmd,jvd->ekmjv", w, double(a["features"]))
    if own:
        return reach.diagonal(dim1=1, dim2=3).amax(1).movedim(-1, 1).clamp(min=0)
    others = torch.eye(3, dtype=torch.bool).view(1, 3, 1, 3, 1)
    return reach.masked_fill(others, 0).amax((2, 3, 4)).clamp(min=0)


def _signal(found: Tensor, a: dict[str, Any]) -> bool:
    given, total, number = a["batch"], torch.zeros(3, 2, dtype=torch.float64), 0
    for i in range(len(given)):
        number += int(not given.is_single[i])
        for p, where in enumerate(given.placement[i].tolist()):
            label = int(given.labels[i])
            if not given.is_single[i] and where // 2 == label:
                total[label, where % 2] += float(given.amount[i, p]) ** a["q"]
    return near(found, total / number) and finite(found)


def _patches(a: dict[str, Any]) -> Tensor:
    """What each patch of the batch adds to its label's logit, in double precision."""
    net, given = a["net"], a["batch"]
    w = double(net.weight)[:, given.labels]  # (members, n, m, d)
    z = torch.einsum("enmd,npd->nepm", w, double(given.patches))
    bent = z.clamp(0, net.relu_knee)
    active = bent**net.q / (net.q * net.relu_knee ** (net.q - 1)) + (z - bent).clamp(min=0)
    return active.sum(-1)


def _clean(a: dict[str, Any]) -> Tensor:
    frame = torch.cat([double(a["features"]).flatten(0, 1), torch.zeros(1, 8)])
    return frame[a["batch"].placement] * double(a["batch"].amount).unsqueeze(-1)


def _winners(found: probes.Lottery, a: dict[str, Any]) -> bool:
    signal = torch.ones(3, 2) if a["signal"] is None else a["signal"]
    start = _norms(a, own=True) * double(signal) ** (1 / (a["net"].q - 2))
    best = start.topk(2, -1)
    return (
        finite(a["features"])
        and torch.equal(found.winner, best.indices[..., 0])
        and near(found.lead, best.values[..., 0] / best.values[..., 1])
    )


def _missed(covered: Tensor, size: int) -> float:
    """Over every choice of the members."""
    choices = itertools.combinations(covered, size)
    return float(np.mean([(~torch.stack(some).any(0)).double().mean() for some in choices]))


def _growth(found: Tensor, a: dict[str, Any]) -> bool:
    growth = (1 - double(a["lead"]) ** (2 - a["q"])) ** (1 / (2 - a["q"]))
    blur = (1 + 3 * double(0.0 if a["blur"] is None else a["blur"]) ** 2).sqrt()
    expected = growth * blur  # NaN where nothing is known
    same = torch.equal(double(found).isnan(), expected.isnan())
    return same and near(double(found).nan_to_num(), expected.nan_to_num())


def _gain(found: probes.GainByCount, a: dict[str, Any]) -> bool:
    samples = torch.bincount(a["counts"], minlength=int(a["num_groups"]) + 1)
    if not len(a["counts"]):  # of nothing no gain is known
        return torch.equal(found.samples, samples) and bool(found.gain.isnan().all())
    total = double(a["one_wrong"]).mean() - double(a["ensemble_wrong"]).mean()
    gain = (found.gain.nan_to_num() * samples).sum() / samples.sum()
    return torch.equal(found.samples, samples) and near(gain, total) and finite(gain)


def _views(found: probes.Coverage, a: dict[str, Any]) -> bool:
    inside = bool(((found.accuracy >= 0) & (found.accuracy <= 1)).all())
    return inside and found.accuracy.shape[-2:] == (3, 2) and finite(found.margin)


def _drawn_probes(found: PatchBatch, a: dict[str, Any]) -> bool:
    return len(found) == int(a["probes_per_view"]) * 6 and bool(found.is_single.all())


def _perfect(patches: Tensor) -> Tensor:
    return torch.einsum("npd,kvd->nk", patches, FEATURES)


def _probe_set() -> PatchBatch:
    return probes.coverage_probes(SPEC, FEATURES, stream(0), 20)


VIEWING = {
    "spec": SPEC, "features": FEATURES, "probes_per_view": 20,
}  # fmt: skip
NUMBERS = ("disagreement", "both_wrong", "both_wrong_if_independent", "error_correlation")
COUNTS = ("one", "ensemble", "gain", "share")
CALLS = {
    "Agreement": Call(
        function=probes.Agreement,
        arguments=lambda: dict.fromkeys([*NUMBERS, "same_wrong_label"], 0.5),
        right=holds,
    ),
    "agreement": Call(
        function=probes.agreement,
        arguments=lambda: {"logits": normal(5, 3, 3), "labels": labels()},
        right=_agreement,
    ),
    "Coverage": Call(
        function=probes.Coverage,
        arguments=lambda: {"accuracy": torch.rand(2, 3, 2), "margin": normal(2, 3, 2)},
        right=lambda found, a: near(
            found.fraction, (double(a["accuracy"]) >= 0.9).double().mean((-2, -1))
        ),
    ),
    "coverage_of": Call(
        function=probes.coverage_of,
        arguments=lambda: {"logits": normal(120, 3), "probes": _probe_set()},
        right=_views,
    ),
    "missed_views": Call(
        function=probes.missed_views,
        arguments=lambda: {"covered": normal(4, 3, 2) > 0, "size": 2},
        right=lambda found, a: near(found, _missed(**a)),
    ),
    "coverage_probes": Call(
        function=probes.coverage_probes,
        arguments=lambda: VIEWING | {"features": FEATURES.clone(), "generator": stream(0)},
        right=_drawn_probes,
    ),
    "view_coverage": Call(
        function=probes.view_coverage,
        arguments=lambda: {
            **VIEWING, "classifier": patch_net(), "features": FEATURES.clone(),
            "generator": stream(0),
        },
        right=_views,
        says={"classifier": ("patches",), "spec": ("patches",)},
    ),
    "view_coverage, of a function": Call(
        function=probes.view_coverage,
        arguments=lambda: {**VIEWING, "classifier": _perfect, "generator": stream(0)},
        right=_views,
    ),
    "Lottery": Call(
        function=probes.Lottery,
        arguments=lambda: {"winner": torch.zeros(2, 3).long(), "lead": torch.ones(2, 3)},
        right=holds,
    ),
    "view_norms": Call(
        function=probes.view_norms,
        arguments=lambda: {"net": patch_net(), "features": FEATURES.clone()},
        right=lambda found, a: near(found, _norms(a, own=True)) and finite(found),
    ),
    "stray_norms": Call(
        function=probes.stray_norms,
        arguments=lambda: {"net": patch_net(), "features": FEATURES.clone()},
        right=lambda found, a: near(found, _norms(a, own=False)) and finite(found),
    ),
    "view_signal": Call(
        function=probes.view_signal,
        arguments=lambda: {"batch": batch(), "q": 4.0},
        right=_signal,
    ),
    "lottery_winners": Call(
        function=probes.lottery_winners,
        arguments=lambda: {
            "net": patch_net(), "features": FEATURES.clone(), "signal": torch.ones(3, 2),
        },
        right=_winners,
    ),
    "loser_growth": Call(
        function=probes.loser_growth,
        arguments=lambda: {"lead": torch.tensor([1.5, 2.0]), "q": 4.0, "blur": torch.ones(2)},
        right=_growth,
    ),
    "LogitParts": Call(
        function=probes.LogitParts,
        arguments=lambda: {
            name: normal(5, 2) for name in ("strong", "weak", "other", "background")
        },
        right=holds,
    ),
    "patch_logits": Call(
        function=probes.patch_logits,
        arguments=lambda: {"net": patch_net(), "batch": batch()},
        right=lambda found, a: near(found, _patches(a)),
        says={"batch": ("patches",)},
    ),
    "logit_parts": Call(
        function=probes.logit_parts,
        arguments=lambda: {"net": patch_net(), "batch": batch()},
        right=lambda found, a: near(found.total, _patches(a).sum(-1)),
    ),
    "without_noise": Call(
        function=probes.without_noise,
        arguments=lambda: {"batch": batch(), "features": FEATURES.clone()},
        right=lambda found, a: near(found.patches, _clean(a)) and finite(found.patches),
    ),
    "with_fresh_noise": Call(
        function=probes.with_fresh_noise,
        arguments=lambda: {
            "batch": batch(), "features": FEATURES.clone(), "spec": SPEC, "generator": stream(0),
        },
        right=lambda found, a: bool(((double(found.patches) - _clean(a)).abs() < 0.6).all()),
    ),
    "noise_share": Call(
        function=probes.noise_share,
        arguments=lambda: {"own": 1 + normal(5, 2).abs(), "fresh": normal(5, 2)},
        right=lambda found, a: (
            near(found, 1 - double(a["fresh"]).sum() / double(a["own"]).sum())
            and finite(a["fresh"], a["own"])
        ),
    ),
    "GainByCount": Call(
        function=probes.GainByCount,
        arguments=lambda: {"samples": torch.arange(3), **{name: normal(3) for name in COUNTS}},
        right=holds,
    ),
    "view_counts": Call(
        function=probes.view_counts,
        arguments=lambda: {"correct": normal(3, 5) > 0},
        right=lambda found, a: near(found, a["correct"].double().sum(0)),
    ),
    "gain_by_count": Call(
        function=probes.gain_by_count,
        arguments=lambda: {
            "counts": torch.arange(5) % 4, "one_wrong": normal(5, 2) > 0,
            "ensemble_wrong": normal(5) > 0, "num_groups": 3,
        },
        right=_gain,
    ),
}  # fmt: skip
