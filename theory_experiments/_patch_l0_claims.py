"""What was predicted of pruned patch nets, and how rows are held against it."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from theory_experiments._estimates import Estimate, column, on_patches
from theory_experiments._patch_l0_nets import PatchL0Cell

nan = math.nan
LEVEL = 0.75  # c half way from both views to one
BELOW_FLOOR = (0.3, 0.95)  # neurons a class on average: some classes have none, not all
HALF_WAY = 0.25  # and the single-view error there, where unknown views are always wrong
P = {i: f"P{i} (derived; arXiv 2012.09816, Section 4)" for i in range(1, 6)}
Line = tuple[str, str, str, tuple[float, float], Estimate]


def patch_l0_claims(cell: PatchL0Cell) -> Iterator[Line]:
    """What was predicted before any run, with what counts as equal or more.

    Restated after the seeds 1000 to 1003, before any of 0 to 9: see ``_patch_l0``.
    """
    for lines in (_by_strength, _two_views, _critical, _late, _together):
        for name, source, says, predicted, value in lines(cell):
            yield f"synthetic: {name}", source, says, predicted, on_patches(value)


def _by_strength(cell: PatchL0Cell) -> Iterator[Line]:
    says = "logits of pruned patch nets are those of the gated ones, to 1e-5 of the largest"
    yield "pruned as gated", "identity", says, (-1.0, 1e-5), column("gap")
    says = (
        "c of one network, at the first lambda that leaves 30% of its neurons or fewer, is that at "
        "the smallest lambda, to 0.08"
    )
    yield "flat", P[1], says, (-0.08, 0.08), each_row(c_lost_when_lean)
    says = (
        "while one network has a neuron or more left of every class, its multi-view error is at "
        "most 0.02 at every lambda"
    )
    yield "until its floor", P[1], says, (-1.0, 0.02), each_row(worst_above_floor)
    low, high = BELOW_FLOOR
    says = (
        f"at the largest lambda that leaves one network {low:g} to {high:g} neurons a class on "
        "average, its multi-view error exceeds 0.2"
    )
    yield "collapse", P[1], says, (0.2, 1.0), each_row(error_below_floor)
    low, high = cell.fine[0], cell.fine[-1]
    says = (
        f"half of all neurons, or more, go between lambda {low:g} and {high:g}, a factor of "
        f"{high / low:.3g}: a cliff"
    )
    yield "cliff", "L0 at scale (arXiv 1902.09574)", says, (0.5, 1.0), cliff
    says = (
        "networks asked for a share of their weights have it in expectation, to 0.05 at the worst "
        "of all shares"
    )
    yield "target, expected", "L0Spec", says, (-1.0, 0.05), each_row(_miss("expected"))
    says = (
        "networks asked for a share of their weights keep that share of their neurons when pruned, "
        "to 0.2 at the worst of all shares"
    )
    yield "target, left", "L0Spec", says, (-1.0, 0.2), each_row(_miss("left"))


def _two_views(cell: PatchL0Cell) -> Iterator[Line]:
    says = (
        "c of a network that knew all views is half the number of views of a class that a neuron "
        "holds, to 0.05 on average over lambdas that leave neurons"
    )
    yield "held views", P[1], says, (-1.0, 0.05), each_row(off_held)
    says = (
        "a network that knew all views has 1.9 neurons a class or more left at every lambda at "
        "which its c is 0.95 or more"
    )
    yield "neurons of both views", P[1], says, (1.9, math.inf), each_row(fewest_neurons)
    says = (
        "where c of a network that knew all views falls through 3/4, at most 3% of classes have "
        "lost both views"
    )
    yield "one view first", P[1], says, (-1.0, 0.03), each_row(_crossing("_none"))
    says = (
        "where the single-view error of a network that knew all views rises through 1/4 (half of "
        "all second views gone), its multi-view error is at most 0.02"
    )
    yield "hidden", P[1], says, (-1.0, 0.02), each_row(hidden_loss)


def _critical(cell: PatchL0Cell) -> Iterator[Line]:
    factor = cell.other_mu / cell.spec.mu
    grows, mu = (1.25, math.inf), _ratio("more_mu", "all")
    says = (
        f"the lambda at which second views die (c falls through 3/4) at mu={cell.other_mu:g} is "
        f"1.25 times that at mu={cell.spec.mu:g} or more"
    )
    yield "critical by mu", P[2], says, grows, mu
    says = (
        f"the lambda at which second views die at mu={cell.other_mu:g} is {factor:g} times that at "
        f"mu={cell.spec.mu:g}, to a factor of 2"
    )
    yield "proportional to mu", P[2], says, (factor / 2, factor * 2), mu
    times = cell.other_num_train / cell.num_train
    says = (
        f"lambda/N at which second views die is the same, to a factor of 2, with {times:g} N "
        "samples at as many steps: memorisation does not shift it"
    )
    yield "the same lambda/N", P[2], says, (0.5, 2.0), _ratio("more_samples", "all", times)
    place = cell.strengths.index(cell.kept)
    says = (
        f"at lambda {cell.kept:g}, c is larger by 0.1 or more under soft targets at "
        f"T={cell.temperature:g} (the unpruned network's answers, by T^2 KL) than under labels"
    )
    gap = _place("soft_coverage", "all_coverage", place)
    yield "soft targets keep", P[3], says, (0.1, math.inf), gap
    for name, temperature in (("soft", cell.temperature), ("cool", 1.0)):
        says = (
            "the lambda at which second views die is 1.25 times as large or more under soft "
            f"targets at T={temperature:g} as under labels"
        )
        yield f"soft at {temperature:g}", P[3], says, grows, _ratio(name, "all")
    factor = 1 / cell.spec.mu
    says = (
        f"the lambda at which second views die is 1/mu = {factor:g} times as large under soft "
        f"targets at T={cell.temperature:g} as under labels, to a factor of 2"
    )
    predicted = (factor / 2, factor * 2)
    yield "soft, by 1/mu", P[3], says, predicted, _ratio("soft", "all")


def _late(cell: PatchL0Cell) -> Iterator[Line]:
    alike = "(lambda times steps alike)"
    says = (
        f"c of untrained networks is larger by 0.1 or more under a delayed penalty {alike} than "
        "under one from the first step, on average over lambdas"
    )
    gap = each_row(lambda row: _array(row, "delayed_coverage") - _array(row, "from_start_coverage"))
    yield "delayed", P[4], says, (0.1, math.inf), gap
    says = (
        "networks pruned by a delayed penalty lose no class: their multi-view error is at most "
        "0.02 at every lambda"
    )
    worst = each_row(lambda row: _array(row, "delayed_multi").max())
    yield "delayed, no class lost", P[4], says, (-1.0, 0.02), worst
    says = (
        "classes lost under a penalty from the first step have largest starts on a view that are "
        "0.1 sigma_init smaller, or more, than those of classes kept"
    )
    yield "slow classes", P[4], says, (0.1, math.inf), column("slow")
    says = (
        "the largest c with 2 neurons a class or fewer, over lambdas, is larger by 0.05 or more "
        f"under a delayed penalty {alike} than under one from the first step"
    )
    best = each_row(lambda row: best_lean(row, "delayed") - best_lean(row, "from_start"))
    yield "delayed, as many neurons", P[4], says, (0.05, math.inf), best


def _together(cell: PatchL0Cell) -> Iterator[Line]:
    K = cell.members
    says = (
        f"{K} networks, pruned at lambda {cell.kept:g} and averaged, cover 1 - (1 - c)^{K}, to 0.06"
    )
    gap = each_row(lambda row: row["pruned_ensemble_coverage"][-1] - row["predicted_ensemble"][-1])
    yield f"{K} pruned networks", P[5], says, (-0.06, 0.06), gap


def each_row(value: Callable[[Any], Any]) -> Estimate:
    """Estimate: the value of each row, or the mean of the values it gives."""
    return lambda table: pd.Series(
        [float(np.mean(value(row))) for _, row in table.iterrows()], dtype=float
    )


def _array(row: Any, name: str) -> np.ndarray:
    return np.asarray(list(row[name]), float)


def _place(minuend: str, subtrahend: str, place: int) -> Estimate:
    return lambda table: table[minuend].str[place] - table[subtrahend].str[place]


def _ratio(who: str, other: str, times: float = 1.0) -> Estimate:
    """Estimate: the ratio of two critical lambda/N, the first with ``times`` as many samples.

    NaN, missing to ``judge``, where either lies outside of what was tried.
    """
    return lambda table: table[f"{who}_critical"] / (times * table[f"{other}_critical"])


def c_lost_when_lean(row: Any) -> float:
    """c of ``one`` at the first strength that leaves 30% of its neurons or fewer, less the first c.

    All have been trained for as long. NaN where none does.
    """
    c, lean = _array(row, "one_coverage"), _array(row, "one_neurons") <= 0.3 * row["width"]
    return c[lean.argmax()] - c[0] if lean.any() else nan


def worst_above_floor(row: Any) -> float:
    """Largest multi-view error of ``one`` where a neuron or more is left of every class."""
    above = _array(row, "one_fewest") >= 1
    return _array(row, "one_multi")[above].max() if above.any() else nan


def error_below_floor(row: Any) -> float:
    """Multi-view error of ``one`` at the largest strength that leaves too few neurons, not none.

    NaN where none does.
    """
    neurons, (low, high) = _array(row, "one_neurons"), BELOW_FLOOR
    (below,) = np.nonzero((low <= neurons) & (neurons <= high))
    return float(_array(row, "one_multi")[below[-1]]) if len(below) else nan


def cliff(table: pd.DataFrame) -> pd.Series:
    """Estimate: the share of all neurons that goes from the first fine strength to the last."""
    left = table["fine_neurons"]
    return (left.str[0] - left.str[-1]) / table["width"]


def _miss(what: str) -> Callable[[Any], float]:
    """Largest distance of a share of weights from its target, in expectation or of what is left."""

    def value(row: Any) -> float:
        left = _array(row, "target_neurons") / row["width"]
        shares = left if what == "left" else _array(row, "target_expected")
        return np.abs(shares - _array(row, "targets")).max()

    return value


def off_held(row: Any) -> np.ndarray:
    """Distance of c from half the views held, of ``all`` at each strength that leaves neurons."""
    apart = np.abs(_array(row, "all_coverage") - _array(row, "all_held") / 2)
    return apart[_array(row, "all_neurons") > 0]


def fewest_neurons(row: Any) -> float:
    """Fewest neurons a class of ``all`` at a strength where c is 0.95 or more."""
    covers = _array(row, "all_coverage") > 0.94
    return _array(row, "all_neurons")[covers].min() if covers.any() else nan


def _crossing(ending: str) -> Callable[[Any], float]:
    """A measure of ``all`` where c falls through 3/4."""
    return lambda row: where_it_passes(-_array(row, "all_coverage"), -LEVEL, row[f"all{ending}"])


def hidden_loss(row: Any) -> float:
    """Multi-view error of ``all`` where its single-view error rises through half its way."""
    return where_it_passes(row["all_single"], HALF_WAY, row["all_multi"])


def where_it_passes(rising: Any, level: float, values: Any) -> float:
    """``values`` where a sequence first reaches the level, between two places by a straight line.

    NaN where it never does, or is there from the first.
    """
    x, y = np.asarray(list(rising), float), np.asarray(list(values), float)
    there = x >= level
    i = int(there.argmax())
    if not there.any() or i == 0:
        return nan
    share = (level - x[i - 1]) / (x[i] - x[i - 1])
    return float(y[i - 1] + share * (y[i] - y[i - 1]))


def best_lean(row: Any, who: str) -> float:
    """Largest c with 2 neurons a class or fewer; NaN where every strength leaves more."""
    lean = _array(row, f"{who}_neurons") <= 2
    return _array(row, f"{who}_coverage")[lean].max() if lean.any() else nan
