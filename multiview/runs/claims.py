"""Claim: a statement of the paper, what it predicts, and the verdict of the rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from multiview.runs.intervals import Interval, interval_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from multiview.runs.estimates import Estimate, Values

Verdict = Literal["supported", "refuted", "undecided"]
CONFIDENCE = 0.95
MOST_SEEDS = 10**6  # a claim that needs more is called undecidable
SMALLEST_P = 1e-9  # beyond, a p-value says more about the model than about the values


@dataclass(frozen=True)
class Claim:
    """A prediction that the rows of one run can contradict.

    Attributes:
        source: Where the paper says so, e.g. "Theorem 2" or "Table 1".
        statement: One sentence a reader understands without the paper.
        predicted: Ends of the predicted interval, both allowed values; infinite where open.
        estimate: One value per independent repetition, from the lines that succeeded.
        decided: Whether the claim was written before or after rows of these seeds were seen.
        kind: A "claim" is about the expectation over repetitions and is judged by an interval; a
            "check" is a property every single repetition must have and is judged by counting.
        primary: Whether it is one of the few claims the experiment was made for.
    """

    name: str
    source: str
    statement: str
    predicted: tuple[float, float]
    estimate: Estimate
    decided: Literal["before", "after"] = "before"
    kind: Literal["claim", "check"] = "claim"
    primary: bool = False

    def __post_init__(self) -> None:
        low, high = self.predicted
        if not low <= high:
            raise ValueError(
                f"predicted={self.predicted} of {self.name!r} is no interval: use (low, high) with "
                "low <= high."
            )
        if self.primary and self.kind == "check":
            raise ValueError(
                f"primary=True of {self.name!r}, whose kind is 'check': only a claim can be "
                "primary, leave it out."
            )


def at_most(most: float) -> tuple[float, float]:
    """Everything up to ``most``, which is included."""
    return -math.inf, most


def at_least(least: float) -> tuple[float, float]:
    """Everything from ``least`` on, which is included."""
    return least, math.inf


def within(margin: float, of: float = 0.0) -> tuple[float, float]:
    """Everything at most ``margin`` away from ``of``."""
    return of - margin, of + margin


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the rows say about a claim."""

    claim: Claim
    repetitions: int  # values used
    missing: int  # repetitions without a value
    interval: Interval | None = None  # 95%, of the estimate's expectation; None without a value
    verdict: Verdict = "undecided"
    further_seeds: int | None = None  # how many more would decide, were mean and spread to stay
    note: str = ""
    p_value: float | None = None  # 1 - the highest confidence that still decides; None of a check
    edited: tuple[str, ...] = ()  # how it differs from what was registered with the run
    holds: int | None = None  # repetitions in which a check holds; None of a claim


def judge(claim: Claim, table: DataFrame) -> Judgement:
    """Compare ``claim`` with a run's table (a line a cell and method; ``seed``, ``status``).

    A claim is supported if the whole interval is predicted, refuted if none of it is, else
    undecided: also where values are infinite, or the estimate cannot be computed, as a note says.

    Raises:
        ValueError: If there are more values than seeds (values of one repetition are not
            independent, and an interval over them would be too short), or if values said to be
            counted in views are no fractions.
    """
    seeds: int = len(set(table["seed"].dropna()))
    ok: Any = table[table["status"] == "ok"]  # pandas' types do not say what an index gives
    if not len(ok):
        return Judgement(claim=claim, repetitions=0, missing=seeds, note="no cell succeeded")
    try:
        found, by_seed = values_of(claim, ok)
    except Exception as error:  # what it asks for is in no line, or is no number
        note = f"{type(error).__name__}: {error}"
        return Judgement(claim=claim, repetitions=0, missing=seeds, note=note)
    if len(by_seed) > seeds or by_seed.index.has_duplicates:
        raise ValueError(
            f"the estimate of {claim.name!r} has {len(by_seed)} values for {seeds} seeds: "
            "return one value per seed, averaged over whatever else varies."
        )
    used = by_seed.dropna().to_numpy()
    judgement = Judgement(claim=claim, repetitions=len(used), missing=seeds - len(used))
    if not len(used):
        return judgement
    if claim.kind == "check":
        return counted(judgement, used)
    if note := unusable(used):
        return replace(judgement, note=note)

    def interval_at(confidence: float, n: int) -> Interval:
        return interval_of(used, found.units, found.kind, confidence, repetitions=n)

    return by_interval(judgement, interval_at)


def values_of(claim: Claim, ok: DataFrame) -> tuple[Values, Any]:
    """What the estimate finds in the lines that succeeded, and its values as numbers."""
    found = claim.estimate.of(ok)
    return found, found.by_seed.astype(float)


def unusable(used: np.ndarray) -> str:
    """Why no interval can be computed; empty if one can."""
    infinite = ~np.isfinite(used)
    if infinite.any():
        return f"{infinite.sum()} of {len(used)} values are infinite"
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest
        finite = math.isfinite(float(used.std()))
    return "" if finite else "the values are too large for their spread to be a number"


def counted(judgement: Judgement, used: np.ndarray) -> Judgement:
    """The verdict on a check: it holds in every repetition, or it does not."""
    low, high = judgement.claim.predicted
    holds = int(((low <= used) & (used <= high)).sum())
    verdict = "supported" if holds == len(used) else "refuted"
    note = f"holds in {holds} of {len(used)}"
    return replace(judgement, verdict=verdict, note=note, holds=holds)


def by_interval(judgement: Judgement, interval_at: Callable[[float, int], Interval]) -> Judgement:
    """The verdict of ``interval_at(confidence, repetitions)`` on a claim."""
    predicted, n = judgement.claim.predicted, judgement.repetitions

    def decided(confidence: float, total: int) -> bool:
        return verdict_of(predicted, interval_at(confidence, total)) != "undecided"

    interval = interval_at(CONFIDENCE, n)
    verdict = verdict_of(predicted, interval)
    further = None
    if verdict == "undecided":
        further = further_seeds(lambda total: decided(CONFIDENCE, total), n)
    return replace(
        judgement,
        interval=interval,
        note=f"{n} equal values: unknown spread" if n > 1 and interval.method == "none" else "",
        verdict=verdict,
        further_seeds=further,
        p_value=p_value(lambda confidence: decided(confidence, n)),
    )


def verdict_of(predicted: tuple[float, float], interval: Interval) -> Verdict:
    """Whether all, none or a part of ``interval`` is predicted."""
    low, high = predicted
    if low <= interval.low and interval.high <= high:
        return "supported"
    return "refuted" if interval.high < low or interval.low > high else "undecided"


def further_seeds(decided: Callable[[int], bool], n: int) -> int | None:
    """How many more values would decide if mean and spread stayed; None if too many."""
    if n == 1:
        return 1  # before there are two there is no spread to go by
    low, high = n, n + 1
    while not decided(high):
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high - n


def p_value(decided: Callable[[float], bool]) -> float:
    """1 less the highest confidence at which the verdict is still decided; 1 if it never is.

    Intervals of less confidence lie inside those of more, so a verdict once decided stays.
    """
    if decided(1 - SMALLEST_P):
        return SMALLEST_P
    low, high = math.log(SMALLEST_P), 0.0  # undecided at exp(low), decided at most at exp(high)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if decided(-math.expm1(middle)) else (middle, high)
    return math.exp(high)
