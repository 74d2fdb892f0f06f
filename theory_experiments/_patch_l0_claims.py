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
HALF_WAY = 0.25  # and the single-view error there, where unknown views are always wrong
P = {i: f"P{i} (derived; arXiv 2012.09816, Section 4)" for i in range(1, 6)}
Line = tuple[str, str, str, tuple[float, float], Estimate]


def patch_l0_claims(cell: PatchL0Cell) -> Iterator[Line]:
    """What was predicted before any run, with what counts as equal or more."""
    for lines in (_by_strength, _two_views, _critical, _late, _together):
        for name, source, says, predicted, value in lines(cell):
            yield f"synthetic: {name}", source, says, predicted, on_patches(value)


def _by_strength(cell: PatchL0Cell) -> Iterator[Line]:
    says = "pruned networks say what gated ones do, to 1e-5 of their largest logit"
    yield "pruned as gated", "identity", says, (-1.0, 1e-5), column("gap")
    says = (
        "a network that has lost 70% of its neurons covers what it does at the smallest strength, "
        "which takes none, to 0.08"
    )
    yield "flat", P[1], says, (-0.08, 0.08), each_row(c_lost_when_lean)
    says = "with a neuron a class or more left, the multi-view error stays within 0.02"
    yield "until its floor", P[1], says, (-1.0, 0.02), each_row(worst_above_floor)
    says = "and it collapses below: the error exceeds 0.5 at the largest strength"
    last = _last("one_multi")
    yield "collapse", P[1], says, (0.5, 1.0), last
    low, high = cell.fine[0], cell.fine[-1]
    says = (
        f"a cliff: within the factor {high / low:.2g} from lambda {low:g} to {high:g} half of all "
        "neurons go, or more"
    )
    yield "cliff", "L0 at scale (arXiv 1902.09574)", says, (0.5, 1.0), cliff
    says = "asked for a share of weights instead, the expected one is met to 0.05, at worst"
    yield "target, expected", "L0Spec", says, (-1.0, 0.05), each_row(_miss("expected"))
    says = "and that of the neurons left to 0.2, at worst"
    yield "target, left", "L0Spec", says, (-1.0, 0.2), each_row(_miss("left"))


def _two_views(cell: PatchL0Cell) -> Iterator[Line]:
    says = "c is half the views of a class that a neuron holds, to 0.05 on average"
    yield "held views", P[1], says, (-1.0, 0.05), each_row(off_held)
    says = "c of 0.95 or more takes 1.9 neurons a class or more"
    yield "neurons of both views", P[1], says, (1.9, math.inf), each_row(fewest_neurons)
    says = "where c falls through 3/4, at most 3% of classes have lost both views"
    yield "one view first", P[1], says, (-1.0, 0.03), each_row(_crossing("_none"))
    says = (
        "where half the views that a network can lose unseen are gone, by its single-view error, "
        "the multi-view error is within 0.02"
    )
    yield "hidden", P[1], says, (-1.0, 0.02), each_row(hidden_loss)


def _critical(cell: PatchL0Cell) -> Iterator[Line]:
    factor = cell.other_mu / cell.spec.mu
    grows, mu = (1.25, math.inf), _ratio("more_mu", "all")
    says = f"the strength at which second views die is larger at {factor:g} mu"
    yield "critical by mu", P[2], says, grows, mu
    says = f"by the factor {factor:g}, within 2"
    yield "proportional to mu", P[2], says, (factor / 2, factor * 2), mu
    times = cell.other_num_train / cell.num_train
    says = f"it is {times:g} times as large, within 2, at {times:g} N"
    more = _ratio("more_samples", "all")
    yield "proportional to N", P[2], says, (times / 2, times * 2), more
    place = cell.strengths.index(cell.kept)
    hard = "(the network's own answers, by T^2 KL)"
    says = f"at lambda {cell.kept:g}, soft targets at T={cell.temperature:g} {hard} keep 0.1 more"
    gap = _place("soft_coverage", "all_coverage", place)
    yield "soft targets keep", P[3], says, (0.1, math.inf), gap
    for name, temperature in (("soft", cell.temperature), ("cool", 1.0)):
        says = f"second views die later under soft targets at T={temperature:g}"
        yield f"soft at {temperature:g}", P[3], says, grows, _ratio(name, "all")
    factor = 1 / cell.spec.mu
    says = f"by 1/mu = {factor:g}, within 2, at T={cell.temperature:g}"
    predicted = (factor / 2, factor * 2)
    yield "soft, by 1/mu", P[3], says, predicted, _ratio("soft", "all")


def _late(cell: PatchL0Cell) -> Iterator[Line]:
    says = "a penalty from the first step leaves 0.1 less c than a delayed one, over strengths"
    gap = each_row(lambda row: _array(row, "delayed_coverage") - _array(row, "from_start_coverage"))
    yield "delayed", P[4], says, (0.1, math.inf), gap
    says = "the delayed one loses no class: its multi-view error is within 0.02 at every strength"
    worst = each_row(lambda row: _array(row, "delayed_multi").max())
    yield "delayed, no class lost", P[4], says, (-1.0, 0.02), worst
    says = "classes lost from the first step start smaller than those kept, by 0.1 sigma_init"
    yield "slow classes", P[4], says, (0.1, math.inf), column("slow")
    says = "the best c with 2 neurons a class or fewer is larger by 0.05 if delayed"
    best = each_row(lambda row: best_lean(row, "delayed") - best_lean(row, "from_start"))
    yield "delayed, as many neurons", P[4], says, (0.05, math.inf), best


def _together(cell: PatchL0Cell) -> Iterator[Line]:
    K = cell.members
    says = f"{K} pruned networks averaged cover 1 - (1 - c)^{K}, to 0.06"
    gap = each_row(lambda row: row["pruned_ensemble_coverage"][-1] - row["predicted_ensemble"][-1])
    yield f"{K} pruned networks", P[5], says, (-0.06, 0.06), gap


def each_row(value: Callable[[Any], Any]) -> Estimate:
    """Estimate: the value of each row, or the mean of the values it gives."""
    return lambda table: pd.Series(
        [float(np.mean(value(row))) for _, row in table.iterrows()], dtype=float
    )


def _array(row: Any, name: str) -> np.ndarray:
    return np.asarray(list(row[name]), float)


def _last(name: str) -> Estimate:
    return lambda table: table[name].str[-1]


def _place(minuend: str, subtrahend: str, place: int) -> Estimate:
    return lambda table: table[minuend].str[place] - table[subtrahend].str[place]


def _ratio(who: str, other: str) -> Estimate:
    """Estimate: the ratio of two critical strengths."""
    return lambda table: table[f"{who}_critical"] / table[f"{other}_critical"]


def c_lost_when_lean(row: Any) -> float:
    """c of ``one`` at the first strength that leaves 30% of its neurons or fewer, less the first c.

    All have been trained for as long. NaN where none does.
    """
    c, lean = _array(row, "one_coverage"), _array(row, "one_neurons") <= 0.3 * row["width"]
    return c[lean.argmax()] - c[0] if lean.any() else nan


def worst_above_floor(row: Any) -> float:
    """Largest multi-view error of ``one`` where a neuron a class or more is left."""
    above = _array(row, "one_neurons") >= 1
    return _array(row, "one_multi")[above].max() if above.any() else nan


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
    """Distance of c from half the views held, of ``all`` at each strength."""
    return np.abs(_array(row, "all_coverage") - _array(row, "all_held") / 2)


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
