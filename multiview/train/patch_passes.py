"""The two passes over the pre-activations of patch networks, before and after the loss.

The activation is the smoothed ReLU in units of its knee: slope * (z - (1 - 1/q) min(z+, 1)) with
slope = min(z+, 1)^(q-1), see ``smoothed_relu``. Both ways to compute it agree to rounding.
"""

import ctypes
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.train.compiled import library
from multiview.train.workspace import Workspace

COMPILED = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
POWERS = (2, 3, 4)  # that are compiled


@runtime_checkable
class Passes(Protocol):
    """The passes over z, pre-activations in units of the knee, which they overwrite."""

    def activate(
        self, z: Float[Tensor, "groups terms n"]
    ) -> tuple[Float[Tensor, "groups n"], Float[Tensor, "groups terms n"]]:
        """The sum of each group's activations, and what ``pull`` takes."""
        ...

    def pull(
        self, held: Float[Tensor, "groups terms n"], residual: Float[Tensor, "residuals n"]
    ) -> Float[Tensor, "groups terms n"]:
        """Slopes times the residual of their group, in the type of z.

        Args:
            residual: Of each group, or of fewer that groups take in turn.
        """
        ...


def passes_for(q: float, weight: Tensor, products: torch.dtype, workspace: Workspace) -> Passes:
    """The compiled passes where they can be had and are made for these numbers, else the plain.

    Args:
        q: Power of the smoothed ReLU below its knee.
        weight: Of the type and on the device of sums.
        products: Type of z.
    """
    made_for = weight.dtype == torch.float32 and weight.device.type == "cpu"
    compiled = library() if made_for and products in COMPILED and q in POWERS else None
    if compiled is None:
        return Plain(q=q, like=weight, workspace=workspace)
    return Compiled(library=compiled, name=f"{COMPILED[products]}_{q:.0f}")


@dataclass(frozen=True, kw_only=True)
class Plain:
    """By torch's operations, in the type of the sums."""

    q: float
    like: Tensor
    workspace: Workspace

    def activate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Passes``."""
        if z.dtype != self.like.dtype:
            z = self.workspace.take("z", z.shape, self.like).copy_(z)
        slope = torch.clamp(z, 0, 1, out=self.workspace.take("slope", z.shape, self.like))
        active = z.sub_(slope, alpha=1 - 1 / self.q).mul_(slope.pow_(self.q - 1))
        return active.sum(1), slope

    def pull(self, held: Tensor, residual: Tensor) -> Tensor:
        """See ``Passes``."""
        in_turn = held.view(-1, len(residual), *held.shape[1:])
        return in_turn.mul_(residual.unsqueeze(1)).view_as(held)


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """Each in one go through memory, by the C of ``compiled``; slopes are computed twice."""

    library: ctypes.CDLL
    name: str

    def activate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Passes``."""
        sums = z.new_empty((z.shape[0], z.shape[2]), dtype=torch.float32)
        self._call("activate", z, sums, *z.shape)
        return sums, z

    def pull(self, held: Tensor, residual: Tensor) -> Tensor:
        """See ``Passes``."""
        residual = residual.to(torch.float32).contiguous()  # whatever a loss of somebody's gives
        self._call("pull", held, residual, len(residual), *held.shape)
        return held

    def _call(self, what: str, z: Tensor, other: Tensor, *sizes: int) -> None:
        function = getattr(self.library, f"{what}_{self.name}")
        tensors = (ctypes.c_void_p(each.data_ptr()) for each in (z, other))
        function(*tensors, *map(ctypes.c_long, sizes), ctypes.c_int(torch.get_num_threads()))
