"""What one pass over all samples tells of networks in training."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int, Shaped
from torch import Tensor


class Sweep(NamedTuple):
    """Networks at one point of their training, and their losses there."""

    weight: Float[Tensor, "nets neurons d"]
    gradient: Float[Tensor, "nets neurons d"]  # of the mean loss
    loss: Float[Tensor, " nets"]  # mean over the samples, float64
    error: Float[Tensor, " nets"]  # fraction of the samples that are wrong
    rounding: Float[Tensor, " nets"]  # losses that differ by less are equal as far as known

    def of(self, nets: Shaped[Tensor, " some"]) -> "Sweep":
        """The same of some of the networks, by number or by a mask."""
        return Sweep(*(each[nets] for each in self))

    def replaced(self, nets: Int[Tensor, " some"], by: "Sweep") -> "Sweep":
        """The same with the networks numbered ``nets`` at other points."""
        return Sweep(*(old.index_copy(0, nets, new) for old, new in zip(self, by, strict=True)))


Sweeps = Callable[[Tensor, Tensor], Sweep]  # (weight of some nets, which nets) -> sweep
