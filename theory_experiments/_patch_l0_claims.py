"""What was predicted of pruned patch nets, and how rows are held against it: see ``_patch_l0``."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, average, by_repetition, largest, measured
from theory_experiments._parts import SYNTHETIC
from theory_experiments._patch_l0_nets import PatchL0Cell, strengths_of
from theory_experiments.views.units import MARGIN, MORE, SAME, WORDS

nan = math.nan
LEVEL = 0.75  # c half way from both views to one
BELOW_FLOOR = (0.3, 0.95)  # neurons a class on average: some classes have none, not all
HALF_WAY = 0.25  # and the single-view error there, where unknown views are always wrong
P = {i: f"P{i} (derived; arXiv 2012.09816, Section 4)" for i in range(1, 6)}

on_patches = partial(measured, part=SYNTHETIC)


def patch_l0_claims(cell: PatchL0Cell) -> Iterator[Claim]:
    """What was predicted before any run, with what counts as equal or more."""
    for claims in (_by_strength, _two_views, _critical, _soft, _late, _together):
        yield from claims(cell)


def claim(
    name: str,
    source: str,
    says: str,
    predicted: tuple[float, float],
    estimate: Estimate,
    **further: Any,
) -> Claim:
    """A claim about patches."""
    return Claim(
        name=f"{SYNTHETIC}: {name}",
        source=source,
        statement=says,
        predicted=predicted,
        estimate=estimate,
        **further,
    )


def _by_strength(cell: PatchL0Cell) -> Iterator[Claim]:
    yield claim(
        "pruned as gated",
        "identity",
        "logits of pruned patch nets are those of the gated ones, to 1e-5 of the largest",
        (-1.0, 1e-5),
        on_patches("parity", "data"),
        kind="check",
    )
    yield claim(
        "flat",
        P[1],
        "c of one network, at the first lambda that leaves 30% of its neurons or fewer, is that at "
        f"the smallest lambda, {WORDS[SAME]}",
        SAME,
        by_strength("c where 30% of the neurons are left less c of all", "one", c_lost_when_lean),
    )
    yield claim(
        "until its floor",
        P[1],
        "while one network has a neuron or more left of every class, its multi-view error is at "
        "most 0.02 at every lambda",
        (-1.0, 0.02),
        by_strength("largest multi-view error with no class lost", "one", worst_above_floor),
    )
    low, high = BELOW_FLOOR
    yield claim(
        "collapse",
        P[1],
        f"at the largest lambda that leaves one network {low:g} to {high:g} neurons a class on "
        "average, its multi-view error exceeds 0.2",
        (0.2, 1.0),
        by_strength(f"multi-view error of {low:g} to {high:g} neurons", "one", error_below_floor),
    )
    low, high = cell.fine[0], cell.fine[-1]
    left = [on_patches("neurons", f"fine_{strength:g}") for strength in (low, high)]
    yield claim(
        "cliff",
        "L0 at scale (arXiv 1902.09574)",
        f"half of all neurons, or more, go between lambda {low:g} and {high:g}, a factor of "
        f"{high / low:.3g}: a cliff",
        (0.5, 1.0),
        (left[0] - left[1]) / cell.width,
    )
    yield from _targets(cell)


def _targets(cell: PatchL0Cell) -> Iterator[Claim]:
    names = {share: f"target_{share:g}" for share in cell.targets}
    yield claim(
        "target, expected",
        "L0Spec",
        "networks asked for a share of their weights have it in expectation, to 0.05 at the worst "
        "of all shares",
        (-1.0, 0.05),
        largest(abs(on_patches("expected_share", who) - share) for share, who in names.items()),
    )
    yield claim(
        "target, left",
        "L0Spec",
        "networks asked for a share of their weights keep that share of their neurons when pruned, "
        "to 0.2 at the worst of all shares",
        (-1.0, 0.2),
        largest(
            abs(on_patches("neurons", who) / cell.width - share) for share, who in names.items()
        ),
    )


def _two_views(cell: PatchL0Cell) -> Iterator[Claim]:
    yield claim(
        "held views",
        P[1],
        "c of a network that knew all views is half the number of views of a class that a neuron "
        f"holds, to {MARGIN} on average over lambdas that leave neurons",
        (-1.0, MARGIN),
        by_strength("mean distance of c from half the views held", "all", off_held),
    )
    yield claim(
        "neurons of both views",
        P[1],
        "a network that knew all views has 1.9 neurons a class or more left at every lambda at "
        "which its c is 0.95 or more",
        (1.9, math.inf),
        by_strength("fewest neurons where c is 0.95 or more", "all", fewest_neurons),
    )
    yield claim(
        "one view first",
        P[1],
        "where c of a network that knew all views falls through 3/4, at most 3% of classes have "
        "lost both views",
        (-1.0, 0.03),
        by_strength("classes without a view where c falls through 3/4", "all", lost_at_the_level),
        primary=True,
    )
    yield claim(
        "hidden",
        P[1],
        "where the single-view error of a network that knew all views rises through 1/4 (half of "
        "all second views gone), its multi-view error is at most 0.02",
        (-1.0, 0.02),
        by_strength("multi-view error where the single-view error passes 1/4", "all", hidden_loss),
    )


GROWS = (1.25, math.inf)  # of a critical strength


def _critical(cell: PatchL0Cell) -> Iterator[Claim]:
    factor, ratio = cell.other_mu / cell.spec.mu, critical("more_mu") / critical("all")
    yield claim(
        "critical by mu",
        P[2],
        f"the lambda at which second views die (c falls through 3/4) at mu={cell.other_mu:g} is "
        f"1.25 times that at mu={cell.spec.mu:g} or more",
        GROWS,
        ratio,
    )
    yield claim(
        "proportional to mu",
        P[2],
        f"the lambda at which second views die at mu={cell.other_mu:g} is {factor:g} times that at "
        f"mu={cell.spec.mu:g}, to a factor of 2",
        (factor / 2, factor * 2),
        ratio,
    )
    times = cell.other_num_train / cell.num_train
    yield claim(
        "the same lambda/N",
        P[2],
        f"lambda/N at which second views die is the same, to a factor of 2, with {times:g} N "
        "samples at as many steps: memorisation does not shift it",
        (0.5, 2.0),
        critical("more_samples") / (critical("all") * times),
    )


def _soft(cell: PatchL0Cell) -> Iterator[Claim]:
    soft, hard = (on_patches("coverage", f"{who}_{cell.kept:g}") for who in ("soft", "all"))
    yield claim(
        "soft targets keep",
        P[3],
        f"at lambda {cell.kept:g}, c is larger {WORDS[MORE]} under soft targets at "
        f"T={cell.temperature:g} (the unpruned network's answers, by T^2 KL) than under labels",
        MORE,
        soft - hard,
    )
    for name, temperature in (("soft", cell.temperature), ("cool", 1.0)):
        yield claim(
            f"soft at {temperature:g}",
            P[3],
            "the lambda at which second views die is 1.25 times as large or more under soft "
            f"targets at T={temperature:g} as under labels",
            GROWS,
            critical(name) / critical("all"),
        )
    factor = 1 / cell.spec.mu
    yield claim(
        "soft, by 1/mu",
        P[3],
        f"the lambda at which second views die is 1/mu = {factor:g} times as large under soft "
        f"targets at T={cell.temperature:g} as under labels, to a factor of 2",
        (factor / 2, factor * 2),
        critical("soft") / critical("all"),
    )


def _late(cell: PatchL0Cell) -> Iterator[Claim]:
    alike = "(lambda times steps alike)"
    early, late = (
        [f"{who}_{strength:g}" for strength in strengths_of(cell)[who]]
        for who in ("from_start", "delayed")
    )
    yield claim(
        "delayed",
        P[4],
        f"c of untrained networks is larger {WORDS[MORE]} under a delayed penalty {alike} than "
        "under one from the first step, on average over lambdas",
        MORE,
        average(
            on_patches("coverage", second) - on_patches("coverage", first)
            for first, second in zip(early, late, strict=True)
        ),
    )
    yield claim(
        "delayed, no class lost",
        P[4],
        "networks pruned by a delayed penalty lose no class: their multi-view error is at most "
        "0.02 at every lambda",
        (-1.0, 0.02),
        largest(on_patches("multi", who) for who in late),
    )
    yield claim(
        "slow classes",
        P[4],
        "classes lost under a penalty from the first step have largest starts on a view that are "
        "0.1 sigma_init smaller, or more, than those of classes kept",
        (0.1, math.inf),
        on_patches("head_start", "data"),
    )
    best = partial(by_strength, "largest c with 2 neurons a class or fewer", compute=best_lean)
    yield claim(
        "delayed, as many neurons",
        P[4],
        f"the largest c with 2 neurons a class or fewer, over lambdas, is larger {WORDS[MORE]} "
        f"under a delayed penalty {alike} than under one from the first step",
        MORE,
        best("delayed") - best("from_start"),
    )


def _together(cell: PatchL0Cell) -> Iterator[Claim]:
    K = cell.members
    who = f"pruned_ensemble_{K}"
    yield claim(
        f"{K} pruned networks",
        P[5],
        f"{K} networks, pruned at lambda {cell.kept:g} and averaged, cover 1 - (1 - c)^{K}, "
        f"{WORDS[SAME]}",
        SAME,
        on_patches("coverage", who) - on_patches("predicted", who),
    )


def by_strength(text: str, group: str, compute: Callable[[pd.DataFrame], float]) -> Estimate:
    """A number of each repetition, from the networks of one group in the order of strengths."""

    def ascending(lines: pd.DataFrame) -> float:
        return compute(lines.sort_values("strength"))

    return by_repetition(text, ascending, part=SYNTHETIC, group=group)


def critical(group: str) -> Estimate:
    """The strength at which second views die; missing where it lies outside of what was tried."""
    return by_strength(f"strength at which c falls through {LEVEL:g}", group, critical_strength)


def numbers(lines: pd.DataFrame, *names: str) -> list[np.ndarray]:
    """Columns as arrays."""
    return [lines[name].to_numpy(float) for name in names]


def critical_strength(lines: pd.DataFrame) -> float:
    """The strength at which c first falls through the level, between two by their logarithms.

    NaN where it never does, or is below from the first: nothing beyond was tried.
    """
    strengths, c = numbers(lines, "strength", "coverage")
    below = c <= LEVEL
    if below[0] or not below.any():
        return nan
    i = int(below.argmax())
    share = (c[i - 1] - LEVEL) / (c[i - 1] - c[i])
    low, high = math.log(strengths[i - 1]), math.log(strengths[i])
    return math.exp(low + share * (high - low))


def c_lost_when_lean(lines: pd.DataFrame) -> float:
    """c at the first strength that leaves 30% of the neurons or fewer, less the first c.

    All have been trained for as long. NaN where none does.
    """
    c, neurons, width = numbers(lines, "coverage", "neurons", "width")
    lean = neurons <= 0.3 * width
    return c[lean.argmax()] - c[0] if lean.any() else nan


def worst_above_floor(lines: pd.DataFrame) -> float:
    """Largest multi-view error where a neuron or more is left of every class."""
    multi, fewest = numbers(lines, "multi", "fewest")
    above = fewest >= 1
    return multi[above].max() if above.any() else nan


def error_below_floor(lines: pd.DataFrame) -> float:
    """Multi-view error at the largest strength that leaves too few neurons, not none.

    NaN where none does.
    """
    multi, neurons = numbers(lines, "multi", "neurons")
    low, high = BELOW_FLOOR
    (below,) = np.nonzero((low <= neurons) & (neurons <= high))
    return float(multi[below[-1]]) if len(below) else nan


def off_held(lines: pd.DataFrame) -> float:
    """Distance of c from half the views held, mean over strengths that leave neurons."""
    c, held, neurons = numbers(lines, "coverage", "held", "neurons")
    apart = np.abs(c - held / 2)[neurons > 0]
    return float(apart.mean()) if len(apart) else nan


def fewest_neurons(lines: pd.DataFrame) -> float:
    """Fewest neurons a class at a strength where c is 0.95 or more."""
    c, neurons = numbers(lines, "coverage", "neurons")
    covers = c > 0.94
    return neurons[covers].min() if covers.any() else nan


def lost_at_the_level(lines: pd.DataFrame) -> float:
    """Fraction of classes without a view where c falls through 3/4."""
    c, none = numbers(lines, "coverage", "none")
    return where_it_passes(-c, -LEVEL, none)


def hidden_loss(lines: pd.DataFrame) -> float:
    """Multi-view error where the single-view error rises through half its way."""
    single, multi = numbers(lines, "single", "multi")
    return where_it_passes(single, HALF_WAY, multi)


def where_it_passes(rising: ArrayLike, level: float, values: ArrayLike) -> float:
    """``values`` where a sequence first reaches the level, between two places by a straight line.

    NaN where it never does, or is there from the first.
    """
    x, y = np.asarray(rising, float), np.asarray(values, float)
    there = x >= level
    i = int(there.argmax())
    if not there.any() or i == 0:
        return nan
    share = (level - x[i - 1]) / (x[i] - x[i - 1])
    return float(y[i - 1] + share * (y[i] - y[i - 1]))


def best_lean(lines: pd.DataFrame) -> float:
    """Largest c with 2 neurons a class or fewer; NaN where every strength leaves more."""
    c, neurons = numbers(lines, "coverage", "neurons")
    lean = neurons <= 2
    return c[lean].max() if lean.any() else nan
