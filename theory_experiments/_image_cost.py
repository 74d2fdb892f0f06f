"""What networks and kernels on images will take, counted before anything begins."""

from collections.abc import Sequence
from datetime import timedelta

import torch

from multiview.bench.cost import NetCost, cost_of, gemm_rate, time_and_memory
from theory_experiments._image_contrast import Cost

__all__ = ["NetCost", "cost_of", "kernels_and_training", "time_and_memory"]


def kernels_and_training(each: Sequence[Cost], device: str) -> str:
    """One line for ``Experiment.cost`` of cells with kernels, at this device's rate of products."""
    kernels, solves, training = (
        sum(getattr(one, name) for one in each) for name in ("kernels", "solves", "training")
    )
    rate, double = gemm_rate(device), gemm_rate("cpu", torch.float64)
    seconds = (kernels + training) / rate + solves / double
    trained = f"{training:.1e} of training, " if training else ""
    return (
        f"Expected for {len(each)} cells: {kernels:.1e} FLOP of kernels, {trained}"
        f"{solves:.1e} of solves; at least {timedelta(seconds=round(seconds))} at the "
        f"{rate:.1e} FLOP/s of float32 products here. Kernels hold "
        f"{max(one.memory for one in each) / 1e9:.1f} GB."
    )
