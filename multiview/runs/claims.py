"""Claim: a statement of the paper, what it predicts, and the verdict of the rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from multiview.runs.intervals import Interval, interval_of

if TYPE_CHECKING:
    from multiview.runs.estimates import Estimate, Values

Verdict = Literal["supported", "refuted", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("supported", "refuted", "undecided")
CONFIDENCE = 0.95
MOST_SEEDS = 10**6  # a claim that needs more is called undecidable
SMALLEST_P = 1e-9  # beyond, a p-value says more about the model than about the values


@dataclass(frozen=True, kw_only=True)
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
            raise ValueError(f"predicted={self.predicted} of {self.name!r} is not (low, high).")
        if self.primary and self.kind == "check":
            raise ValueError(f"{self.name!r} is a check: only a claim can be primary.")


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


def judge(claim: Claim, table: Any) -> Judgement:
    """Compare ``claim`` with a run's table (a line a cell and method; ``seed``, ``status``).

    A claim is supported if the whole interval is predicted, refuted if none of it is, else
    undecided: also where values are infinite, or the estimate cannot be computed, as a note says.

    Raises:
        ValueError: If there are more values than seeds (values of one repetition are not
            independent, and an interval over them would be too short), or if values said to be
            counted in views are no fractions.
    """
    seeds, ok = table["seed"].nunique(), table[table["status"] == "ok"]
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


def values_of(claim: Claim, ok: Any) -> tuple[Values, Any]:
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
    return replace(judgement, verdict=verdict, note=f"holds in {holds} of {len(used)}")


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


def benjamini_hochberg(judgements: Sequence[Judgement], level: float = 0.05) -> list[bool]:
    """Which decided verdicts survive if a share ``level`` of them may be false (in expectation).

    In the order of ``judgements``. The family is every claim that has a p-value: checks are not
    judged by one, and a claim without values was not tested.
    """
    family = sorted(p for j in judgements if (p := family_p(j)) is not None)
    passing = [p for rank, p in enumerate(family, 1) if p <= level * rank / len(family)]
    threshold = max(passing, default=-1.0)
    return [
        (p := family_p(j)) is not None and p <= threshold and j.verdict != "undecided"
        for j in judgements
    ]


def family_p(judgement: Judgement) -> float | None:
    """The p-value by which a claim enters a correction for many claims; None of a check."""
    return judgement.p_value if judgement.claim.kind == "claim" else None


@dataclass(frozen=True)
class Summary:
    """How many claims and checks got which verdict."""

    claims: dict[Verdict, int]
    checks: dict[Verdict, int]
    surviving: int  # decided claims that survive the correction for their number
    primary: dict[Verdict, int]  # of the claims, the primary ones

    def __str__(self) -> str:
        total, checks = sum(self.claims.values()), sum(self.checks.values())
        lines = [
            f"{total} claims: {in_words(self.claims)}; {self.surviving} of the decided ones stay "
            "so if corrected for their number (Benjamini-Hochberg, 5%)."
        ]
        if sum(self.primary.values()):
            lines.append(f"Primary claims: {in_words(self.primary)}.")
        if checks:
            lines.append(f"{checks} checks: {in_words(self.checks)}.")
        return " ".join(lines)


def summary_of(judgements: Sequence[Judgement]) -> Summary:
    """Counts of verdicts, of claims and of checks apart."""
    claims = [each for each in judgements if each.claim.kind == "claim"]
    return Summary(
        claims=counts(claims),
        checks=counts([each for each in judgements if each.claim.kind == "check"]),
        surviving=sum(benjamini_hochberg(claims)),
        primary=counts([each for each in claims if each.claim.primary]),
    )


def in_words(verdicts: Mapping[Verdict, int]) -> str:
    """``3 supported, 1 refuted, 0 undecided``."""
    return ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())


def counts(judgements: Sequence[Judgement]) -> dict[Verdict, int]:
    """How often each verdict occurs, none left out."""
    return {verdict: sum(each.verdict == verdict for each in judgements) for verdict in VERDICTS}


def registered(claim: Claim) -> dict[str, Any]:
    """What a run file keeps of a claim, so that a later edit shows. An open end is None."""
    return {
        "name": claim.name,
        "source": claim.source,
        "statement": claim.statement,
        "predicted": [end if math.isfinite(end) else None for end in claim.predicted],
        "kind": claim.kind,
        "decided": claim.decided,
        "primary": claim.primary,
        "digest": hashlib.sha256(claim.estimate.text.encode()).hexdigest()[:16],
    }


def edited(claim: Claim, registration: Mapping[str, Any] | None) -> list[str]:
    """The fields in which ``claim`` differs from its registration.

    "added" stands first if it has none, or was registered when rows had been seen.
    """
    if registration is None:
        return ["added"]
    now, added = registered(claim), ["added"] if registration.get("added") else []
    return added + [n for n in now if n not in registration or registration[n] != now[n]]
