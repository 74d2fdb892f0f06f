"""What a network has learned."""

from multiview.probes.agreement import Agreement, agreement
from multiview.probes.coverage import (
    Coverage,
    coverage_of,
    coverage_probes,
    missed_views,
    view_coverage,
)
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
from multiview.probes.view_counts import GainByCount, gain_by_count, view_counts

__all__ = [
    "Agreement",
    "Coverage",
    "GainByCount",
    "LogitParts",
    "Lottery",
    "agreement",
    "coverage_of",
    "coverage_probes",
    "gain_by_count",
    "logit_parts",
    "loser_growth",
    "lottery_winners",
    "missed_views",
    "noise_share",
    "patch_logits",
    "stray_norms",
    "view_counts",
    "view_coverage",
    "view_norms",
    "view_signal",
    "with_fresh_noise",
    "without_noise",
]
