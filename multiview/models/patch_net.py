"""PatchNet: many independent copies of the paper's two-layer network in one tensor."""

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.models.members import SingleMember, SummedMembers
from multiview.models.smoothed_relu import power, smoothed_relu

CHUNK_ELEMENTS = 2**19  # pre-activations held at a time: 2 MiB in float32 stay in cache


class PatchNet(nn.Module):
    """F_i(X) = sum over neurons r and patches p of sReLU(<w_{i,r}, x_p>), for each member.

    Output weights are 1 and there are no biases, as in arXiv 2012.09816, Section 2; every weight
    starts from N(0, sigma_init^2). Members share nothing: training one never touches another.

    Args:
        members: Number of independent networks E.
        num_classes: k, outputs of each.
        width: m, neurons per class.
        patch_dim: d.
        q: Power of the smoothed ReLU below its knee, > 1 (3 or 4 in the paper).
        relu_knee: R > 0, where the smoothed ReLU turns linear. The paper's asymptotic
            1/polylog(k) lets losing views catch up at small k; 2 to 3 shows the theorem.
        sigma_init: Standard deviation of each initial weight, >= 0.
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: If an argument is out of range.
    """

    weight: nn.Parameter  # (members, k, m, d)

    def __init__(
        self,
        *,
        members: int = 1,
        num_classes: int = 10,
        width: int = 12,
        patch_dim: int = 300,
        q: float = 4,
        relu_knee: float = 3.0,
        sigma_init: float = 0.03,
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        sizes = {"members": members, "num_classes": num_classes}
        sizes |= {"width": width, "patch_dim": patch_dim}
        members, num_classes, width, patch_dim = (
            checks.count(name, value) for name, value in sizes.items()
        )
        self.q = power(q)
        self.relu_knee = checks.positive("relu_knee", relu_knee)
        self.sigma_init = checks.number(
            "sigma_init", sigma_init, "[0, inf)", meaning="is a standard deviation"
        )
        generator = checks.generator("generator", generator, "initial weights")
        # Drawn member by member, so a larger ensemble begins with the same nets.
        start = torch.stack(
            [
                torch.randn(num_classes, width, patch_dim, generator=generator)
                for _ in range(members)
            ]
        )
        self.weight = nn.Parameter(sigma_init * start)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n members k"]:
        """Logits of every member, computed in chunks of samples.

        Raises:
            ValueError: If the patches are of another dimension.
        """
        check_patches(patches, self.weight)
        members, k, m, _ = self.weight.shape
        flat, P = self.weight.flatten(0, 2), patches.shape[1]
        logits = []
        for chunk in patches.split(chunk_size(P, flat.shape[0])):
            active = activations(flat, chunk, self.q, self.relu_knee)  # (members*k*m, chunk, P)
            logits.append(active.view(members, k, m, len(chunk), P).sum((2, 4)))
        return torch.cat(logits, dim=2).permute(2, 0, 1)

    @classmethod
    def of(
        cls,
        weight: Float[Tensor, "e k m d"],
        *,
        q: float = 4,
        relu_knee: float = 3.0,
        sigma_init: float = 0.03,
    ) -> "PatchNet":
        """Networks of these weights (copied), one for each of the first axis.

        Args:
            weight: Of member e, class k and neuron m.
            q, relu_knee, sigma_init: As of the class.

        Raises:
            ValueError: If an argument is out of range, or the weights are of another shape.
        """
        smallest = cls(  # its weight is replaced, and costs one draw
            members=1,
            num_classes=1,
            width=1,
            patch_dim=1,
            q=q,
            relu_knee=relu_knee,
            sigma_init=sigma_init,
            generator=torch.Generator(),
        )
        return smallest.with_weight(weight)

    def with_weight(self, weight: Float[Tensor, "e k m d"]) -> "PatchNet":
        """The same kind of network with these weights (copied), any number of members.

        Raises:
            ValueError: If ``weight`` is no tensor of floating-point numbers (e, k, m, d).
        """
        shapes.fit(weight=(weight, "float e k m d"))
        # All but the weights is copied as it is, so that nothing a subclass adds is lost.
        return copy.deepcopy(self, {id(self.weight): nn.Parameter(weight.detach().clone())})

    def member(self, index: int | slice) -> "PatchNet":
        """The networks at ``index``, as a PatchNet of their own (weights copied)."""
        chosen = self.weight[index]
        return self.with_weight(chosen if chosen.dim() == 4 else chosen.unsqueeze(0))

    def single(self, index: int = 0) -> SingleMember:
        """One network as a classifier, with logits (n, k).

        Where there is one network only, the classifier holds this very module, and to train it is
        to train this. Of several, it holds a copy of the member, as ``member`` does.

        Args:
            index: Of the member, 0 to members - 1.

        Raises:
            ValueError: If there is no such member.
        """
        last = len(self.weight) - 1
        index = checks.count("index", index, 0, last, meaning="is the number of a member")
        return SingleMember(self.member(index) if last else self)

    def summed(self) -> SummedMembers:
        """The sum of the networks as one classifier of these very weights, with logits (n, k)."""
        return SummedMembers(self)


def activations(
    rows: Float[Tensor, "*rows d"], columns: Float[Tensor, "*columns d"], q: float, relu_knee: float
) -> Float[Tensor, "..."]:
    """The smoothed ReLU of <row, column> for each row with each column: (*rows, *columns).

    One of the two is the neurons' weights and the other the patches, in the order in which the
    caller's sum over them is fast. That sum is left to the caller, who may drop some of them.
    """
    products = rows.reshape(-1, rows.shape[-1]) @ columns.reshape(-1, columns.shape[-1]).T
    active = smoothed_relu(products, q, relu_knee)
    return active.view(*rows.shape[:-1], *columns.shape[:-1])


def check_patches(patches: Any, weight: Tensor) -> None:
    """Refuse all but patches (n, P, d) of the weights' d; others would be read as other patches."""
    shapes.fit({"patch_dim": weight.shape[-1]}, patches=(patches, "float n? P patch_dim"))
    shapes.same_type("patches", patches, weight)


def chunk_size(num_patches: int, num_neurons: int) -> int:
    """Samples per chunk such that their pre-activations stay in cache."""
    return max(1, CHUNK_ELEMENTS // (num_patches * num_neurons))
