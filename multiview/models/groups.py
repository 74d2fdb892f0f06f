"""Several nets as one module: side by side, summed, or averaged."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks


class SideBySide(nn.Module):
    """The outputs of several nets on the same inputs, one beside the other.

    Trained on the sum of their losses, each learns as it would alone where no parameter is shared
    (as in ``RocketNets`` some are).

    Raises:
        ValueError: If there is no net; in the forward pass, if their outputs differ in shape.
    """

    def __init__(self, nets: Iterable[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(checks.networks("nets", nets))

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n members k"]:
        return torch.stack(_alike([net(x) for net in self.nets]), 1)


class SumOfNets(nn.Module):
    """F = sum of the nets' outputs: to train it is to train them as one wide network.

    The plain sum, as for PatchNets. The mean is the same function class with another step: in the
    mean of E nets, a rate E times as large moves each net as far as if it were trained alone.

    Raises:
        ValueError: As ``SideBySide``.
    """

    def __init__(self, nets: Iterable[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(checks.networks("nets", nets))

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        return torch.stack(_alike([net(x) for net in self.nets])).sum(0)


class MeanOfNets(SumOfNets):
    """F = mean of the nets' outputs, trained as one; at the sum's rate it takes other steps.

    Raises:
        ValueError: As ``SideBySide``.
    """

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        return super().forward(x) / len(self.nets)


def _alike(outputs: list[Tensor]) -> list[Tensor]:
    """The outputs, refused if they are of different shapes, as of nets with other classes."""
    kinds = [tuple(each.shape) for each in outputs]
    if len(set(kinds)) > 1:
        raise ValueError(
            f"nets give outputs of shapes {kinds}: use nets with the same number of classes."
        )
    return outputs
