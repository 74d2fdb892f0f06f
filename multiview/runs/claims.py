"""Claim: a statement of the paper, what it predicts, and the verdict of the rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from multiview.runs.intervals import Interval, mean_and_spread, student, wilson

Verdict = Literal["supported", "refuted", "undecided"]
MOST_SEEDS = 10**6  # a claim that needs more is called undecidable


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A prediction that the rows of one run can contradict.

    Attributes:
        source: Where the paper says so, e.g. "Theorem 2" or "Table 1".
        statement: One sentence a reader understands without the paper.
        predicted: Ends of the predicted interval, both allowed values; infinite where open.
        estimate: ``estimate(table)``, one value per independent repetition, from the rows that
            succeeded. NaN where a repetition lacks it.
        trials: If the values are fractions: of how many independent trials each.
    """

    name: str
    source: str
    statement: str
    predicted: tuple[float, float]
    estimate: Callable[[Any], Any]
    trials: int | None = None
    decided: Literal["before", "after"] = "before"
    kind: Literal["claim", "check"] = "claim"
    primary: bool = False

    def __post_init__(self) -> None:
        low, high = self.predicted
        if not low <= high:
            raise ValueError(f"predicted={self.predicted} of {self.name!r} is not (low, high).")
        if self.trials is not None and self.trials < 1:
            raise ValueError(f"trials={self.trials} of {self.name!r} must be at least 1.")


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
    edited: tuple[str, ...] = ()


def judge(claim: Claim, table: Any) -> Judgement:
    """Compare ``claim`` with a run's table (one row a cell, with ``seed`` and ``status``).

    Supported if the whole interval is predicted, refuted if none of it is, else inconclusive: also
    where values are infinite, or the estimate cannot be computed, as a note says.

    Raises:
        ValueError: If there are more values than seeds: values of one repetition are not
            independent, and an interval over them would be too short.
    """
    ok, note = table[table["status"] == "ok"], ""
    try:
        values = (
            np.atleast_1d(np.asarray(claim.estimate.of(ok).by_seed, dtype=float)) if len(ok) else []
        )
    except Exception as error:  # what it asks for is in no row, or is no number
        values, note = [], f"{type(error).__name__}: {error}"
    seeds = table["seed"].nunique()
    if np.ndim(values) != 1 or len(values) > seeds:
        raise ValueError(
            f"the estimate of {claim.name!r} has shape {np.shape(values)} for {seeds} seeds: "
            "return one value per seed, averaged over whatever else varies."
        )
    used = np.asarray([value for value in values if not math.isnan(value)])
    finite = used[np.isfinite(used)]
    if claim.trials is not None and not all(0 <= value <= 1 for value in finite):
        raise ValueError(f"{claim.name!r} has trials, so its values are fractions, got {used}.")
    incomplete = len(ok) < len(table) or bool(note)
    judgement = Judgement(
        claim=claim,
        repetitions=len(used),
        missing=(seeds if incomplete else len(values)) - len(used),
        note=note,
    )
    if not len(used):
        return judgement
    if not np.isfinite(used).all():
        infinite = f"{(~np.isfinite(used)).sum()} of {len(used)} values are infinite"
        return replace(judgement, note=infinite)
    mean, spread = mean_and_spread(used)
    if not math.isfinite(spread):
        return replace(judgement, note="the values are too large for their spread to be a number")
    interval = interval_of(claim, mean, spread, len(used))
    verdict = verdict_of(claim, interval)
    further = None
    if verdict == "undecided":
        further = further_seeds(claim, mean, spread, len(used))
    return replace(judgement, interval=interval, verdict=verdict, further_seeds=further)


def interval_of(claim: Claim, mean: float, spread: float, n: int) -> Interval:
    """The 95% interval of the expectation of ``n`` independent values of this mean and spread."""
    if claim.trials is None:
        return student(mean, spread, n)
    if spread == 0 and n > 1:
        return wilson(mean * claim.trials * n, claim.trials * n)
    _, low, high, _ = student(mean, spread, n)
    return Interval(mean, max(low, 0.0), min(high, 1.0))


def verdict_of(claim: Claim, interval: Interval) -> Verdict:
    """Whether all, none or a part of ``interval`` is predicted."""
    low, high = claim.predicted
    if low <= interval.low and interval.high <= high:
        return "supported"
    return "refuted" if interval.high < low or interval.low > high else "undecided"


def further_seeds(claim: Claim, mean: float, spread: float, n: int) -> int | None:
    """How many more values would decide the claim if mean and spread stayed; None if too many."""
    if n == 1:
        return 1  # before there are two there is no spread to go by

    def decided(total: int) -> bool:
        return verdict_of(claim, interval_of(claim, mean, spread, total)) != "undecided"

    low, high = n, n + 1
    while not decided(high):
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high - n


def registered(claim: Claim) -> dict[str, Any]:
    return {"name": claim.name}


def edited(claim: Claim, registration: Any) -> list[str]:
    return []


def benjamini_hochberg(judged: Any, level: float = 0.05) -> set[str]:
    return set()


def summary_of(judged: Any) -> str:
    return f"{len(judged)} claims"
