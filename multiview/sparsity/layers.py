"""Layers with gates: linear layers by input unit, convolutions by filter, patch nets by neuron."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from multiview import checks, shapes
from multiview.models import PatchNet
from multiview.sparsity.hard_concrete import HardConcrete


class Gated(nn.Module, ABC):
    """A layer some groups of whose weights stand behind a gate each."""

    gates: HardConcrete

    @abstractmethod
    def gated_weights(self) -> list[Float[Tensor, "groups _"]]:
        """All weights behind gates, those of one gate in a row, in the order of the gates."""

    @property
    def weights_per_gate(self) -> int:
        """|g|, the number of weights behind one gate."""
        return sum(each.shape[1] for each in self.gated_weights())

    def squares(self) -> Float[Tensor, " groups"]:
        """Squared norm of each group's weights."""
        return torch.stack([each.square().sum(1) for each in self.gated_weights()]).sum(0)


class GatedLinear(Gated):
    """linear(z x): a gate for each input unit.

    Args:
        linear: The layer; its bias has no gate.
        dropout, per_sample, generator: As of ``HardConcrete``.

    Raises:
        ValueError: If it is of a kind of its own; in the forward pass, if inputs are not (n, in).
    """

    def __init__(
        self,
        linear: nn.Linear,
        *,
        dropout: float = 0.5,
        per_sample: bool = False,
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        if type(linear) is not nn.Linear:
            raise ValueError(
                f"linear is a {type(linear).__name__}, which may compute something else: use "
                "nn.Linear."
            )
        self.linear = linear
        self.gates = HardConcrete(
            linear.in_features, dropout=dropout, per_sample=per_sample, generator=generator
        )

    def forward(self, x: Float[Tensor, "n *in"]) -> Float[Tensor, "n out"]:
        if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != self.linear.in_features:
            raise ValueError(
                f"inputs x={checks.shown(x)} of a gated linear layer must be (n, in) with "
                f"in={self.linear.in_features}: put nn.Flatten before it."
            )
        shapes.fit(x=(x, "float n? in"))
        shapes.same_type("x", x, self.linear.weight)
        return self.linear(x * self.gates(len(x)).to(x.dtype))

    def gated_weights(self) -> list[Tensor]:
        """Columns of the weight."""
        return [self.linear.weight.T]


class GatedConv2d(Gated):
    """z norm(conv(x)): a gate for each filter, behind its norm.

    Before the norm a gate that a batch shares would do nothing: BN(z x) = BN(x) for every z > 0.
    Behind it a closed filter is exactly 0, its norm's shift included, so nothing is left to fold in
    when it is removed.

    Args:
        conv: With or without a bias; of one group.
        norm: BatchNorm2d of its outputs; None for none.
        dropout, per_sample, generator: As of ``HardConcrete``.

    Raises:
        ValueError: If convolution or norm is of another kind; in the forward pass, if inputs are
            not (n, c, h, w).
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        norm: nn.Module | None = None,
        *,
        dropout: float = 0.5,
        per_sample: bool = False,
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        if type(conv) is not nn.Conv2d or conv.groups != 1:
            raise ValueError(
                f"groups={getattr(conv, 'groups', None)} of conv, a {type(conv).__name__}: gate "
                "the filters of an nn.Conv2d of 1 group."
            )
        if norm is not None and not (isinstance(norm, nn.BatchNorm2d) and norm.affine):
            raise ValueError(
                f"norm={norm} mixes filters or has no scale to fold a gate into: use an affine "
                "BatchNorm2d, or None."
            )
        self.conv, self.norm = conv, norm
        self.gates = HardConcrete(
            conv.out_channels, dropout=dropout, per_sample=per_sample, generator=generator
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n C H W"]:
        shapes.fit({"C": self.conv.in_channels}, x=(x, "float n? C h w"))
        shapes.same_type("x", x, self.conv.weight)
        outputs = self.conv(x)
        if self.norm is not None:
            outputs = self.norm(outputs)
        return outputs * self.gates(len(x)).to(outputs.dtype)[..., None, None]

    def gated_weights(self) -> list[Tensor]:
        """Filters and their biases; not the norm's."""
        weights = [self.conv.weight.flatten(1)]
        return weights if self.conv.bias is None else [*weights, self.conv.bias.unsqueeze(1)]


class GatedPatchNet(Gated):
    """PatchNets with the weights z w: a gate for each neuron, inside its activation.

    A smoothed ReLU is not homogeneous, so a gate outside of it could not be folded into a weight;
    inside, as the paper has it (theta z), a half-open neuron is a shorter one. One gate for a whole
    batch: a weight of its own for each sample would take n times the memory.

    Args:
        net: Networks to begin with (weights copied).
        dropout, generator: As of ``HardConcrete``.

    Raises:
        ValueError: If ``net`` is no ``PatchNet``, or an argument is out of range; in the forward
            pass, if patches are of another dimension.
    """

    def __init__(
        self, net: PatchNet, *, dropout: float = 0.5, generator: torch.Generator | int
    ) -> None:
        super().__init__()
        checks.instance("net", net, PatchNet)
        self.net = net.member(slice(None))
        members, k, m, _ = net.weight.shape
        self.gates = HardConcrete((members, k, m), dropout=dropout, generator=generator)

    def forward(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n members k"]:
        """Logits of every member; gates differ between members."""
        return functional_call(self.net, {"weight": self.effective_weight()}, (patches,))

    def effective_weight(self) -> Float[Tensor, "members k m d"]:
        """z w, with gates drawn anew in train mode."""
        return self.gates()[0].unsqueeze(-1) * self.net.weight

    def gated_weights(self) -> list[Tensor]:
        """Each neuron's weights."""
        return [self.net.weight.flatten(0, 2)]


def gated_layers(module: nn.Module) -> dict[str, Gated]:
    """All layers with gates by name, in the order of the module.

    Raises:
        ValueError: If ``module`` is no module.
    """
    checks.module("module", module)
    return {name: each for name, each in module.named_modules() if isinstance(each, Gated)}


def layers_with_gates(module: nn.Module) -> list[Gated]:
    """The layers of ``gated_layers``.

    Raises:
        ValueError: If there are none.
    """
    layers = list(gated_layers(module).values())
    if not layers:
        raise ValueError("the module has no gates: put some in by gate_layers or gate_blocks.")
    return layers


def initial_dropout(dropout: float | tuple[float, ...], layers: int) -> tuple[float, ...]:
    """One rate for each layer.

    Raises:
        ValueError: If there are neither one nor as many as layers.
    """
    several = isinstance(dropout, tuple | list)
    rates = tuple(dropout) if several else (dropout,) * layers  # a wrong rate HardConcrete refuses
    if len(rates) != layers:
        raise ValueError(f"dropout={dropout} for {layers} gated layers: give one, or one for each.")
    return rates


def number_of_gates(module: nn.Module) -> int:
    """Number of gates in all layers with gates.

    Raises:
        ValueError: If ``module`` is no module.
    """
    return sum(math.prod(each.gates.log_alpha.shape) for each in gated_layers(module).values())
