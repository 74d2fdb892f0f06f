"""Networks with gates on images and what they are compared with, at the same size."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multiview import stream
from multiview.data.splits import Splits
from multiview.models import LeNet5
from multiview.models.initial import draw_weights
from multiview.models.wide_resnet import Block
from multiview.sparsity import (
    Gated,
    GatedConv2d,
    eval_gates,
    gated_layers,
    pruned,
    with_gates,
)
from multiview.train import Checkpoint

OPEN, CLOSED = 5.0, -5.0  # log a at which a gate of test time is exactly 1, or 0


@dataclass(frozen=True, kw_only=True)
class LeNet:
    """A LeNet-5 as in Caffe."""

    widths: tuple[int, int, int] = (20, 50, 500)

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The LeNet."""
        return LeNet5(
            widths=self.widths,
            num_classes=splits.num_classes,
            image_shape=splits.image_shape,
            generator=generator,
        ).to(splits.train.device)


def with_dropout(net: nn.Module, inputs: float, hidden: float) -> nn.Module:
    """A copy with dropout in front of linear layers, or of the second convolution of blocks.

    Args:
        inputs: Probability in front of a linear layer that reads the image.
        hidden: Of all others.
    """
    copied = copy.deepcopy(net)
    blocks = [each for each in copied.modules() if isinstance(each, Block)]
    for block in blocks:
        *first, last = block.branch
        block.branch = nn.Sequential(*first, nn.Dropout(hidden), last)
    if not blocks:
        whole: nn.Sequential = copied.layers  # type: ignore[assignment]
        layers: list[nn.Module] = []
        rate = inputs
        for layer in whole:
            if isinstance(layer, nn.Linear):
                layers.append(nn.Dropout(rate))
            layers.append(layer)
            if isinstance(layer, nn.Linear | nn.Conv2d):
                rate = hidden
        copied.layers = nn.Sequential(*layers)
    return copied


def reinitialised(net: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy with a start of its own: same layers and sizes, and what each of them reads."""
    copied = copy.deepcopy(net)
    for layer in copied.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    host = copied.cpu()
    draw_weights(host, generator)
    return host.to(next(net.parameters()).device).train()


def magnitude_pruned(net: nn.Module, units: Sequence[int]) -> nn.Module:
    """A copy with so many units or filters left in each layer that could have gates.

    Those with the largest norms of the weights that a gate would stand before; of the inputs of a
    linear layer behind a convolution, among those that the filters left make.

    Args:
        units: As ``units_left`` gives them.
    """
    gated = with_gates(net, 0.5, stream(0))  # the start is overwritten
    made: Bool[Tensor, " filters"] | None = None  # by the convolution right before
    for layer, number in zip(gated_layers(gated).values(), units, strict=True):
        with torch.no_grad():
            norms = layer.squares()
            if made is not None and not isinstance(layer, GatedConv2d):
                norms = norms * made.repeat_interleave(len(norms) // len(made))
            kept = _largest(norms, number)
            made = kept if isinstance(layer, GatedConv2d) else None
            layer.gates.log_alpha.copy_(torch.where(kept, OPEN, CLOSED))
    return pruned(gated)


def _largest(values: Float[Tensor, " n"], number: int) -> Bool[Tensor, " n"]:
    """Mask of the ``number`` largest values."""
    kept = torch.zeros_like(values, dtype=torch.bool)
    kept[values.topk(number).indices] = True
    return kept


def checkpoint_in(folder: Path | None, name: str) -> Checkpoint | None:
    """Checkpoint of the training of this name; None without a folder."""
    if folder is None:
        return None
    # Another machine may round otherwise: a cell does not stop for that.
    return Checkpoint(path=folder / f"{name.replace(' ', '-')}.pt", strict=False)


def share_left(net: nn.Module) -> float:
    """Share of the gated weights behind gates that are open at test time.

    What ``expected_share`` is of random gates.
    """
    layers: list[Gated] = list(gated_layers(net).values())
    total = sum(each.gates.log_alpha.numel() * each.weights_per_gate for each in layers)
    left = sum(
        int((eval_gates(each.gates.log_alpha.detach()) > 0).sum()) * each.weights_per_gate
        for each in layers
    )
    return left / total
