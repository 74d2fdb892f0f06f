"""Confidence intervals: Student's for means over repetitions, Wilson's for proportions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean and the interval that covers its expectation."""

    mean: float
    low: float
    high: float
    method: str = "t"


def student(mean: float, spread: float, n: int, confidence: float = 0.95) -> Interval:
    """Student's t-interval around a mean of ``n`` values of sample standard deviation ``spread``.

    One value says nothing about its spread, so its interval is the whole line.
    """
    if n == 1:
        return Interval(mean, -math.inf, math.inf)
    from scipy.special import stdtrit  # takes longer to import than a help text may

    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * spread / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def mean_and_spread(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Mean and sample standard deviation; exact where all values are equal.

    Infinite where the values are too large for their squares.

    Raises:
        ValueError: If there is no value or one is not finite.
    """
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"values is a non-empty list of finite numbers, got {values!r}.")
    if (sample == sample[0]).all():  # a rounded mean would make equal numbers differ from it
        return float(sample[0]), 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest
        return float(sample.mean()), float(sample.std(ddof=1))


def mean_interval(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> Interval:
    """Student's t-interval for the expectation of independent ``values``."""
    return student(*mean_and_spread(values), len(values), confidence)


def wilson(successes: float, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a proportion (J. Am. Stat. Assoc. 22, 1927, 209-212).

    Unlike the t-interval it has a length where all trials agree: no error in n is not 0.

    Raises:
        ValueError: If ``trials < 1`` or ``successes`` lies outside [0, trials].
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"successes={successes} must lie in [0, trials={trials}], trials >= 1.")
    from scipy.special import ndtri

    p, z = successes / trials, float(ndtri(0.5 + confidence / 2))
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    # Exact ends at 0 and 1, where rounding would leave 1e-19.
    return Interval(
        p, centre - half if successes > 0 else 0.0, centre + half if successes < trials else 1.0
    )


def interval_of(sample, units, kind, confidence=0.95):  # placeholder until statistics land
    mean, spread = mean_and_spread(sample)
    return student(mean, spread, len(sample), confidence)
