"""What networks and kernels on images will take, counted before anything begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from theory_experiments._image_contrast import Cost
from theory_experiments._rate import gemm_rate


@dataclass(frozen=True, kw_only=True)
class NetCost:
    """Cost of one network on one image."""

    forward: float  # FLOP; a backward pass takes twice as many
    activations: float  # bytes kept for the backward pass
    weights: float  # bytes of parameters and buffers


def cost_of(net: nn.Module, image: Tensor) -> NetCost:
    """Count a forward pass in train mode.

    Args:
        image: (C, H, W).
    """
    kept: dict[int, int] = {}
    own = {value.data_ptr() for value in net.parameters()}

    def note(value: Tensor) -> Tensor:
        if value.data_ptr() not in own:
            kept[value.data_ptr()] = value.numel() * value.element_size()
        return value

    batch = torch.stack([image, image])  # BatchNorm takes no single value
    net.train()
    with FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(note, lambda value: value):
            outputs = net(batch)
            activations = sum(kept.values())
        del outputs
    weights = sum(each.numel() * each.element_size() for each in net.state_dict().values())
    return NetCost(
        forward=counter.get_total_flops() / 2, activations=activations / 2, weights=weights
    )


def time_and_memory(flop: float, memory: float, cells: int, device: str, bfloat16: bool) -> str:
    """One line for ``Experiment.cost``.

    Args:
        flop: Of all cells.
        memory: Bytes of one cell.
    """
    kind = torch.bfloat16 if bfloat16 else torch.float32
    rate = gemm_rate(device, kind)
    least = timedelta(seconds=round(flop / rate))
    return (
        f"Expected for {cells} cells: {flop:.1e} FLOP of training, at least {least} at the "
        f"{rate:.1e} FLOP/s of {str(kind).removeprefix('torch.')} products here (small networks "
        f"take several times as long); about {memory / 1e9:.1f} GB of weights, optimiser and "
        "activations at once. That is from the beginning: a killed run goes on within a cell."
    )


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
