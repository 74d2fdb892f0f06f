"""What a network has learned."""

from multiview.probes.coverage import Coverage, coverage_of, coverage_probes, view_coverage
from multiview.probes.lottery import (
    Lottery,
    loser_growth,
    lottery_winners,
    stray_norms,
    view_norms,
    view_signal,
)
from multiview.probes.memorisation import (
    LogitParts,
    logit_parts,
    noise_share,
    patch_logits,
    with_fresh_noise,
    without_noise,
)

__all__ = [
    "Coverage",
    "LogitParts",
    "Lottery",
    "coverage_of",
    "coverage_probes",
    "logit_parts",
    "loser_growth",
    "lottery_winners",
    "noise_share",
    "patch_logits",
    "stray_norms",
    "view_coverage",
    "view_norms",
    "view_signal",
    "with_fresh_noise",
    "without_noise",
]
