"""A light net and its boosters side by side, which may hold the same weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from multiview import checks
from multiview.models.groups import SideBySide


class RocketNets(SideBySide):
    """Logits (n, 1 + boosters, k) of a light net, first, and of one booster or more.

    What the nets share they hold as the same objects, parameters or layers: each is then one
    parameter of this module, with the sum of both nets' gradients. Layers with running statistics
    (BatchNorm) are best left to each.

    Args:
        delay: Fraction of a training's steps before the hint acts, in [0, 1).

    Attributes:
        hint_acts: Buffer, 1 where the hint acts now and 0 before; ``after_step`` sets it.

    Raises:
        ValueError: If there is no booster, two of the nets are one, or ``delay`` is out of range.
    """

    hint_acts: Tensor

    def __init__(
        self, light: nn.Module, booster: nn.Module | Sequence[nn.Module], *, delay: float = 0.0
    ) -> None:
        checks.module("light", light)
        boosters = checks.networks("booster", [booster] if _is_net(booster) else booster)
        nets = [light, *boosters]
        if len({id(net) for net in nets}) < len(nets):
            raise ValueError(
                "light and booster are the same module: give two modules that hold the same layers."
            )
        delay = checks.number("delay", delay, "[0, 1)", meaning="is a fraction of the steps")
        super().__init__(nets)
        self.delay = delay
        self.register_buffer("hint_acts", torch.tensor(float(delay == 0)))

    @property
    def light(self) -> nn.Module:
        """The net that is to be used."""
        return self.nets[0]

    @property
    def boosters(self) -> list[nn.Module]:
        """Those that help to train it."""
        return list(self.nets)[1:]

    def after_step(self, done: int, total: int) -> None:
        """For ``fit``: let the hint act once a fraction ``delay`` of the steps is done."""
        self.hint_acts.fill_(float(done >= self.delay * total))


def _is_net(booster: object) -> bool:
    """Whether this is one network, and no list of them."""
    return isinstance(booster, nn.Module) and not isinstance(booster, nn.ModuleList)
