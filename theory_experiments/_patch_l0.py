"""L0 gates on synthetic patches: which views are left when neurons are pruned.

A class has two views; a network learns one, by the lottery of its start, and one trained with
dropout of patches learns both. Derived from the multi-view theory (arXiv 2012.09816, Section 4)
before any run, of c, the fraction of views covered, when hard-concrete gates prune neurons ever
harder: c is flat until one neuron is left for each view that is known, and c = 1 takes two views a
class; then one view of each class goes first, which only single-view samples show; the second view
dies at a lambda in proportion to the single-view samples mu N, at the same lambda/N for any N, and
later under soft targets, by 1 / mu; a penalty from the first step loses classes that break out
late; and K pruned networks cover 1 - (1 - c)^K, as dense ones do.

Strengths are lambda, which the penalty divides by the number N of samples. They are those of a
training of fixed length: a gate far from closed needs time to close, so that they stand for
pressure times time rather than for an equilibrium. Everything is measured on the pruned networks.

Settings, strengths and what counts as equal were chosen on the seeds 1000 to 1003, where three
predictions were already seen to be too bold, and kept: second views die at 3 to 5 times the lambda
for 16 mu and under soft targets at T = 4, not at 16 and 50 times, as multi-view samples defend them
too; at T = 1 soft targets defend them no better than labels; and one neuron can hold both views.

After these seeds were seen, and before any of 0 to 9 was run, claims were restated: strengths go to
12.8 rather than 3.2, and a critical one that lies outside is missing rather than the end; lambda/N
is compared, not lambda, at more samples; a delayed penalty has as much lambda times steps as one
from the first step, not half; the multi-view error is to be small while every class has a neuron,
not the mean class, and above 0.2 where some neurons are left, not above 0.5 where none is; views
held are compared where neurons are left; and the cliff at the paper's size is to lie within a
factor of 1.25, not 3.75.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.models import PatchNet
from multiview.probes import Coverage, view_norms
from multiview.runs.experiment import Context
from multiview.theory import ensemble_error
from theory_experiments._patch_l0_claims import LEVEL, patch_l0_claims
from theory_experiments._patch_l0_nets import Left, PatchL0Cell, train_nets, variants
from theory_experiments._patch_l0_tables import patch_l0_summary
from theory_experiments._patch_nets import (
    PAPER_SPEC,
    SMALL_SPEC,
    draw_features,
    draw_train,
    new_nets,
    sliding_means,
)
from theory_experiments._patch_sgd import measured

__all__ = ["CELLS", "PatchL0Cell", "patch_l0_claims", "patch_l0_summary", "run_patch_l0"]


def run_patch_l0(cell: PatchL0Cell, context: Context) -> dict[str, Any]:
    """Networks pruned at every strength and what they still cover.

    Returns:
        For every ``<who>``, ``_coverage``, ``_margin``, ``_single`` and ``_multi`` as ``measured``
        has them: numbers for ``dense`` (the first member, no gates) and ``full`` (trained with
        dropout of patches); lists by size for ``dense_ensemble`` and ``pruned_ensemble`` (members
        pruned at ``kept``), with ``predicted_ensemble``, 1 - (1 - c)^K for the latter; and lists
        by strength for ``one`` (the first member), ``all`` (``full``), ``soft`` and ``cool``
        (``full`` taught by itself instead of labels, at ``temperature`` and at 1), ``more_mu`` and
        ``more_samples`` (as ``all``, of other samples), ``from_start`` and ``delayed`` (gated from
        no training; with a delay at more strength, see ``PatchL0Cell``), ``fine``, and by target
        share ``target``. For the latter also ``_neurons`` left of a class, ``_fewest`` of any
        class, ``_expected`` share of weights behind open gates, ``_held`` views of a class that one
        of its neurons answers to with half the knee, ``_both`` and ``_none``, the fraction of
        classes of which 2 or 0 views are covered. ``<who>_critical``: the strength at which c falls
        through 3/4, NaN where it does so at none that was tried; ``slow``: how much larger the
        start of classes kept from the start is than that of lost ones, in sigma_init; ``gap``: of
        pruned and gated logits.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    dense, full, left = train_nets(cell, train, features, context.progress)
    many = len(cell.strengths)

    def outputs(patches: Tensor) -> dict[str, Tensor]:
        members = dense(patches)
        logits = {name: each(patches) for name, each in left.items()}
        kept = torch.cat([logits["one"][:, [_kept(cell)]], logits["one"][:, many:]], 1)
        return {
            "dense": members[:, 0],
            "full": full(patches)[:, 0],
            "dense_ensemble": sliding_means(members),
            "pruned_ensemble": sliding_means(kept),
            **logits,
        }

    covered, values = measured(cell, features, outputs)
    row: dict[str, Any] = {}
    for ending, each in values.items():
        row |= {name + ending: _mean_of_ring(name, value) for name, value in each.items()}
    for name, each in left.items():
        row |= _what_is_left(name, each, covered[name], features, cell.relu_knee / 2)
    row = _joined(row, cell)
    own = row["pruned_ensemble_coverage"][0]
    sizes = range(1, cell.members + 1)
    row["predicted_ensemble"] = [1 - ensemble_error(size, own) for size in sizes]
    other = {name: variant.other_strengths for name, variant in variants(cell).items()}
    for name, strengths in (dict.fromkeys(("all", "soft", "cool"), cell.strengths) | other).items():
        row[f"{name}_critical"] = critical(strengths, row[f"{name}_coverage"], LEVEL)
    row["slow"] = slow_classes(new_nets(cell, "members", 1), features, covered["from_start"])
    return row | {"gap": max(each.gap for each in left.values())}


def _kept(cell: PatchL0Cell) -> int:
    return cell.strengths.index(cell.kept)


def _mean_of_ring(name: str, values: Tensor) -> Any:
    """A number; a list by network; or of ensembles by size, the mean over a ring of members."""
    if name.endswith("ensemble"):
        values = values.double().mean(0)
    return values.double().tolist()


def _what_is_left(
    name: str, left: Left, covered: Coverage, features: Float[Tensor, "k L d"], least: float
) -> dict[str, list[float]]:
    views = covered.views_per_class
    measures = {
        "_neurons": left.neurons(),
        "_fewest": left.fewest(),
        "_expected": left.expected.double(),
        "_held": left.held(features, least),
        "_both": (views == 2).double().mean(-1),
        "_none": (views == 0).double().mean(-1),
    }
    return {name + ending: values.tolist() for ending, values in measures.items()}


def _joined(row: Mapping[str, Any], cell: PatchL0Cell) -> dict[str, Any]:
    """All targets in one list a measure; of ``one`` the first member alone."""
    joined: dict[str, Any] = {}
    names = [f"target {target:g}" for target in cell.targets]
    for column, value in row.items():
        if column.startswith("target "):
            ending = column.rpartition("_")[-1]
            joined[f"target_{ending}"] = [row[f"{name}_{ending}"][0] for name in names]
        else:
            joined[column] = value[: len(cell.strengths)] if column.startswith("one_") else value
    return joined


def critical(strengths: Sequence[float], c: Sequence[float], level: float) -> float:
    """The strength at which c first falls through the level, between two by their logarithms.

    NaN where it never does, or is below from the first: nothing beyond was tried.
    """
    below = [value <= level for value in c]
    if below[0] or not any(below):
        return math.nan
    i = below.index(True)
    share = (c[i - 1] - level) / (c[i - 1] - c[i])
    low, high = math.log(strengths[i - 1]), math.log(strengths[i])
    return math.exp(low + share * (high - low))


def slow_classes(start: PatchNet, features: Float[Tensor, "k L d"], covered: Coverage) -> float:
    """Largest start on a view, kept less lost classes, mean over networks; NaN where none is mixed.

    In units of sigma_init. A class breaks out the later the smaller it is.
    """
    head_start = view_norms(start, features)[0].amax(-1).double() / start.sigma_init
    kept = covered.views_per_class > 0
    gaps = [head_start[each].mean() - head_start[~each].mean() for each in kept]
    known = [float(gap) for gap in gaps if not gap.isnan()]
    return sum(known) / len(known) if known else math.nan


LAPTOP = PatchL0Cell()
SMOKE = replace(
    LAPTOP,
    spec=SMALL_SPEC,
    num_train=100,
    members=2,
    width=4,
    optim=replace(LAPTOP.optim, epochs=4, batch_size=50),
    prune=replace(LAPTOP.prune, epochs=4, batch_size=50),
    scratch=replace(LAPTOP.scratch, epochs=4, batch_size=50),
    strengths=(0.1, 1.0, 10.0),
    kept=1.0,
    other_num_train=200,
    other_strengths=(1.0, 10.0),
    scratch_strengths=(0.1, 10.0),
    fine=(1.0, 1.2),
    targets=(0.5,),
    num_test=100,
    probes_per_view=20,
)
PAPER = replace(
    LAPTOP,
    spec=replace(PAPER_SPEC, mu=0.02),
    num_train=2000,
    members=10,
    width=20,
    other_num_train=8000,
    fine=(0.0096, 0.0102, 0.0108, 0.0114, 0.012),  # the laptop's, at as many weights a gate
    num_test=10_000,
    probes_per_view=100,
)
CELLS = {"smoke": SMOKE, "laptop": LAPTOP, "paper": PAPER}
