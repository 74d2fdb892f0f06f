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

After these seeds were seen, claims were restated: strengths go to 12.8 rather than 3.2, and a
critical one that lies outside is missing rather than the end; lambda/N is compared, not lambda, at
more samples; a delayed penalty has as much lambda times steps as one from the first step, not half;
the multi-view error is to be small while every class has a neuron, not the mean class, and above
0.2 where some neurons are left, not above 0.5 where none is; views held are compared where neurons
are left; and the cliff at the paper's size is to lie within a factor of 1.25, not 3.75. What counts
as a difference of c was set to one view in twenty, as everywhere, when results on the seeds 0 to 9
were known too: claims are decided before any run on the seeds from 10 on.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from multiview.models import PatchNet
from multiview.probes import Coverage, view_norms
from multiview.runs.experiment import Context
from multiview.theory import ensemble_error
from theory_experiments._patch_l0_nets import Left, PatchL0Cell, strengths_of, train_nets
from theory_experiments._patch_nets import (
    PAPER_SPEC,
    SMALL_SPEC,
    draw_features,
    draw_train,
    new_nets,
    sliding_means,
)
from theory_experiments._patch_sgd import measured


def run_patch_l0(cell: PatchL0Cell, context: Context) -> dict[str, dict[str, Any]]:
    """Networks pruned at every strength and what they still cover.

    Returns:
        Of every method ``coverage``, ``margin``, ``single`` and ``multi`` as ``measured`` has them:

        - ``dense`` (the first member, no gates) and ``full`` (trained with dropout of patches);
        - ``ensemble_<size>`` and ``pruned_ensemble_<size>`` (members pruned at ``kept``), means
          over a ring of members, with ``predicted``, 1 - (1 - c)^K, of the latter;
        - ``<who>_<strength>`` of the groups of ``strengths_of`` and ``target_<share>``, with
          ``what_is_left`` of them.

        Of "data": ``head_start``, see ``slow_classes``; ``parity``, the largest gap between the
        logits of pruned and gated networks.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    dense, full, left = train_nets(cell, train, features, context.progress)
    many = len(cell.strengths)

    def outputs(patches: Tensor) -> dict[str, Tensor]:
        members = dense(patches)
        logits = {name: each(patches) for name, each in left.items()}
        at_kept = [cell.strengths.index(cell.kept), *range(many, logits["one"].shape[1])]
        return {
            "dense": members[:, 0],
            "full": full(patches)[:, 0],
            "ensemble": sliding_means(members),
            "pruned_ensemble": sliding_means(logits["one"][:, at_kept]),
            **logits,
        }

    covered, values = measured(cell, features, outputs)

    def of(name: str) -> dict[str, Tensor]:
        return {measure: each[name].double() for measure, each in values.items()}

    row: dict[str, dict[str, Any]] = {
        name: {measure: float(value) for measure, value in of(name).items()}
        for name in ("dense", "full")
    }
    for name in ("ensemble", "pruned_ensemble"):
        over_the_ring = {measure: each.mean(0) for measure, each in of(name).items()}
        row |= along(name, "size", range(1, cell.members + 1), over_the_ring)
    own = row["pruned_ensemble_1"]["coverage"]
    for size in range(1, cell.members + 1):
        row[f"pruned_ensemble_{size}"]["predicted"] = 1 - ensemble_error(size, own)
    axes = {name: ("strength", each) for name, each in strengths_of(cell).items()}
    axes |= {f"target {share:g}": ("target", (share,)) for share in cell.targets}
    for name, (axis, places) in axes.items():
        found = what_is_left(left[name], covered[name], features, cell.relu_knee / 2)
        row |= along(name.split()[0], axis, places, of(name) | found)
    start = new_nets(cell, "members", 1)
    row["data"] = {
        "head_start": slow_classes(start, features, covered["from_start"]),
        "parity": max(each.gap for each in left.values()),
    }
    return row


def along(
    name: str, axis: str, places: Sequence[float], found: Mapping[str, Tensor]
) -> dict[str, dict[str, float]]:
    """A method for each place of an axis, from what was measured along it."""
    return {
        f"{name}_{place:g}": {axis: place, **{m: float(each[i]) for m, each in found.items()}}
        for i, place in enumerate(places)
    }


def what_is_left(
    left: Left, covered: Coverage, features: Float[Tensor, "k L d"], least: float
) -> dict[str, Tensor]:
    """What its gates have left of each pruned network.

    Returns:
        ``neurons`` of a class, and ``fewest`` of any; ``expected_share`` of the weights behind open
        gates; ``held``, views of a class that one of its neurons answers to with ``least`` or more;
        ``both`` and ``none``, the fractions of classes of which 2 or 0 views are covered.
    """
    views = covered.views_per_class
    return {
        "neurons": left.neurons(),
        "fewest": left.fewest(),
        "expected_share": left.expected.double(),
        "held": left.held(features, least),
        "both": (views == 2).double().mean(-1),
        "none": (views == 0).double().mean(-1),
    }


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
PATCHES = {"smoke": SMOKE, "laptop": LAPTOP, "paper": PAPER}
