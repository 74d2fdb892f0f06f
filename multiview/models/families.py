"""Linear, fully connected, residual and convolutional networks, many members side by side.

Inputs are patches (n, P, d). Weights carry the member as their leading axis and every product is
batched over it, so that ten members cost little more than one and none touches another.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks

FAMILIES = ("linear", "connected", "residual", "convolutional")


class FamilyNets(nn.Module):
    """Independent networks of one family: weights start from N(0, 2 / fan_in), biases from 0.

    A convolutional network looks at all patches through the same ReLUs and adds them up over
    the patches; the others see one flat vector. A residual one adds two layers of ReLUs to its
    first, linear one.

    Args:
        family: One of ``FAMILIES``.
        width: ReLUs of a hidden layer.
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        family: str,
        *,
        members: int,
        num_patches: int,
        patch_dim: int,
        num_classes: int,
        width: int,
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        members = checks.count("members", members)
        num_patches = checks.count("num_patches", num_patches)
        patch_dim = checks.count("patch_dim", patch_dim)
        num_classes = checks.count("num_classes", num_classes)
        width = checks.count("width", width)
        checks.choice("family", family, FAMILIES)
        generator = checks.generator("generator", generator, "initial weights")
        flat = num_patches * patch_dim
        shapes = {
            "linear": [(flat, num_classes)],
            "connected": [(flat, width), (width, num_classes)],
            "residual": [(flat, width), (width, width), (width, width), (width, num_classes)],
            "convolutional": [(patch_dim, width), (width, num_classes)],
        }
        # Drawn member by member, so a larger ensemble begins with the same networks.
        start = [
            [torch.randn(shape, generator=generator) for shape in shapes[family]]
            for _ in range(members)
        ]
        self.family = family
        self.weights = nn.ParameterList(
            torch.stack(layer) * (2 / layer[0].shape[0]) ** 0.5
            for layer in zip(*start, strict=True)
        )  # (members, fan_in, fan_out)
        self.biases = nn.ParameterList(w.new_zeros(members, w.shape[2]) for w in self.weights)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n members k"]:
        """Logits of every member."""
        if self.family == "convolutional":
            seen = self._shared(patches.flatten(0, 1)).relu()
            state = self._own(-1, seen.unflatten(1, patches.shape[:2]).sum(2))
        else:
            state = self._shared(patches.flatten(1))
            if self.family == "residual":
                state = state + self._own(2, self._own(1, state.relu()).relu())
            if self.family == "connected":
                state = state.relu()
            if self.family != "linear":
                state = self._own(-1, state)
        return state.transpose(0, 1)

    def _shared(self, inputs: Float[Tensor, "n in"]) -> Float[Tensor, "members n out"]:
        """The first layer, on inputs that all members share: one product for all of them."""
        weight, bias = self.weights[0], self.biases[0]
        product = inputs @ weight.transpose(0, 1).flatten(1)
        return product.unflatten(1, bias.shape).transpose(0, 1) + bias.unsqueeze(1)

    def _own(
        self, layer: int, inputs: Float[Tensor, "members n in"]
    ) -> Float[Tensor, "members n out"]:
        """A later layer, on each member's own inputs."""
        return torch.baddbmm(self.biases[layer].unsqueeze(1), inputs, self.weights[layer])
