"""The loss gradient of PatchNets in closed form: two matrix products per chunk, no graph."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.models.patch_net import PatchNet, chunk_size
from multiview.train.bfloat16 import product
from multiview.train.patch_passes import passes_for
from multiview.train.workspace import Workspace

# Neurons of networks side by side that one product takes: of more, their gradient, which every
# chunk of samples adds to, no longer stays in cache.
MOST_NEURONS = 1024
BLOCK = 16  # samples that fill a vector register: a part of one costs as much as a whole


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
    of a sample nothing is kept but its logits and, in the workspace, a copy of its patches. What
    stands between the matrix products is compiled where that can be, see ``patch_passes``. The
    products run in the type of ``patches``; bfloat16 takes about half of the time where the
    hardware has it (``tests/benchmarks/patch_gradient.py``) and a little more than float32
    elsewhere, and rounds pre-activations and each chunk's sum to 8 bits. Activation, loss and sums
    over chunks stay in the type of the weights.

    Args:
        patches: All training samples.
        objective: Loss of a sample given its logits.
        rows: Samples to use: all for full-batch descent, some for SGD. While this same tensor is
            given, with the same workspace, their patches are gathered only once.
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
    weight = net.weight.detach()
    at_once = len(weight) if summed else max(1, MOST_NEURONS // weight[0, ..., 0].numel())
    neurons = min(at_once, len(weight)) * weight[0, ..., 0].numel()
    neurons = 1 << (neurons - 1).bit_length()  # as networks end, chunks seldom change
    size = -(-chunk_size(patches.shape[1], neurons) // BLOCK) * BLOCK
    chunks = workspace.keep("chunks", _gathered, patches, rows, filled, size)
    blocks = [
        _of_block(net, some, chunks, objective, called, summed, workspace)
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


class _Chunk(NamedTuple):
    """Samples that are computed at a time.

    Their patches stand patch by patch, not sample by sample: samples side by side make the sums
    over patches and neurons, and the product with a sample's residual, run along contiguous memory.
    """

    rows: Int[Tensor, " n"]
    patches: Float[Tensor, "Pn d"]


def _gathered(
    patches: Float[Tensor, "N P d"],
    rows: Int[Tensor, " n"],
    filled: Int[Tensor, " N"] | None,
    size: int,
) -> list[_Chunk]:
    """These samples in chunks of ``size``, each without patches that are zero in all of it."""
    table, most = patches.flatten(0, 1), patches.shape[1]
    return [
        _Chunk(some, table[(some * most + torch.arange(P).unsqueeze(1)).flatten()])
        for some in rows.split(size)
        for P in [most if filled is None else int(filled[some].max())]
    ]


def _of_block(
    net: PatchNet,
    members_weight: Float[Tensor, "e k m d"],
    chunks: Sequence[_Chunk],
    objective: Objective,
    nets: Int[Tensor, " nets"],
    summed: bool,
    workspace: Workspace,
) -> Gradient:
    """``patch_gradient`` of members whose gradient stays in cache."""
    members, k, m, d = members_weight.shape
    weight = members_weight.flatten(0, 2)
    products = chunks[0].patches.dtype
    # Weights in units of the knee: sReLU(z) = R * sReLU_1(z / R), and the slopes are the same.
    unit_weight = (weight / net.relu_knee).to(products)
    passes = passes_for(net.q, weight, products, workspace)
    total = torch.zeros_like(weight)
    losses, logits = [], []
    for rows, x in chunks:
        n = len(rows)
        z = workspace.take("product", (len(weight), len(x)), x)
        sums, held = passes.activate(product(unit_weight, x.T, z).view(members * k, -1, n))
        output = sums.mul_(net.relu_knee).view(members, k, n).permute(2, 0, 1)
        if summed:
            output = output.sum(1, keepdim=True)
        loss, residual = objective(output, rows, nets)
        if residual.shape != output.shape or loss.shape != output.shape[:2]:
            raise ValueError(
                f"objective gave a loss of shape {tuple(loss.shape)} and a derivative of shape "
                f"{tuple(residual.shape)} for logits {tuple(output.shape)}: give the loss of each "
                "sample and net, and its derivative by every logit."
            )
        pulled = passes.pull(held, residual.permute(1, 2, 0).flatten(0, 1)).view(len(weight), -1)
        if weight.dtype == x.dtype:
            total.addmm_(pulled, x)
        else:
            change = workspace.take("product of slopes", (len(weight), d), x)
            total += product(pulled.to(x.dtype), x, change)
        losses.append(loss)
        logits.append(output)
    return Gradient(
        weight=total.div_(sum(len(each.rows) for each in chunks)).view(members, k, m, d),
        loss=torch.cat(losses).mean(0),
        logits=torch.cat(logits),
    )
