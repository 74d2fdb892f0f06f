"""The axis of members taken away: one member, or the sum of all, as an ordinary classifier."""

from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks, shapes


class SingleMember(nn.Module):
    """A network of one member as a classifier: logits (n, k) without the axis of members.

    The network is held, not copied, so that to train this module is to train the network.

    Args:
        net: A module from patches (n, P, d) to logits (n, 1, k), such as a ``PatchNet``, a
            ``DropoutPatchNet`` or a ``GatedPatchNet`` of one member.

    Raises:
        ValueError: If ``net`` is no module; in the forward pass, if its logits are of another
            shape.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = checks.module("net", net)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n k"]:
        """Logits of the only member."""
        logits = self.net(patches)
        if not isinstance(logits, Tensor) or logits.dim() != 3 or logits.shape[1] != 1:
            raise ValueError(
                f"the logits of net, {checks.shown(logits)}, are not (n, 1, k): give a network of "
                "one member, such as net.member(0)."
            )
        return logits.squeeze(1)


class SummedMembers(nn.Module):
    """F = sum of a network's members, one classifier: to train it is to train them as one.

    The network is held, not copied. ``SumOfNets`` does the same for a list of classifiers.

    Args:
        net: A module from patches (n, P, d) to logits (n, members, k), such as a ``PatchNet``.

    Raises:
        ValueError: If ``net`` is no module; in the forward pass, if its logits are of another
            shape.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = checks.module("net", net)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n k"]:
        """The sum of the members' logits."""
        logits = self.net(patches)
        shapes.fit(**{"logits of net": (logits, "float n? members k")})
        return logits.sum(1)
