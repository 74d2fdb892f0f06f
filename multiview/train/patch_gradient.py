"""The loss gradient of PatchNets in closed form: two matrix products per chunk, no graph."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.models.patch_net import PatchNet, chunk_size


@runtime_checkable
class Objective(Protocol):
    """A loss on logits that knows its own derivative."""

    def __call__(
        self, logits: Float[Tensor, "n e k"], rows: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n e k"]]:
        """Loss of each sample and net, and its derivative with respect to the logits.

        Args:
            rows: Which training samples these are.
        """
        ...


class Gradient(NamedTuple):
    """One pass over the samples; losses and logits are those before any step."""

    weight: Float[Tensor, "e k m d"]  # gradient of the mean loss
    loss: Float[Tensor, " e"]  # mean loss
    logits: Float[Tensor, "n e k"]  # e is 1 where the members are summed


class Workspace:
    """Memory that chunks and steps take in turn: fresh pages cost more than the work on them."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, int], like: Tensor) -> Float[Tensor, "a b"]:
        """An uninitialised tensor of the type of ``like``; the next of this name overwrites it."""
        size = shape[0] * shape[1]
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < size or buffer.dtype != like.dtype:
            buffer = self._buffers[name] = like.new_empty(size)
        return buffer[:size].view(shape)


def patch_gradient(
    net: PatchNet,
    patches: Float[Tensor, "N P d"],
    objective: Objective,
    rows: Int[Tensor, " n"],
    summed: bool = False,
    workspace: Workspace | None = None,
) -> Gradient:
    """Gradient of the mean loss over ``rows``, each member on its own or all as one sum.

    Logits of a chunk depend on that chunk alone, so forward, loss and backward run chunk by chunk:
    of a sample nothing is kept but its logits.

    Args:
        patches: All training samples.
        objective: Loss of a sample given its logits.
        rows: Samples to use: all for full-batch descent, some for SGD.
        summed: Feed F = sum over members to one loss (training the sum) instead of each F_e to
            its own. The plain sum, not the mean: a factor 1/E would shrink the knee relative to F.
        workspace: Buffers to use again from call to call.
    """
    workspace = workspace or Workspace()
    members, k, m, d = net.weight.shape
    P, q, knee = patches.shape[1], net.q, net.relu_knee
    flat, samples = net.weight.detach().flatten(0, 2), patches.flatten(1)
    total = torch.zeros_like(flat)
    losses, logits = [], []
    for chosen in rows.split(chunk_size(P, len(flat))):
        n = len(chosen)
        x = workspace.take("patches", (n, P * d), samples)
        torch.index_select(samples, 0, chosen, out=x)
        x = x.view(n * P, d)
        z = torch.mm(flat, x.T, out=workspace.take("z", (len(flat), n * P), flat))
        slope = torch.clamp(z, 0, knee, out=workspace.take("slope", (len(flat), n * P), flat))
        # sReLU = slope * (z - (1 - 1/q) min(z+, R)), see smoothed_relu.
        active = z.sub_(slope, alpha=1 - 1 / q).mul_(slope.div_(knee).pow_(q - 1))
        shape = (members, k, m, n, P)
        output = active.view(shape).sum((2, 4)).permute(2, 0, 1)  # (n, members, k)
        if summed:
            output = output.sum(1, keepdim=True)
        loss, residual = objective(output, chosen)
        pull = residual.permute(1, 2, 0)[:, :, None, :, None]  # broadcasts over m and P
        slope.view(shape).mul_(pull)
        total.addmm_(slope, x)
        losses.append(loss)
        logits.append(output)
    return Gradient(
        weight=total.div_(len(rows)).view(members, k, m, d),
        loss=torch.cat(losses).mean(0),
        logits=torch.cat(logits),
    )
