"""Networks trained as one, as their sum or their mean.

Dividing by K inside the loss is not neutral. With sReLU_R the activation of knee R,
(1/K) sReLU_R(K u) = sReLU_{R/K}(u), so the mean of K networks of knee R that start at sigma is the
sum of K networks of knee R/K that start at sigma/K: their weights differ by the factor K, and the
flow's time by K^2. A winner then has K times as far to grow beyond its knee before the loss is
small, and in that linear stretch it no longer outruns the losers. The remedy is the same identity
read backwards: the mean at knee K R from K sigma is the sum at knee R from sigma.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from jaxtyping import Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch
from multiview.ensemble import mean_logits
from multiview.probes import coverage_of, coverage_probes
from multiview.theory import ensemble_error
from multiview.train import TrainResult, TrainSpec, cross_entropy, rescaled
from multiview.train.metrics import wrong
from theory_experiments._contrast import Progress
from theory_experiments._patch_nets import (
    KINDS,
    NetCell,
    draw_features,
    draw_train,
    fit,
    logits_of,
    new_nets,
    streamed_errors,
)


@dataclass(frozen=True, kw_only=True)
class JointCell(NetCell):
    """``members`` networks, each on its own and all as one.

    The step of the sum is smaller, so that both ways follow the flow about equally well: on the
    seeds 1000 and 1001 single networks err on 0.02 less of the samples at 0.6 than at 0.15, the sum
    of 4 on 0.02 less at 0.4 and on 0.04 less at 0.6.
    """

    part: str = "joint"
    joint: TrainSpec = field(
        default_factory=lambda: TrainSpec(relative_step=0.4, loss_bound=0.05, summed=True)
    )
    num_test: int = 2000  # of single-view and of multi-view samples each
    probes_per_view: int = 50


def run_joint(cell: JointCell, progress: Progress) -> dict[str, dict[str, Any]]:
    """Errors and coverage of networks on their own, averaged, and trained as one.

    Returns:
        What is ``measured`` of ``member`` (mean over the members), ``ensemble``, ``summed``,
        ``mean`` and ``mean_knee``, the mean with K times knee and start; ``steps`` and
        ``converged`` of the trainings. ``theory`` of "data" is (1 / L)^K, or 2^-K.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    start = new_nets(cell, "members", cell.members)
    members = fit("members", start, train, cell.train, progress, 0.0, 0.3)
    as_one = train_as_one(cell, train, progress, 0.3, 1.0)

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        single = logits_of(members.net, batch)
        joint = {who: logits_of(result.net, batch).sum(1) for who, result in as_one.items()}
        return {"member": single, "ensemble": mean_logits(single), **joint}

    found = measured(cell, features, train, outputs, cell.num_test, cell.probes_per_view)
    row: dict[str, dict[str, Any]] = {**means(found)}
    for who, result in {"member": members, **as_one}.items():
        row[who] |= {
            "steps": float(result.steps.double().mean()),
            "converged": float(result.converged.double().mean()),
        }
    return row | {"data": {"theory": ensemble_error(cell.members, 1 / cell.spec.num_views)}}


def train_as_one(
    cell: JointCell, train: PatchBatch, progress: Progress, begin: float = 0.0, end: float = 1.0
) -> dict[str, TrainResult]:
    """Train ``members`` networks as their sum (``summed``), their ``mean`` and their ``mean_knee``.

    Sum and mean begin with the same draws: the factor 1/K alone tells them apart. The mean at K
    times knee and start has draws of its own, for with the sum's it would be the sum again.
    """
    K = cell.members
    start = new_nets(cell, "sum", K)
    scaled = new_nets(
        cell, "mean_knee", K, sigma_init=K * cell.sigma_init, relu_knee=K * cell.relu_knee
    )
    as_sum = cross_entropy(train.labels, cell.spec.num_classes)
    as_mean = rescaled(as_sum, 1 / K)
    ways = (("summed", start, as_sum), ("mean", start, as_mean), ("mean_knee", scaled, as_mean))
    ends = [begin + (end - begin) * i / len(ways) for i in range(len(ways) + 1)]
    return {
        name: fit(name, net, train, cell.joint, progress, *between, objective=objective)
        for (name, net, objective), between in zip(ways, pairwise(ends), strict=True)
    }


def measured(
    cell: NetCell,
    features: Float[Tensor, "k L d"],
    train: PatchBatch,
    outputs: Callable[[PatchBatch], dict[str, Tensor]],
    num_test: int,
    probes_per_view: int,
) -> dict[str, dict[str, Tensor]]:
    """What each classifier errs on and covers; values (*many,), as ``outputs`` has.

    Returns:
        By classifier: ``single``, ``multi`` and ``train``, the errors on single-view and multi-view
        test samples and on training samples; ``coverage``, the fraction of the views covered;
        ``both``, that of the classes of which all views are.
    """
    probes = coverage_probes(cell.spec, features, stream(cell.seed, "probes"), probes_per_view)
    errors = {kind: streamed_errors(cell, features, kind, num_test, outputs) for kind in KINDS}
    on_train, on_probes = outputs(train), outputs(probes)
    found: dict[str, dict[str, Tensor]] = {}
    for who, logits in on_train.items():
        covered = coverage_of(on_probes[who], probes).covered.double()
        found[who] = {
            **{kind: error[who] for kind, error in errors.items()},
            "train": wrong(logits, train.labels).double().mean(0),
            "coverage": covered.mean((-2, -1)),
            "both": covered.prod(-1).mean(-1),
        }
    return found


def means(found: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, float]]:
    """Each measure as a number, of many classifiers their mean."""
    return {
        who: {measure: float(values.mean()) for measure, values in each.items()}
        for who, each in found.items()
    }
