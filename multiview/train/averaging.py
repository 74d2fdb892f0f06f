"""Averaged: a network in training beside the moving average of its weights."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from multiview import checks
from multiview.train.training import Best


class Averaged(nn.Module):
    """For ``fit``, with ``after_step``: the network; in eval mode that of the averaged weights.

    The average is exponential with its bias towards the start taken out: after t steps a weight of
    age a counts decay^a, and all counts sum to 1 (arXiv 1412.6980, Section 3). Buffers, such as
    running statistics, are the network's own: those of other weights.

    Args:
        net: Trained in place.
        decay: In [0, 1); None for no average.

    Raises:
        ValueError: If ``decay`` is out of range.
    """

    def __init__(self, net: nn.Module, decay: float | None) -> None:
        super().__init__()
        checks.module("net", net)
        if decay is not None:
            decay = checks.number(
                "decay", decay, "[0, 1)", meaning="of an average (None: no average)"
            )
        self.net = net
        self.average = None
        if decay is not None:
            self.average = AveragedModel(net, multi_avg_fn=_corrected(decay))
            self.average.requires_grad_(False)

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n *members k"]:
        if self.training or self.average is None:
            return self.net(x)
        return self.average(x)

    def after_step(self, done: int, total: int) -> None:
        """Take the newest weights into the average."""
        if self.average is not None:
            self.average.update_parameters(self.net)

    def finish(self) -> None:
        """Give the network its averaged weights, and leave it in eval mode."""
        if self.average is not None:
            self.net.load_state_dict(self.average.module.state_dict())
        self.net.eval()

    def best_of_net(self, best: Best) -> Best:
        """A best state of this module as one of the network that was scored."""
        prefix = "net." if self.average is None else "average.module."
        state = {
            name.removeprefix(prefix): value
            for name, value in best.state.items()
            if name.startswith(prefix)
        }
        return replace(best, state=state)


def _corrected(decay: float) -> Any:
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int) -> None:
        newest = (1 - decay) / (1 - decay ** (int(count) + 1))
        with torch.no_grad():
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight, newest)

    return update
