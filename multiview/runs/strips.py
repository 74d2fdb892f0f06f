"""Strips: a claim's predicted range and its measured value on a line, as shares of its length.

Claims have different scales, so every strip has its own linear one: the middle of the predicted
range, or the only end of an open one, stands in the middle of the strip, and the scale is as wide
as the range and the measured interval need. Lengths of one strip can be compared, those of two
strips cannot. A check has no interval; its strip shows in how many repetitions it holds.
"""

import math
from typing import NamedTuple

from multiview.runs.claims import Judgement
from multiview.runs.intervals import Interval

BAND = 0.5  # of a strip, which a range with two ends fills at most
REACH = 0.94  # of either half of a strip, within which the interval ends
MOST_BOXES = 60  # repetitions of a check that are drawn one by one


class Box(NamedTuple):
    """Repetitions of a check in which it holds, or in which it does not."""

    left: float
    width: float
    holds: bool


class Strip(NamedTuple):
    """What is drawn of a claim; 0 is the left end of the strip, 1 its right one.

    Attributes:
        band: The ends of the predicted range. None of a check.
        opens: Whether the range goes on beyond the left and the right end.
        mean: None without a measured value.
        interval: None where nothing shows the spread.
        boxes: Those of a check.
    """

    band: tuple[float, float] | None = None
    opens: tuple[bool, bool] = (False, False)
    mean: float | None = None
    interval: tuple[float, float] | None = None
    boxes: tuple[Box, ...] = ()


def strip_of(judgement: Judgement) -> Strip:
    """The strip of a claim or of a check."""
    if judgement.claim.kind == "check":
        return Strip(boxes=boxes(judgement.holds or 0, judgement.repetitions))
    return scaled(judgement.claim.predicted, judgement.interval)


def boxes(holds: int, repetitions: int) -> tuple[Box, ...]:
    """One box a repetition, those in which the check holds first; two boxes where they are many."""
    if repetitions > MOST_BOXES:
        share = holds / repetitions
        both = Box(0.0, share, True), Box(share, 1 - share, False)
        return tuple(box for box in both if box.width)
    return tuple(Box(i / repetitions, 1 / repetitions, i < holds) for i in range(repetitions))


def scaled(predicted: tuple[float, float], interval: Interval | None) -> Strip:
    """A range and what was measured, on the scale that both need."""
    low, high = predicted
    known = [each for each in interval or () if isinstance(each, float) and math.isfinite(each)]
    ends = [end for end in predicted if math.isfinite(end)]
    middle = sum(end / len(ends) for end in ends) if ends else (known or [0.0])[0]
    half = high - middle if len(ends) == 2 else 0.0
    reach = max((abs(each - middle) for each in known), default=0.0)
    unit = 2 * max(half / BAND, reach / REACH) or 1.0  # what the length of the strip stands for

    def place(value: float) -> float:
        return min(max(0.5 + (value - middle) / unit, 0.0), 1.0)

    drawn = interval is not None and math.isfinite(interval.low) and math.isfinite(interval.high)
    return Strip(
        band=(place(low), place(high)),
        opens=(math.isinf(low), math.isinf(high)),
        mean=None if interval is None else place(interval.mean),
        interval=(place(interval.low), place(interval.high)) if drawn and interval else None,
    )
