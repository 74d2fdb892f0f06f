"""One network at one finite size: what it errs, what it learned, what that cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch
from multiview.models import PatchNet
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.experiment import Context
from multiview.theory import coverage, ensemble_error, lost_error, single_view_error
from theory_experiments._patch_nets import (
    KINDS,
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


def measure(cell: FiniteCell, context: Context) -> dict[str, dict[str, Any]]:
    """Train the members and measure.

    Returns:
        Of "member", means over the members: ``single`` and ``multi``, errors on test samples;
        ``predicted``, the single-view error at the coverage measured, and ``theory``, that at one
        view a class; ``coverage``; ``all_learned`` and ``none_learned``, fractions of classes;
        ``train``, the error at the end; ``gradients`` taken; ``regime``. Of "ensemble_2" and its
        like, averages of so many members: their ``size``, ``single``, ``multi`` and ``predicted``.
        Of "data": ``single_samples`` of the training set.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    start = new_nets(cell, "members", cell.members)
    result = fit("members", start, train, cell.train, context.progress)
    member, by_size = _errors(cell, features, result.net)
    member |= _views_learned(cell, features, result.net)
    lost = lost_error(cell.spec, cell.spec.num_views * member["coverage"])
    member |= {
        "train": float(result.error[-1].mean()),
        "predicted": single_view_error(member["coverage"], lost),
        "theory": single_view_error(coverage(0.0, cell.spec.num_views), lost_error(cell.spec)),
        "gradients": float(result.steps.double().mean()),
    }
    for size, errors in by_size.items():
        errors["predicted"] = lost * ensemble_error(size, member["coverage"])
    return {
        "member": member | {"regime": regime(member)},
        **{f"ensemble_{size}": {"size": size, **errors} for size, errors in by_size.items()},
        "data": {"single_samples": int(train.is_single.sum())},
    }


def _errors(
    cell: FiniteCell, features: Float[Tensor, "k L d"], net: PatchNet
) -> tuple[dict[str, Any], dict[int, dict[str, float]]]:
    """Errors of the members, and of averages by their number, on test samples of either kind."""

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        logits = logits_of(net, batch)
        return {"member": logits, "by_size": sliding_means(logits)}

    member: dict[str, Any] = {}
    by_size: dict[int, dict[str, float]] = {size: {} for size in range(1, cell.members + 1)}
    for kind in KINDS:
        errors = streamed_errors(cell, features, kind, cell.num_test, outputs)
        member[kind] = float(errors["member"].mean())
        for size, error in enumerate(errors["by_size"].mean(0).tolist(), 1):
            by_size[size][kind] = error
    return member, by_size


def _views_learned(
    cell: FiniteCell, features: Float[Tensor, "k L d"], net: PatchNet
) -> dict[str, float]:
    """Fractions of views, and of classes with every and with no view, that the members cover."""
    probes = coverage_probes(cell.spec, features, stream(cell.seed, "probes"), cell.probes_per_view)
    covered = coverage_of(logits_of(net, probes), probes).covered
    return {
        "coverage": float(covered.double().mean()),
        "all_learned": float(covered.all(-1).double().mean()),
        "none_learned": float((~covered.any(-1)).double().mean()),
    }


def regime(member: Mapping[str, Any]) -> str:
    """Which phase a network is in.

    "not trained" errs on training samples; "memorised" is right on them without the views of a
    quarter of the classes or more; the theorem's "one view learned" lies between that and "more
    views learned", at a quarter of the classes again.
    """
    if member["train"] > 0:
        return "not trained"
    if member["none_learned"] >= MOST:
        return "memorised"
    return "one view learned" if member["all_learned"] < MOST else "more views learned"
