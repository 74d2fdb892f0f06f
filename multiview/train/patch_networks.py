"""PatchNetworks: the networks of one training that are not done yet, and their gradients."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview import checks
from multiview.models.patch_net import PatchNet
from multiview.train.metrics import wrong
from multiview.train.patch_gradient import Gradient, Objective, patch_gradient, zeros_last
from multiview.train.sweep import Sweep
from multiview.train.workspace import Workspace

# From the gradients (e, k, m, d) of networks, and which these are (e,), to those that they follow;
# of members trained as a sum, from those of all members, (members, k, m, d), and [0].
Constraint = Callable[[Tensor, Tensor], Tensor]


class PatchNetworks:
    """The networks that are still trained, as weights (nets, neurons, d).

    Attributes:
        weight: Their weights; those trained as a sum are one network of all members' neurons.
        which: Their numbers among all networks that were given.
    """

    def __init__(
        self,
        net: PatchNet,
        patches: Float[Tensor, "N P d"],
        labels: Int[Tensor, " N"],
        objective: Objective,
        summed: bool,
        constrain: Constraint | None = None,
    ) -> None:
        self.net, self.labels = net, labels
        self.objective, self.summed, self.constrain = objective, summed, constrain
        self.patches, self.filled = zeros_last(patches)
        # Samples of as many patches side by side, so that few zero patches are among them.
        self.rows, self.workspace = self.filled.argsort(stable=True), Workspace()
        members = net.weight.detach()
        self.weight = members.reshape(1 if summed else len(members), -1, members.shape[-1])
        self.which = torch.arange(len(self.weight))

    def as_net(self, weight: Float[Tensor, "nets neurons d"]) -> PatchNet:
        """The PatchNet whose members, or whose sum, these weights are."""
        return self.net.with_weight(weight.view(-1, *self.net.weight.shape[1:]))

    def gradient(
        self,
        weight: Float[Tensor, "nets neurons d"],
        which: Int[Tensor, " nets"],
        rows: Int[Tensor, " n"] | None = None,
    ) -> Gradient:
        """Loss, logits and gradient at ``weight`` of the networks ``which``, over all samples.

        Raises:
            ValueError: If ``constrain`` gives no gradients of the shape of those it was given.
        """
        rows = self.rows if rows is None else rows
        found = patch_gradient(
            self.as_net(weight),
            self.patches,
            self.objective,
            rows,
            self.summed,
            self.workspace,
            which,
            self.filled,
        )
        if self.constrain is None:
            return found
        followed = self.constrain(found.weight, which)
        if not isinstance(followed, Tensor) or followed.shape != found.weight.shape:
            is_tensor = isinstance(followed, Tensor)
            given = f"shape {tuple(followed.shape)}" if is_tensor else checks.shown(followed)
            raise ValueError(
                f"constrain gave {given} for gradients of shape {tuple(found.weight.shape)}: give "
                "a tensor of the same shape, one gradient for each it was given."
            )
        return found._replace(weight=followed)

    def sweep(self, weight: Float[Tensor, "nets neurons d"], some: Int[Tensor, " nets"]) -> Sweep:
        """A pass over all samples, of ``some`` of the networks that go on, at ``weight``."""
        found = self.gradient(weight, self.which[some])
        precision = 16 * torch.finfo(weight.dtype).eps
        if self.patches.dtype != weight.dtype:  # products round; the mean evens out part of it
            precision += torch.finfo(self.patches.dtype).eps / 4
        return Sweep(
            weight=weight,
            gradient=found.weight.view(weight.shape),
            loss=found.loss.double(),
            error=wrong(found.logits, self.labels[self.rows]).double().mean(0),
            rounding=precision * (1 + found.logits.abs().amax((0, 2)) + found.loss.abs()).double(),
        )

    def keep(self, going: Bool[Tensor, " nets"]) -> None:
        """Keep the networks of this mask; the others are done and cost nothing."""
        self.weight, self.which = self.weight[going], self.which[going]
