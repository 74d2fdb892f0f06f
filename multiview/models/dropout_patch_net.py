"""DropoutPatchNet: a PatchNet with dropout on hidden neurons and on whole patches of the input."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.models.patch_net import PatchNet, activations, check_patches


class DropoutPatchNet(nn.Module):
    """The networks of a PatchNet, each with random masks of its own for every sample.

    In training mode

        F_i(X) = sum over neurons r and patches p of a_{i,r} b_p sReLU(<w_{i,r}, x_p>),

    where a and b are 0 with probability ``neuron`` and ``patch`` and else 1 / (1 - that
    probability): a neuron's answer to the whole sample is dropped, or everything that is said of a
    patch, which silences the view in it for all neurons. Since a and b stand outside the
    activation, the mean over masks is the plain network, exactly. In eval mode it is that network.

    Masks come from torch's global generator, as those of every dropout layer; both are
    ``nn.Dropout`` and so are found by whatever switches these. Weights are trained in place:
    ``plain`` hands them out as a PatchNet.

    Args:
        net: Networks to begin with (weights copied).
        neuron: Probability that a neuron is dropped, in [0, 1).
        patch: Probability that a patch is dropped, in [0, 1).

    Raises:
        ValueError: If a probability is out of range.
    """

    def __init__(self, net: PatchNet, *, neuron: float = 0.0, patch: float = 0.0) -> None:
        super().__init__()
        checks.instance("net", net, PatchNet)
        neuron = checks.drop_probability("neuron", neuron)
        patch = checks.drop_probability("patch", patch)
        self.nets = net.member(slice(None))
        self.neuron = nn.Dropout(neuron)
        self.patch = nn.Dropout(patch)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n members k"]:
        """Logits of every member; the masks of a sample differ between members."""
        weight = self.nets.weight
        members, k, m, _ = weight.shape
        check_patches(patches, weight)
        n, P, _ = patches.shape
        active = activations(patches, weight.flatten(1, 2), self.nets.q, self.nets.relu_knee)
        kept = self.patch(active.new_ones(n, P, members, 1))
        neurons = torch.einsum("npei,npeo->nei", active, kept)
        return self.neuron(neurons).view(n, members, k, m).sum(-1)

    def plain(self) -> PatchNet:
        """The networks without dropout, as they are now (weights copied)."""
        return self.nets.member(slice(None))

    def member(self, index: int | slice) -> "DropoutPatchNet":
        """The networks at ``index``, with the same dropout (weights copied)."""
        return DropoutPatchNet(self.plain().member(index), neuron=self.neuron.p, patch=self.patch.p)
