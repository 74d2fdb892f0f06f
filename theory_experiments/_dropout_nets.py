"""Nets with dropout, their predictions by weights as they are and by masks, and how these differ.

What comes before the first dropout is the same for all masks, so it is computed once.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview.data.splits import Splits
from multiview.distill import averaged_logits, hinton_kd, monte_carlo
from multiview.models import QuickNet
from multiview.train import ComputeSpec, outputs_of, target_loss
from multiview.train.loop import Loss
from multiview.train.source import LoaderTargets
from multiview.train.stochastic import DropoutSwitch
from theory_experiments._contrast import error

ROWS = 20_000  # images, each with a mask, that are held at once


@dataclass(frozen=True, kw_only=True)
class Quick:
    """A QuickNet."""

    widths: tuple[int, int, int] = (8, 16, 32)
    hidden: int = 64
    dropout: float = 0.4

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The QuickNet."""
        settings = {"num_classes": splits.num_classes, "image_shape": splits.image_shape}
        return QuickNet(**vars(self), **settings, generator=generator).to(splits.train.device)

    def shrunk(self, factor: int, layers: str) -> "Quick":
        """The net with 1/``factor`` of the units of the "hidden" layer, or of "all" layers."""
        hidden = max(1, self.hidden // factor)
        if layers == "hidden":
            return replace(self, hidden=hidden)
        first, second, third = (max(1, width // factor) for width in self.widths)
        return replace(self, hidden=hidden, widths=(first, second, third))


def by_masks(
    net: nn.Module,
    images: Float[Tensor, "n C H W"],
    masks: int,
    generator: torch.Generator,
    compute: ComputeSpec,
) -> Float[Tensor, "n masks k"]:
    """The net's predictions under random masks, one by one, of some images at a time."""
    layers: nn.Sequential = net.layers  # type: ignore[assignment]
    first = next(i for i, each in enumerate(layers) if isinstance(each, nn.Dropout))
    features = outputs_of(layers[:first], images, compute=compute)
    one = monte_carlo(layers[first:], 1, generator=generator)
    parts = features.split(max(1, ROWS // masks))
    return torch.cat([one(x.repeat_interleave(masks, 0)).unflatten(0, (-1, masks)) for x in parts])


def mean_error(each: Float[Tensor, "n masks k"], number: int, labels: Int[Tensor, " n"]) -> float:
    """The error of the mean of ``number`` masks, over all groups of so many that there are."""
    groups = each[:, : each.shape[1] // number * number].unflatten(1, (-1, number)).unbind(1)
    errors = [error(averaged_logits(group), labels) for group in groups]
    return sum(errors) / len(errors)


def expectation_linear(
    net: nn.Module, labels: Int[Tensor, " n"], weight: float, compute: ComputeSpec
) -> Loss:
    """Cross-entropy plus ``weight`` times the squared gap of what ``net`` says with and without.

    With and without dropout, that is, of its probabilities (after Ma et al., Dropout with
    Expectation-linear Regularization; their gap is of hidden layers too).

    Args:
        compute: Of the training, so that both answers are rounded alike.
    """
    on_labels = target_loss(labels)
    again = replace(compute, compile=False).prepared(net)

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor | LoaderTargets) -> Tensor:
        with DropoutSwitch(on=False):
            plain = again(inputs)
        gap = (logits.softmax(1) - plain.softmax(1)).square().sum(1).mean()
        return on_labels(logits, inputs, rows) + weight * gap

    return loss


def pixels_zeroed(
    images: Float[Tensor, "n C H W"], generator: torch.Generator, *, p: float
) -> Float[Tensor, "n C H W"]:
    """Each pixel, all channels of it, set to the mean of the training images with probability p."""
    n, _, height, width = images.shape
    kept = torch.rand(n, 1, height, width, generator=generator) >= p
    return images * kept.to(images.device)


def spread(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"]) -> float:
    """Variance of a prediction's probabilities, summed over classes, from two independent ones."""
    gap = first.softmax(1) - second.softmax(1)
    return float(gap.square().sum(1).mean() / 2)


def divergence_from(ideal: Float[Tensor, "n k"], logits: Float[Tensor, "n k"]) -> float:
    """Mean KL(ideal || prediction), in nats."""
    return float(hinton_kd(logits, ideal, 1.0))
