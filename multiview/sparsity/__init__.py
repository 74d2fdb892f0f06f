"""L0 regularisation: hard-concrete gates, their penalty, and networks without what they close.

Of a hard-concrete gate z with parameter log a: ``eval_gates`` is its value at test time,
``open_probability`` is P(z != 0), ``full_probability`` P(z = 1), ``mean_gates`` E z and
``median_gates`` the median. ``number_of_gates`` counts those of a network.
"""

from multiview.sparsity.baselines import (
    magnitude_pruned,
    reinitialised,
    remaining,
    share_open,
    with_dropout,
)
from multiview.sparsity.flops import flops, units_left
from multiview.sparsity.hard_concrete import (
    HardConcrete,
    eval_gates,
    full_probability,
    mean_gates,
    median_gates,
    open_probability,
    sampled_gates,
)
from multiview.sparsity.layers import (
    Gated,
    GatedConv2d,
    GatedLinear,
    GatedPatchNet,
    gated_layers,
    number_of_gates,
)
from multiview.sparsity.penalty import L0Spec, expected_l0, expected_share, l0_penalty
from multiview.sparsity.prune import pruned
from multiview.sparsity.training import Sparsifying, recalibrate_batchnorm, sparsify
from multiview.sparsity.wrap import gate_blocks, gate_layers, with_gates

__all__ = [
    "Gated",
    "GatedConv2d",
    "GatedLinear",
    "GatedPatchNet",
    "HardConcrete",
    "L0Spec",
    "Sparsifying",
    "eval_gates",
    "expected_l0",
    "expected_share",
    "flops",
    "full_probability",
    "gate_blocks",
    "gate_layers",
    "gated_layers",
    "l0_penalty",
    "magnitude_pruned",
    "mean_gates",
    "median_gates",
    "number_of_gates",
    "open_probability",
    "pruned",
    "recalibrate_batchnorm",
    "reinitialised",
    "remaining",
    "sampled_gates",
    "share_open",
    "sparsify",
    "units_left",
    "with_dropout",
    "with_gates",
]
