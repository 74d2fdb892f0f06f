"""One network at one finite size: what it errs, what it learned, what that cost."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from multiview import stream
from multiview.data import PatchBatch
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.experiment import Context
from multiview.theory import coverage, ensemble_error, lost_error, single_view_error
from theory_experiments._patch_nets import (
    NetCell,
    draw_features,
    draw_train,
    fit,
    logits_of,
    new_nets,
    sliding_means,
    streamed_errors,
)

Axis = Literal[
    "base",
    "start",
    "q",
    "classes",
    "single_samples",
    "noise",
    "views",
    "width",
    "phase",
    "extrapolation",
]
MOST = 0.25  # the theorem's regime has at most this fraction of classes with no or every view


@dataclass(frozen=True, kw_only=True)
class FiniteCell(NetCell):
    """Networks that differ from the base on one axis."""

    axis: Axis = "base"
    members: int = 2
    num_test: int = 4000  # of single-view and of multi-view samples each, streamed
    probes_per_view: int = 20


def measure(cell: FiniteCell, context: Context) -> dict[str, Any]:
    """Train the members and measure.

    Returns:
        ``one_single`` and ``one_multi``, the members' mean errors; ``by_size_single`` those of
        averages; ``predicted_*`` the closed forms at the coverage measured and ``theory_one`` at
        one view a class; ``all_learned`` and ``none_learned``, fractions of classes; ``regime``;
        ``relative_start`` sigma_init / knee, ``noise_norm`` of a patch, ``single_samples`` of the
        training set; ``gradients`` a member took, its final ``train_error``.
    """
    spec, features = cell.spec, draw_features(cell)
    train = draw_train(cell, features)
    start = new_nets(cell, "members", cell.members)
    result = fit("members", start, train, cell.train, context.progress)
    row: dict[str, Any] = {}

    def outputs(batch: PatchBatch) -> dict[str, torch.Tensor]:
        logits = logits_of(result.net, batch)
        return {"one": logits, "by_size": sliding_means(logits)}

    for kind in ("single", "multi"):
        errors = streamed_errors(cell, features, kind, cell.num_test, outputs)
        row[f"one_{kind}"] = float(errors["one"].mean())
        row[f"by_size_{kind}"] = errors["by_size"].mean(0).tolist()
    probes = coverage_probes(spec, features, stream(cell.seed, "probes"), cell.probes_per_view)
    covered = coverage_of(logits_of(result.net, probes), probes).covered
    learned, views = float(covered.double().mean()), spec.num_views
    row["coverage"] = learned
    row["all_learned"] = float(covered.all(-1).double().mean())
    row["none_learned"] = float((~covered.any(-1)).double().mean())
    row["train_error"] = float(result.error[-1].mean())
    row["regime"] = regime(row)
    lost = lost_error(spec, views * learned)
    row["predicted_one"] = single_view_error(learned, lost)
    sizes = range(1, cell.members + 1)
    row["predicted_by_size"] = [lost * ensemble_error(size, learned) for size in sizes]
    row["theory_one"] = single_view_error(coverage(0.0, views), lost_error(spec))
    row["relative_start"] = cell.sigma_init / cell.relu_knee
    row["noise_norm"] = spec.sigma_p * spec.patch_dim**0.5
    row["single_samples"] = int(train.is_single.sum())
    row["gradients"] = float(result.steps.double().mean())
    return row


def regime(row: dict[str, Any]) -> str:
    """Which phase a network is in.

    "not trained" errs on training samples; "by heart" is right on them without the views of a
    quarter of the classes or more; the theorem's "one view learned" lies between that and "more
    views learned", at a quarter of the classes again.
    """
    if row["train_error"] > 0:
        return "not trained"
    if row["none_learned"] >= MOST:
        return "by heart"
    return "one view learned" if row["all_learned"] < MOST else "more views learned"
