"""The loss gradient of PatchNets in closed form: two matrix products per chunk, no graph."""

from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.models.patch_net import PatchNet, chunk_size
from multiview.models.smoothed_relu import integer_power


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


def patch_gradient(
    net: PatchNet,
    patches: Float[Tensor, "N P d"],
    objective: Objective,
    rows: Int[Tensor, " n"],
    summed: bool = False,
) -> Gradient:
    """Gradient of the mean loss over ``rows``, each member on its own or all as one sum.

    Logits of a chunk depend on that chunk alone, so forward, loss and backward run chunk by chunk
    and nothing is stored: extra memory does not grow with the number of samples.

    Args:
        patches: All training samples.
        objective: Loss of a sample given its logits.
        rows: Samples to use: all for full-batch descent, some for SGD.
        summed: Feed F = sum over members to one loss (training the sum) instead of each F_e to
            its own. The plain sum, not the mean: a factor 1/E would shrink the knee relative to F.
    """
    members, k, m, d = net.weight.shape
    flat = net.weight.detach().flatten(0, 2)
    total = torch.zeros_like(flat)
    losses, logits = [], []
    for chosen in rows.split(chunk_size(patches.shape[1], flat.shape[0])):
        x = patches[chosen].flatten(0, 1)  # (n*P, d)
        z = flat @ x.T  # (members*k*m, n*P)
        bent = z.clamp(0, net.relu_knee)
        slope = integer_power(bent / net.relu_knee, net.q - 1)
        active = z.sub_(bent, alpha=1 - 1 / net.q).mul_(slope)  # sReLU, see smoothed_relu
        shape = (members, k, m, len(chosen), -1)
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
