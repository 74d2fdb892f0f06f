"""What a network has learned."""

from multiview.probes.coverage import Coverage, coverage_of, coverage_probes, view_coverage
from multiview.probes.lottery import Lottery, lottery_winners, view_norms, view_signal

__all__ = [
    "Coverage",
    "Lottery",
    "coverage_of",
    "coverage_probes",
    "lottery_winners",
    "view_coverage",
    "view_norms",
    "view_signal",
]
