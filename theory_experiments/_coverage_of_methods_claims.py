"""What is claimed of the views that each method covers, decided before the runs on seeds 0 to 9."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from theory_experiments._coverage_of_methods import METHODS, NETWORKS
from theory_experiments._coverage_of_methods_bench import MethodsCell
from theory_experiments._estimates import column, difference

# Not multiples of 1 / 20, the grid of c with 10 classes of two views.
NEAR, MORE, MORE_THAN_NONE = 0.06, (0.03, math.inf), (-math.inf, 0.06)
THEORY = "arXiv 2012.09816, Theorems 1-4"
DERIVED = "derived from arXiv 2012.09816, Section 4"

# name of the claim, source, statement, predicted, of what c, minus what other
DIFFERENCES: tuple[tuple[str, str, str, tuple[float, float], str, str], ...] = (
    *(
        (
            f"{name}: more than labels",
            "arXiv 2012.09816, Theorem 3" if name == "paper" else DERIVED,
            f"a student of the ensemble by {says} covers more than labels for as many steps, by "
            f"{MORE[0]:g}",
            MORE,
            name,
            "labels",
        )
        for name, says in (
            ("hinton", "Hinton's loss"),
            ("squares", "squared logits"),
            ("paper", "the paper's update"),
        )
    ),
    *(
        (
            f"{name}: more than labels",
            "arXiv 2012.09816, Theorem 4",
            f"self-distillation, {says}, covers more than labels for as many steps",
            MORE,
            name,
            "labels",
        )
        for name, says in (
            ("self_fresh", "of a fresh start by Hinton's loss"),
            ("self_continued", "in two phases by the paper's update"),
        )
    ),
    *(
        (
            f"{kind}: its masks {what}",
            DERIVED,
            f"{says} a net with dropout of {things} covers what its standard prediction does",
            (-NEAR, NEAR),
            f"{kind}_{what}",
            kind,
        )
        for kind, things in (("neuron", "neurons"), ("patch", "patches"))
        for what, says in (("masks", "the mean over masks of"), ("distilled", "a copy taught by"))
    ),
    (
        "neuron: more than without",
        DERIVED,
        "dropout of neurons in training covers more than none",
        MORE,
        "neuron",
        "one",
    ),
    (
        "rocket: all shared",
        DERIVED,
        "a light net all of whose neurons are its booster's covers no more than a booster alone",
        MORE_THAN_NONE,
        "rocket_shared",
        "rocket_booster",
    ),
    (
        "rocket: nothing shared",
        DERIVED,
        "a light net that shares nothing covers more than labels for as many steps",
        MORE,
        "rocket",
        "labels",
    ),
    (
        "rocket: no block",
        DERIVED,
        "where the hint moves the booster too, the light net covers no more",
        MORE_THAN_NONE,
        "rocket_unblocked",
        "rocket",
    ),
    (
        "rocket: ensemble",
        DERIVED,
        "a light net with an ensemble as booster covers more than with one",
        MORE,
        "rocket_ensemble",
        "rocket",
    ),
    (
        "rocket: half shared",
        DERIVED,
        "a light net half of whose neurons are its booster's covers no more than with none",
        MORE_THAN_NONE,
        "rocket_half",
        "rocket",
    ),
    (
        "gates: taught",
        DERIVED,
        "lightly pruned by an ensemble's soft targets, a net covers more than by labels",
        MORE,
        "dense_soft",
        "dense",
    ),
    (
        "gates: pruned",
        DERIVED,
        "strongly pruned by labels, a net covers less than lightly pruned",
        (-math.inf, -MORE[0]),
        "pruned",
        "dense",
    ),
    (
        "gates: soft targets",
        DERIVED,
        "strongly pruned by an ensemble's soft targets, it covers more than by labels",
        MORE,
        "pruned_soft",
        "pruned",
    ),
    (
        "kernels: sum",
        "arXiv 2012.09816, Figure 1",
        "the sum of kernels covers what their ensemble does",
        (-NEAR, NEAR),
        "kernel_sum",
        "kernel_ensemble",
    ),
    (
        "kernels: distilled",
        "arXiv 2012.09816, Figure 1",
        "distilled into one kernel the ensemble covers no more than one",
        MORE_THAN_NONE,
        "kernel_distilled",
        "kernel_one",
    ),
)


def method_claims(cell: MethodsCell) -> Iterator[tuple]:
    """Every claim as a line of ``claims_from``."""
    K, c = cell.members, "_coverage"
    says = "one network covers about one view of two: c in [0.4, 0.75]"
    yield "one: a lottery", "arXiv 2012.09816, Theorem 1", says, (0.4, 0.75), column("one" + c)
    says = f"{K} networks averaged cover 1 - (1 - c)^{K}, to {NEAR:g}"
    gap = difference("ensemble" + c, "ensemble_predicted")
    yield "ensemble: all lotteries", "arXiv 2012.09816, Theorem 2", says, (-NEAR, NEAR), gap
    says = f"{K} networks trained as a sum cover no more than one, to 0.1"
    gap = difference("summed" + c, "one" + c)
    yield "summed: one lottery", "arXiv 2012.09816, Section 1", says, (-math.inf, 0.1), gap
    says = f"dropout {cell.patch:g} of patches in training covers at least 0.93"
    yield "patch: all views", DERIVED, says, (0.93, math.inf), column("patch" + c)
    for name, source, says, predicted, who, other in DIFFERENCES:
        yield name, source, says, predicted, difference(who + c, other + c)
    says = "no network's single-view error is further than 0.1 from (1 - c) x that of a lost view"
    yield "law: largest gap", THEORY, says, (-1.0, 0.1), largest_gap
    says = "nor is any larger by more than 0.06: views that are not covered are learned in part"
    yield "law: an upper end", DERIVED, says, (-math.inf, 0.06), largest_excess
    says = "over {} methods, c and the single-view error correlate by -0.9 or less"
    for name, who in (("networks", NETWORKS), ("all methods", tuple(METHODS))):
        yield (
            f"c explains: {name}",
            DERIVED,
            says.format(len(who)),
            (-math.inf, -0.9),
            correlation(who),
        )
    says = "no network errs on more than 2% of the multi-view samples: they hide what is missing"
    yield "multi-view error", THEORY, says, (-1.0, 0.02), largest_multi


def _of(table: pd.DataFrame, ending: str, who: Sequence[str] = NETWORKS) -> np.ndarray:
    """The values (repetitions, methods) of one measure."""
    return table[[name + ending for name in who]].to_numpy(float)


def largest_gap(table: pd.DataFrame) -> np.ndarray:
    """Estimate: how far the network furthest from the law is from it."""
    return np.abs(_of(table, "_single") - _of(table, "_law")).max(1)


def largest_excess(table: pd.DataFrame) -> np.ndarray:
    """Estimate: by how much the network furthest above the law errs more."""
    return (_of(table, "_single") - _of(table, "_law")).max(1)


def largest_multi(table: pd.DataFrame) -> np.ndarray:
    """Estimate: the largest multi-view error of a network."""
    return _of(table, "_multi").max(1)


def correlation(who: Sequence[str]):
    """Estimate: of c and the single-view error over these methods, NaN where all are alike."""

    def estimate(table: pd.DataFrame) -> np.ndarray:
        c, error = _of(table, "_coverage", who), _of(table, "_single", who)
        pairs = zip(c, error, strict=True)
        known = (np.ptp(a) > 0 and np.ptp(b) > 0 for a, b in zip(c, error, strict=True))
        return np.array(
            [
                np.corrcoef(a, b)[0, 1] if varies else math.nan
                for (a, b), varies in zip(pairs, known, strict=True)
            ]
        )

    return estimate
