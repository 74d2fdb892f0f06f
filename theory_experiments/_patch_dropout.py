"""Dropout on synthetic patches: do random masks draw new lotteries, or share the one of the start?

A class has two views and a network learns one, decided by its start. Predicted before any run, of
c, the fraction of views covered: the masks of one trained net share its lottery, so that averaging
them adds nothing, while K nets reach 1 - 2^-K; dropout during training does add views if it can
silence a whole one, the more the larger the probability p^w that all w winning neurons are dropped,
which is predicted to fall with width, and wherever whole patches are dropped; a student that starts
as a copy of its teacher keeps its c, one of a fresh start adds its own lottery; and transfer inputs
that hide patches help only if the teacher knows the view that is left.

Two limits of these tests. Masks stand outside the activation here, so that the mean of the logits
over masks is the standard prediction, exactly: that masks add nothing could fail only in what the
mean of probabilities does otherwise. And students are taught by the KL divergence at temperature 1,
at which a teacher that is nearly certain shows little of what else it knows: where a student of a
fresh start learns less than predicted, that is as much about the temperature as about the teacher.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from rich.console import Group
from rich.table import Table
from torch import Tensor

from multiview.probes import Coverage
from multiview.runs.experiment import Context
from multiview.theory import ensemble_error, student_coverage
from theory_experiments._estimates import Estimate, difference, number, on_patches, percent
from theory_experiments._patch_dropout_nets import PatchDropoutCell, classifiers, place, train_nets
from theory_experiments._patch_nets import (
    PAPER_SPEC,
    SMALL_SPEC,
    draw_features,
    draw_train,
    sliding_means,
)
from theory_experiments._patch_sgd import measured
from theory_experiments._won_views import pairwise_agreement, won_views


def run_patch_dropout(cell: PatchDropoutCell, context: Context) -> dict[str, Any]:
    """Networks with dropout, their masks' mean, their students, and what each of them covers.

    Returns:
        For every ``<who>``, ``_coverage``, ``_margin`` (mean over probes that show one view),
        ``_single`` and ``_multi`` (errors): lists by size for ``ensemble`` (without dropout, with
        ``predicted_ensemble``, 1 - (1 - c)^K), by probability from 0 for ``neuron`` and ``patch``,
        by width for ``wide`` (with dropout of neurons) and ``wide_plain``; numbers for
        ``standard``, a net trained with dropout of neurons, ``masks``, the mean of its predictions
        over masks, ``coarse`` and ``coarse_masks``, the same of a net trained with the smallest
        dropout of patches, whose masks are as coarse as a view, ``copied`` and ``fresh``, students
        of ``standard`` by dropout distillation from its own weights or from a start of their own
        (with ``predicted_fresh``), and for students of fresh starts on clean inputs and on such
        with hidden patches: ``one_clean`` and ``one_hidden`` of ``one_teacher``, a net without
        dropout, ``all_clean`` and ``all_hidden`` of ``all_teacher``, one trained with the largest
        dropout of patches. ``<who>_agrees``: fraction of classes in which it won the view that
        ``standard`` won; ``members_agrees``: of two members without dropout.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    plain, nets = train_nets(cell, train, context.progress)
    alone = classifiers(cell, train, plain, nets, context.progress)

    def outputs(patches: Tensor) -> dict[str, Tensor]:
        many = {name: net(patches) for name, net in nets.items()}
        members = plain(patches)
        single = {name: logits(patches) for name, logits in alone.items()}
        return {"members": members, "ensemble": sliding_means(members), **many, **single}

    covered, values = measured(cell, features, outputs)
    row: dict[str, Any] = _agreements(covered)
    for ending, each in values.items():
        row |= _columns(cell, ending, each)
    own = row["ensemble_coverage"][0]
    sizes = range(1, cell.members + 1)
    row["predicted_ensemble"] = [1 - ensemble_error(size, own) for size in sizes]
    row["predicted_fresh"] = student_coverage(row["standard_coverage"], own)
    return row


def _columns(cell: PatchDropoutCell, ending: str, values: Mapping[str, Tensor]) -> dict[str, Any]:
    """The columns of one measure: lists by size, probability and width, and numbers."""
    ring = values["ensemble"].double()  # (members, sizes)
    means = {name: float(value.double().mean()) for name, value in values.items()}
    without = float(ring[: cell.copies, 0].mean())  # of the same starts as those with dropout
    lists: dict[str, list[float]] = {"ensemble": ring.mean(0).tolist()}
    for name, probabilities in (("neuron", cell.neurons), ("patch", cell.patches)):
        lists[name] = [without, *(means[place(name, p)] for p in probabilities)]
    base = {"wide": means[place("neuron", cell.neuron)], "wide_plain": without}
    for name, own in base.items():
        lists[name] = [
            own if width == cell.width else means[place(name, width)] for width in cell.widths
        ]
    in_lists = ("members", "ensemble")
    numbers = {n: mean for n, mean in means.items() if " " not in n and n not in in_lists}
    return {name + ending: value for name, value in (lists | numbers).items()}


def _agreements(covered: Mapping[str, Coverage]) -> dict[str, float]:
    """Fraction of classes in which the same view was won; 1/2 where independent."""
    won = {name: won_views(each) for name, each in covered.items()}
    row = {
        f"{name}_agrees": float((won[name] == won["standard"]).double().mean())
        for name in ("masks", "copied", "fresh")
    }
    return row | {"members_agrees": pairwise_agreement(won["members"])}


LAPTOP = PatchDropoutCell()
SMOKE = replace(
    LAPTOP,
    spec=SMALL_SPEC,
    num_train=100,
    members=2,
    width=4,
    widths=(2, 4),
    neurons=(0.25,),
    patches=(0.5,),
    optim=replace(LAPTOP.optim, epochs=5, batch_size=50),
    student=replace(LAPTOP.student, epochs=5, batch_size=50),
    num_masks=10,
    num_test=100,
    probes_per_view=20,
)
PAPER = replace(
    LAPTOP,
    spec=PAPER_SPEC,
    num_train=2000,
    members=10,
    copies=5,
    width=20,
    widths=(5, 10, 20, 40),
    neurons=(0.1, 0.25, 0.5, 0.8),
    patches=(0.1, 0.2, 0.5),
    num_test=10_000,
    probes_per_view=100,
)
CELLS = {"smoke": SMOKE, "laptop": LAPTOP, "paper": PAPER}

SATURATED = "if its teacher, nearly certain at temperature 1, shows them"


def patch_dropout_claims(cell: PatchDropoutCell = LAPTOP) -> Iterator[tuple]:
    """What was predicted of c, before any run, with what counts as equal or more.

    "fresh" and "hidden, all known" are tests of the temperature too: the KL divergence at 1 from a
    teacher that is nearly certain shows little of its other views, so a refuted one need not mean
    that students of fresh starts add no lottery, or that hidden patches do not help.
    """
    near, more = (-0.05, 0.05), (0.05, math.inf)
    K, p, last = cell.members, cell.neuron, cell.patches[-1]
    source = "P1 (derived; arXiv 2012.09816, Section 4)"
    identity = "in logits an identity here, as masks stand outside the activation"
    says = (
        f"the mean probabilities over {cell.num_masks} masks of neurons cover what the standard "
        f"prediction does, to 0.05 ({identity})"
    )
    gap = on_patches(difference("masks_coverage", "standard_coverage"))
    yield "synthetic: masks", source, says, near, gap
    says = (
        f"the mean probabilities over {cell.num_masks} masks of patches, as coarse as a view, of a "
        f"net with dropout {cell.patches[0]:g} of them cover what its standard prediction does, to "
        f"0.05 ({identity})"
    )
    gap = on_patches(difference("coarse_masks_coverage", "coarse_coverage"))
    yield "synthetic: masks of patches", source, says, near, gap
    says = f"{K} networks averaged cover 1 - (1 - c)^{K}, to 0.05"
    gap = on_patches(lambda t: t["ensemble_coverage"].str[-1] - t["predicted_ensemble"].str[-1])
    yield f"synthetic: {K} networks", source, says, near, gap
    source = "P2 (derived; arXiv 2012.09816, Section 4)"
    says = f"dropout {cell.neurons[-1]:g} of neurons in training covers 0.05 more than none"
    yield "synthetic: neurons", source, says, more, on_patches(end_to_end("neuron_coverage"))
    says = f"the gain at dropout {p:g} falls by 0.05 from width {cell.widths[0]} to the largest"
    yield "synthetic: width", source, says, (-math.inf, -0.05), on_patches(fall_by_width)
    says = f"dropout {last:g} of patches in training covers at least 0.95"
    c = on_patches(lambda t: t["patch_coverage"].str[-1])
    yield "synthetic: patches", source, says, (0.95, 1.0), c
    source = "P3 (derived; arXiv 2012.09816, Section 4)"
    says = "a student that starts as its teacher covers what it does, to 0.05"
    gap = on_patches(difference("copied_coverage", "standard_coverage"))
    yield "synthetic: copied", source, says, near, gap
    says = f"one of a fresh start covers 1 - (1 - c_T)(1 - c_0), to 0.05 ({SATURATED})"
    gap = on_patches(difference("fresh_coverage", "predicted_fresh"))
    yield "synthetic: fresh", source, says, near, gap
    source = "P4 (derived; arXiv 2012.09816, Section 4)"
    says = (
        "inputs with hidden patches teach 0.05 more views of a teacher that knows all "
        f"({SATURATED})"
    )
    gain = on_patches(difference("all_hidden_coverage", "all_clean_coverage"))
    yield "synthetic: hidden, all known", source, says, more, gain
    says = "but not of one that knows one of two"
    gain = on_patches(difference("one_hidden_coverage", "one_clean_coverage"))
    yield "synthetic: hidden, one known", source, says, (-math.inf, 0.05), gain


def end_to_end(name: str) -> Estimate:
    """Estimate: the last of a list minus its first."""
    return lambda table: table[name].str[-1] - table[name].str[0]


def fall_by_width(table: pd.DataFrame) -> pd.Series:
    """Estimate: what dropout adds at the largest width minus what it adds at the smallest."""
    dropped, plain = end_to_end("wide_coverage"), end_to_end("wide_plain_coverage")
    return dropped(table) - plain(table)


WHO = {
    "standard": "trained with dropout of neurons",
    "masks": "mean over its masks",
    "coarse": "trained with least dropout of patches",
    "coarse_masks": "mean over its masks of patches",
    "copied": "student of the first, copied start",
    "fresh": "student of the first, fresh start",
    "one_teacher": "net without dropout",
    "one_clean": "its student",
    "one_hidden": "its student, patches hidden",
    "all_teacher": "net with dropout of patches",
    "all_clean": "its student",
    "all_hidden": "its student, patches hidden",
}
MEASURES = {"_coverage": "c", "_single": "single-view error", "_multi": "multi-view error"}


def patch_dropout_summary(table: pd.DataFrame) -> Group:
    """Coverage, errors and margins with their 95% intervals, and c as the theory has it."""
    n, first = table["seed"].nunique(), table.iloc[0]
    who = Table(title=f"Patches, in %, mean [95% interval], n={n}", title_justify="left")
    for heading in ("", *MEASURES.values(), "margin", "won the view of the first"):
        who.add_column(heading)
    for name, says in WHO.items():
        values = [percent(table[name + ending]) for ending in MEASURES]
        agrees = f"{name}_agrees"
        won = percent(table[agrees]) if agrees in table else ""
        who.add_row(says, *values, number(table[f"{name}_margin"], -math.inf), won)
    who.add_row("two nets without dropout", *[""] * 4, percent(table["members_agrees"]))
    axes = {
        "ensemble": ("nets averaged", range(1, len(first["ensemble_coverage"]) + 1)),
        "neuron": ("dropout of neurons", (0.0, *first["neurons"])),
        "patch": ("dropout of patches", (0.0, *first["patches"])),
        "wide": ("width, dropout of neurons", first["widths"]),
        "wide_plain": ("width, no dropout", first["widths"]),
    }
    lists = Table("", "", *MEASURES.values(), "predicted c")
    for name, (says, places) in axes.items():
        for i, value in enumerate(places):
            values = [percent(table[name + ending].str[i]) for ending in MEASURES]
            predicted = ""
            if name == "ensemble":
                predicted = percent(table["predicted_ensemble"].str[i])
            lists.add_row(says, f"{value:g}", *values, predicted)
    fresh = percent(table["predicted_fresh"])
    return Group(who, f"predicted c of the student of a fresh start: {fresh}", lists)
