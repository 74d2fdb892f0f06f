"""How the two views of each class grow, from the start into the tail of the loss."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch, sample_patches
from multiview.models import PatchNet
from multiview.probes import view_norms
from multiview.train.metrics import wrong
from theory_experiments._contrast import Progress
from theory_experiments._lottery import LotteryCell
from theory_experiments._patch_nets import fit, logits_of

RESCALED = np.linspace(0, 2, 81)  # in units of a winner's time half way to the knee
TAIL_LOSSES = np.logspace(-1, -4, 25)  # 8 a decade


@dataclass(frozen=True)
class Trace:
    """The networks at every sweep over the samples."""

    time: Float[Tensor, "sweeps members"]  # of the gradient flow
    loss: Float[Tensor, "sweeps members"]
    error: Float[Tensor, "sweeps members"]  # on single-view test samples
    norms: Float[Tensor, "sweeps members k 2"]  # Lambda

    def paths(self, winner: Int[Tensor, "members k"]) -> tuple[Tensor, Tensor]:
        """Lambda of these views and of the others, each (sweeps, members, k)."""
        chosen = winner.expand(len(self.norms), *winner.shape).unsqueeze(-1)
        winners = self.norms.gather(-1, chosen).squeeze(-1)
        return winners, self.norms.sum(-1) - winners


def follow(
    cell: LotteryCell,
    start: PatchNet,
    train: PatchBatch,
    features: Float[Tensor, "k L d"],
    progress: Progress,
) -> tuple[PatchNet, Trace]:
    """The networks that the usual rule stops, and a trace that goes on beyond it."""
    test = sample_patches(
        cell.spec, features, cell.num_test, stream(cell.seed, "test", "single"), kind="single"
    )
    begin = torch.zeros(cell.members, dtype=torch.float64)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def observe(time: Tensor, net: PatchNet) -> None:
        error = wrong(logits_of(net, test), test.labels).double().mean(0)
        seen.append((begin + time, error, view_norms(net, features)))

    trained = fit("members", start, train, cell.train, progress, 0.0, 0.8, observe=observe)
    begin = trained.flow_time
    tail = fit("tail", trained.net, train, cell.tail, progress, 0.8, 1.0, observe=observe)
    time, error, norms = (torch.stack(each) for each in zip(*seen, strict=True))
    loss = torch.cat([trained.loss, tail.loss])
    return trained.net, Trace(time=time, loss=loss, error=error, norms=norms)


def rise(
    cell: LotteryCell,
    time: Float[Tensor, "sweeps members"],
    winners: Float[Tensor, "sweeps members k"],
    losers: Float[Tensor, "sweeps members k"],
) -> dict[str, Any]:
    """Lambda against time in units of what the class's winner takes half way to the knee.

    Returns:
        ``rise_time`` (times,); ``rise_winner`` and ``rise_loser`` (members, k, times), log10 of
        Lambda, NaN after the end of the trace and for a class whose winner never came so far.
    """
    times, shape = time.numpy(), (*winners.shape[1:], len(RESCALED))
    paths = {"rise_winner": np.full(shape, np.nan), "rise_loser": np.full(shape, np.nan)}
    logs = {
        name: path.clamp(min=1e-4).log10().numpy()
        for name, path in zip(paths, (winners, losers), strict=True)
    }
    for e, i in np.ndindex(shape[:2]):
        above = winners[:, e, i] >= cell.relu_knee / 2
        if above.any():
            scaled = times[:, e] / times[int(above.int().argmax()), e]
            for name, path in logs.items():
                paths[name][e, i] = np.interp(RESCALED, scaled, path[:, e, i], right=np.nan)
    return {"rise_time": RESCALED, **paths}


def tail(
    trace: Trace,
    winners: Float[Tensor, "sweeps members k"],
    losers: Float[Tensor, "sweeps members k"],
) -> dict[str, Any]:
    """The networks when their loss first is below each of TAIL_LOSSES, NaN if it never was.

    Returns:
        ``tail_loss`` (losses,); ``tail_error`` (losses, members) on single-view test samples;
        ``tail_winner`` and ``tail_loser`` (losses, members, k), Lambda.
    """
    below = trace.loss <= torch.from_numpy(TAIL_LOSSES).view(-1, 1, 1)  # (losses, sweeps, members)
    first, reached = below.int().argmax(1), below.any(1)
    members = torch.arange(trace.loss.shape[1])
    measures: dict[str, Any] = {"tail_loss": TAIL_LOSSES}
    for name, path in {"error": trace.error, "winner": winners, "loser": losers}.items():
        value = path[first, members]
        known = reached.view(*reached.shape, *[1] * (value.dim() - 2))
        measures[f"tail_{name}"] = value.where(known, math.nan)
    return measures
