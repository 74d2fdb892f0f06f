"""A light and a booster patch net that share neurons."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.models.patch_net import PatchNet, activations, check_patches
from multiview.models.smoothed_relu import power


class NeuronBlocks(nn.Module):
    """A patch net as a classifier, its neurons in blocks that another may hold too.

    Args:
        blocks: Weights (k, m_i, d); a net of ``sum(m_i)`` neurons a class.
        q: Power of the smoothed ReLU below its knee.
        relu_knee: Where it turns linear.

    Raises:
        ValueError: If there is no block, they do not fit together, ``q`` is not above 1 or
            ``relu_knee`` is not positive; in the forward pass, if patches are of another dimension.
    """

    def __init__(self, blocks: Iterable[nn.Parameter], *, q: float, relu_knee: float) -> None:
        super().__init__()
        every = checks.items("blocks", blocks)
        if not every:
            raise ValueError("blocks is empty: give the weights of one block or more.")
        tensors = {f"blocks[{i}]": (each, f"float k m{i} d") for i, each in enumerate(every)}
        shapes.fit(**tensors)  # type: ignore[arg-type]
        self.blocks = nn.ParameterList(every)
        self.q = power(q)
        self.relu_knee = checks.positive("relu_knee", relu_knee)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n k"]:
        """F_i(X) = sum over the neurons of class i and the patches of sReLU(<w, x>)."""
        weight = torch.cat(list(self.blocks), 1)  # (k, m, d)
        check_patches(patches, weight)
        return activations(patches, weight, self.q, self.relu_knee).sum((1, 3))  # of (n, P, k, m)


def shared_patch_nets(
    light: PatchNet, booster: PatchNet, shared: int
) -> tuple[NeuronBlocks, NeuronBlocks]:
    """A light net the first ``shared`` neurons of which, in each class, are the booster's.

    All else starts from the weights of the two nets given (copied), whatever is shared.

    Args:
        light: One network of m_L neurons a class.
        booster: One of m_B.
        shared: 0 to min(m_L, m_B); 0 shares nothing.

    Raises:
        ValueError: If there are not so many neurons, or the nets are of different kinds.
    """
    checks.instance("light", light, PatchNet)
    checks.instance("booster", booster, PatchNet)
    most = min(light.weight.shape[2], booster.weight.shape[2])
    shared = checks.count("shared", shared, 0, most, meaning="counts neurons a class of both")
    if len(light.weight) != 1 or len(booster.weight) != 1:
        raise ValueError(
            f"light and booster are one network each, got {len(light.weight)} and "
            f"{len(booster.weight)}: use .member(i)."
        )
    kinds = [
        (net.weight.shape[1], net.weight.shape[3], net.q, net.relu_knee) for net in (light, booster)
    ]
    if kinds[0] != kinds[1]:
        raise ValueError(f"(k, d, q, relu_knee) of light and booster differ: {kinds}.")
    common, rest = booster.weight.detach()[0].split([shared, booster.weight.shape[2] - shared], 1)
    both = [nn.Parameter(common.clone())] if shared else []
    settings = {"q": light.q, "relu_knee": light.relu_knee}
    return tuple(  # type: ignore[return-value]
        NeuronBlocks([*both, *([nn.Parameter(own.clone())] if own.shape[1] else [])], **settings)
        for own in (light.weight.detach()[0, :, shared:], rest)
    )
