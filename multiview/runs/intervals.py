"""Confidence intervals of expectations over repetitions; the unit of an error rate is the view.

A network that has not learned a view errs on every sample that shows this view alone, so the
errors of one repetition come in lumps of 1/(views), and a few repetitions often agree exactly.
Student's interval then has length zero, or nearly, and does not cover the truth. Values counted in
views are therefore treated as counts: of lost views out of all views of all repetitions.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

Kind = Literal["fraction", "difference", "number"]
Method = Literal["views", "t", "none"]
Numbers = float | np.ndarray
RANGES = {"fraction": (0.0, 1.0), "difference": (-1.0, 1.0), "number": (-math.inf, math.inf)}
ROUNDING = 1e-12  # values that differ by less, relative to the largest, are equal


class Interval(NamedTuple):
    """A mean and the interval that covers its expectation.

    ``method`` says how it was made: "t" is Student's, "views" takes the view as the unit, and
    "none" stands for the whole line: one value, or equal values, do not show their spread.
    """

    mean: float
    low: float
    high: float
    method: Method = "t"


def interval_of(
    sample: Sequence[float] | np.ndarray,
    units: int | None = None,
    kind: Kind = "number",
    confidence: float = 0.95,
    *,
    repetitions: int | None = None,
) -> Interval:
    """The interval of the expectation of independent values, one a repetition.

    Args:
        sample: The values (n,): finite.
        units: Of how many views a repetition each value is a fraction, or a difference of
            fractions; None: not counted in views.
        kind: What a value is. A "number" is never counted in views.
        repetitions: As if so many values of the same mean and spread had been measured.

    Raises:
        ValueError: If there is no value, one is not finite, or one is not what ``kind`` says.
    """
    values = np.asarray(sample, dtype=float)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"sample is a non-empty list of finite numbers, got {sample!r}.")
    units = units if kind != "number" else None
    if units is not None:
        check(values, units, kind)
    mean = float(values[0]) if (values == values[0]).all() else float(values.mean())
    if len(values) == 1 or (units is None and not has_spread(values)):
        return Interval(mean, -math.inf, math.inf, "none")
    low, high = ends(values, units, kind, confidence, repetitions or len(values))
    # A mean is rounded, an end at 0 or 1 is not: the one may pass the other by 1e-17.
    method = "t" if units is None else "views"
    return Interval(mean, min(float(low), mean), max(float(high), mean), method)


def check(values: np.ndarray, units: int, kind: Kind) -> None:
    """Refuse values that are no fractions of ``units`` views, or no differences of such."""
    low, high = RANGES[kind]
    if units < 1:
        raise ValueError(f"units={units} must be at least one view a repetition.")
    if values.min() < low - 1e-6 or values.max() > high + 1e-6:
        raise ValueError(f"a {kind} lies in [{low:g}, {high:g}], got {values}.")


def has_spread(values: np.ndarray) -> bool:
    """Whether ``values`` differ by more than rounding."""
    return bool(np.ptp(values) > ROUNDING * np.abs(values).max())


def ends(
    samples: np.ndarray, units: int | None, kind: Kind, confidence: float, n: int
) -> tuple[Any, Any]:
    """Lower and upper ends for many samples (..., size) at once, as if each had ``n`` values."""
    mean, variance = samples.mean(-1), samples.var(-1, ddof=1)
    if units is None:
        return student(mean, variance, n, confidence)
    if kind == "fraction":
        return fraction(np.clip(mean, 0, 1), variance, n, units, confidence)
    low, high = student(mean, variance, n, confidence, least=discordance(n * units, confidence))
    below, above = fraction(np.clip(np.abs(mean), 0, 1), variance, n, units, confidence)
    # Where no repetition has the other sign, the difference is as skewed as a fraction.
    gains, losses = (samples >= 0).all(-1), (samples <= 0).all(-1)
    low = np.where(gains, np.minimum(low, below), low)
    low = np.where(losses, np.minimum(low, -above), low)
    high = np.where(gains, np.maximum(high, above), high)
    high = np.where(losses, np.maximum(high, -below), high)
    return np.maximum(low, -1), np.minimum(high, 1)


def student(
    mean: Numbers, variance: Numbers, n: int, confidence: float, least: float = 0.0
) -> tuple[Numbers, Numbers]:
    """Student's interval of ``n`` values, at least ``least`` long on either side of the mean."""
    half = np.maximum(quantile(n - 1, confidence) * np.sqrt(variance / n), least)
    return mean - half, mean + half


def discordance(views: int, confidence: float) -> float:
    """Clopper and Pearson's upper end for no view out of ``views`` on which two methods differ."""
    return 1 - ((1 - confidence) / 2) ** (1 / views)


def fraction(
    mean: Numbers, variance: Numbers, n: int, units: int, confidence: float
) -> tuple[Numbers, Numbers]:
    """The interval of a fraction of ``units`` views, measured ``n`` times.

    Korn and Graubard's (Survey Methodology 24, 1998, 193-201): Clopper and Pearson's interval for
    the effective number of views, which is the number of views over their over-dispersion (the
    variance between repetitions, over that of independent views), times a correction for how well
    ``n`` repetitions show it. Two departures, without which few lost views break it:

    - The binomial variance counts as prior knowledge worth 2 / (1 + 2 lost views) degrees of
      freedom, as no lost view at all shows no variance.
    - The over-dispersion is at least 1 while at most one view in three repetitions is lost, and at
      least 1 / (3 lost views a repetition) beyond: small counts often agree by chance.

    Both numbers were chosen by simulating the coverage (tests/runs/test_interval_coverage.py).
    """
    from scipy.special import betaincinv  # takes longer to import than a help text may

    views = n * units
    lost = np.minimum(mean, 1 - mean) * views  # or kept, whichever is rarer
    guess = (mean * views + 0.5) / (views + 1)
    prior = 2 / (1 + 2 * lost)
    ratio = variance * units / (guess * (1 - guess))
    dispersion = (prior + (n - 1) * ratio) / (prior + n - 1)
    dispersion = np.maximum(dispersion, np.minimum(1, n / np.maximum(3 * lost, 1e-9)))
    correction = quantile(views - 1, confidence) / quantile(prior + n - 1, confidence)
    trials = views / dispersion * np.minimum(correction, 1) ** 2
    count, tail = mean * trials, (1 - confidence) / 2
    others = trials - count
    low = betaincinv(np.maximum(count, 1e-300), others + 1, tail)
    high = betaincinv(count + 1, np.maximum(others, 1e-300), 1 - tail)
    return np.where(mean > 0, low, 0.0), np.where(mean < 1, high, 1.0)


def quantile(degrees: Numbers, confidence: float) -> Numbers:
    """Student's two-sided quantile."""
    from scipy.special import stdtrit

    return stdtrit(degrees, 0.5 + confidence / 2)
