"""The loss gradient of PatchNets in closed form: two matrix products per chunk, no graph."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.models.patch_net import PatchNet, chunk_size

# Neurons of networks side by side that one product takes: of more, their gradient, which every
# chunk of samples adds to, no longer stays in cache.
MOST_NEURONS = 1024


@runtime_checkable
class Objective(Protocol):
    """A loss on logits that knows its own derivative."""

    def __call__(
        self, logits: Float[Tensor, "n e k"], rows: Int[Tensor, " n"], nets: Int[Tensor, " e"]
    ) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n e k"]]:
        """Loss of each sample and net, and its derivative with respect to the logits.

        Args:
            rows: Which training samples these are.
            nets: Which networks, of those that training began with.
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
    nets: Int[Tensor, " nets"] | None = None,
    filled: Int[Tensor, " N"] | None = None,
) -> Gradient:
    """Gradient of the mean loss over ``rows``, each member on its own or all as one sum.

    Logits of a chunk depend on that chunk alone, so forward, loss and backward run chunk by chunk:
    of a sample nothing is kept but its logits. The matrix products run in the type of ``patches``;
    bfloat16 takes 0.6 of the time where the hardware has it, and rounds pre-activations and each
    chunk's sum to 8 bits. Activation, loss and sums over chunks stay in the type of the weights.

    Args:
        patches: All training samples.
        objective: Loss of a sample given its logits.
        rows: Samples to use: all for full-batch descent, some for SGD.
        summed: Feed F = sum over members to one loss (training the sum) instead of each F_e to
            its own. The plain sum, not the mean: a factor 1/E would shrink the knee relative to F.
        workspace: Buffers to use again from call to call.
        nets: What to call the networks before ``objective``; 0, 1, ... by default.
        filled: Of how many first patches of each sample any number is not 0, as ``zeros_last``
            orders them; the others are left out. By default none is.
    """
    workspace = workspace or Workspace()
    if nets is None:
        nets = torch.arange(1 if summed else len(net.weight))
    if filled is None:
        filled = torch.full((len(patches),), patches.shape[1])
    weight = net.weight.detach()
    at_once = len(weight) if summed else max(1, MOST_NEURONS // weight[0, ..., 0].numel())
    blocks = [
        _of_block(
            net,
            some,
            patches,
            objective,
            rows=rows,
            nets=called,
            filled=filled,
            summed=summed,
            workspace=workspace,
        )
        for some, called in zip(weight.split(at_once), nets.split(at_once), strict=True)
    ]
    return Gradient(
        weight=torch.cat([each.weight for each in blocks]),
        loss=torch.cat([each.loss for each in blocks]),
        logits=torch.cat([each.logits for each in blocks], 1),
    )


def zeros_last(
    patches: Float[Tensor, "N P d"],
) -> tuple[Float[Tensor, "N P d"], Int[Tensor, " N"]]:
    """Each sample with its zero patches last, and the number of its others.

    A zero patch adds nothing to any output and nothing to a gradient, and which patch stands where
    is nothing that these networks see.
    """
    shown = patches.ne(0).any(2)
    order = shown.int().argsort(dim=1, descending=True, stable=True)
    if not shown.all():
        patches = patches.take_along_dim(order.unsqueeze(2), 1)
    return patches, shown.sum(1).clamp(min=1)


def _of_block(
    net: PatchNet,
    members_weight: Float[Tensor, "e k m d"],
    patches: Float[Tensor, "N P d"],
    objective: Objective,
    *,
    rows: Int[Tensor, " n"],
    nets: Int[Tensor, " nets"],
    filled: Int[Tensor, " N"],
    summed: bool,
    workspace: Workspace,
) -> Gradient:
    """``patch_gradient`` of members whose gradient stays in cache."""
    members, k, m, d = members_weight.shape
    q, knee = net.q, net.relu_knee
    weight = members_weight.flatten(0, 2)
    # Weights in units of the knee: sReLU(z) = R * sReLU_1(z / R), and the slopes are the same.
    unit_weight = (weight / knee).to(patches.dtype)
    table, most = patches.flatten(0, 1), patches.shape[1]
    total = torch.zeros_like(weight)
    losses, logits = [], []
    for chosen in rows.split(chunk_size(most, len(weight))):
        n, P = len(chosen), int(filled[chosen].max())
        # Patch by patch, not sample by sample: samples side by side make the sums over patches and
        # neurons, and the product with a sample's residual, run along contiguous memory.
        x = workspace.take("patches", (P * n, d), table)
        torch.index_select(
            table, 0, (chosen * most + torch.arange(P).unsqueeze(1)).flatten(), out=x
        )
        z = _product(unit_weight, x.T, weight, workspace)
        slope = torch.clamp(z, 0, 1, out=workspace.take("slope", (len(weight), P * n), weight))
        # sReLU_1 = slope * (z - (1 - 1/q) min(z+, 1)), see smoothed_relu.
        active = z.sub_(slope, alpha=1 - 1 / q).mul_(slope.pow_(q - 1))
        output = active.view(members * k, m * P, n).sum(1).mul_(knee)
        output = output.view(members, k, n).permute(2, 0, 1)
        if summed:
            output = output.sum(1, keepdim=True)
        loss, residual = objective(output, chosen, nets)
        if residual.shape != output.shape or loss.shape != output.shape[:2]:
            raise ValueError(
                f"objective gave a loss of shape {tuple(loss.shape)} and a derivative of shape "
                f"{tuple(residual.shape)} for logits {tuple(output.shape)}: give the loss of each "
                "sample and net, and its derivative by every logit."
            )
        residual = residual.permute(1, 2, 0).contiguous().expand(members, k, n)
        slope.view(members * k, m * P, n).mul_(residual.reshape(members * k, 1, n))
        if slope.dtype == x.dtype:
            total.addmm_(slope, x)
        else:
            total += _product(slope.to(x.dtype), x, weight, workspace)
        losses.append(loss)
        logits.append(output)
    return Gradient(
        weight=total.div_(len(rows)).view(members, k, m, d),
        loss=torch.cat(losses).mean(0),
        logits=torch.cat(logits),
    )


def _product(
    a: Float[Tensor, "i j"], b: Float[Tensor, "j l"], like: Tensor, workspace: Workspace
) -> Float[Tensor, "i l"]:
    """The matrix product in the type of its factors, as a buffer of the type of ``like``."""
    shape = (len(a), b.shape[1])
    product = torch.mm(a, b, out=workspace.take("product", shape, a))
    return product if a.dtype == like.dtype else workspace.take("z", shape, like).copy_(product)
