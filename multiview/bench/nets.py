"""Which network is trained on images, apart from its initial weights: NetSpec and its kinds."""

from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import nn

from multiview.data.splits import Splits
from multiview.models import (
    MLP,
    ConvNet,
    FastNet,
    FourStageResNet,
    LeNet5,
    QuickNet,
    ResNet,
    WideResNet,
)
from multiview.models.rocket_wide_resnet import Variant, light_convolutions, rocket_wide_resnets


@runtime_checkable
class NetSpec(Protocol):
    """A kind of network: a frozen dataclass of its settings."""

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """A new network for these images, on their device."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fast:
    """A FastNet behind filters that whiten the training images."""

    widths: tuple[int, int, int] = (64, 256, 256)

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """A FastNet."""
        return FastNet(
            widths=self.widths,
            num_classes=splits.num_classes,
            image_shape=splits.image_shape,
            whitening=splits.whitening,
            generator=generator,
        ).to(splits.train.device)


@dataclass(frozen=True, kw_only=True)
class Dense:
    """An MLP."""

    widths: tuple[int, ...]
    input_dropout: float = 0.0
    dropout: float = 0.0

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The MLP."""
        settings = {"num_classes": splits.num_classes, "input_shape": splits.image_shape}
        return MLP(**vars(self), **settings, generator=generator).to(splits.train.device)


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A ConvNet, whose kernel of some thousand images takes seconds on a CPU."""

    widths: tuple[int, int] = (16, 40)

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The ConvNet."""
        return ConvNet(
            widths=self.widths,
            num_classes=splits.num_classes,
            image_shape=splits.image_shape,
            generator=generator,
        ).to(splits.train.device)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """A ResNet of depth 6n + 2, a FourStageResNet of depth 18 or 34, or a WRN-depth-widen."""

    depth: int
    widen: int | None = None  # of a WideResNet
    norm: Literal["batch", "group"] = "batch"  # of a WideResNet; "group" before any training

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The residual network."""
        settings = {
            "depth": self.depth,
            "num_classes": splits.num_classes,
            "image_shape": splits.image_shape,
            "generator": generator,
        }
        if self.widen is not None:
            net = WideResNet(widen=self.widen, norm=self.norm, **settings)
        else:
            net = (FourStageResNet if self.depth in (18, 34) else ResNet)(**settings)
        return net.to(splits.train.device)


@dataclass(frozen=True, kw_only=True)
class Quick:
    """A QuickNet: three convolutions, and a hidden layer with dropout."""

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


@dataclass(frozen=True, kw_only=True)
class WidePair:
    """A light wide residual network and its booster, as in ``rocket_wide_resnets``.

    Where no booster is asked for it is the light network by itself.

    Attributes:
        depth: Of the light network; of no effect in the variant "bottom".
    """

    depth: int = 16
    booster_depth: int = 40
    widen: int = 1
    variant: Variant = "interval"

    @property
    def most_shared(self) -> int:
        """The number of convolutions that the light network has, and so can share."""
        return light_convolutions(self.booster_depth, self.depth, self.variant)

    def pair(
        self, splits: Splits, shared: int, generator: torch.Generator
    ) -> tuple[nn.Module, nn.Module]:
        """The light network and its booster, the first ``shared`` convolutions in common."""
        light, booster = rocket_wide_resnets(
            booster_depth=self.booster_depth,
            light_depth=self.depth,
            widen=self.widen,
            variant=self.variant,
            shared=shared,
            num_classes=splits.num_classes,
            image_shape=splits.image_shape,
            generator=generator,
        )
        # What is shared stays so: data move, not parameters.
        return light.to(splits.train.device), booster.to(splits.train.device)

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The light network, with weights of its own."""
        return self.pair(splits, 0, generator)[0]
