"""What the networks of ``channel_drop`` see of real images: channels, colours or tiles."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.models import FastNet, FastTop
from multiview.probes.channels import (
    channel_groups,
    channel_masks,
    preferred_classes,
    tile_masks,
)
from multiview.runs.experiment import Context
from multiview.train import outputs_of, target_loss
from theory_experiments._contrast import errors_of
from theory_experiments._image_nets import Fast, Recipe, fast_recipe, train_group

Part = Literal["layer", "colours", "tiles"]
BLOCKS = 1  # of the pre-trained FastNet below the layer whose channels are taken


@dataclass(frozen=True, kw_only=True)
class DropCell:
    """One repetition of one kind of inputs: all that is random depends on ``seed``.

    The recipe is that of ``EnsembleCell``; nothing else was compared.
    """

    seed: int = 0
    part: Part = "layer"
    data: Literal["cifar10", "cifar100", "multi_view"] = "cifar10"
    num_pretrain: int = 8000  # the net below the layer has seen none of the others
    num_train: int = 1500
    num_validation: int = 500
    num_test: int = 2000
    base_widths: tuple[int, int, int] = (32, 64, 64)  # of the pre-trained net and those above it
    widths: tuple[int, int, int] = (16, 32, 64)  # of nets on colours and tiles
    pretrain: Recipe = field(default_factory=lambda: fast_recipe(epochs=8))
    recipe: Recipe = field(default_factory=lambda: fast_recipe(epochs=20))
    student_rate: float = 0.3
    temperature: float = 4.0
    weight: float = 0.3  # of the teacher, T^2 KL, beside cross-entropy
    members: int = 4
    students: int = 1
    groups: int = 4  # G; of colours there are as many as the images have
    tiles: tuple[int, int] = (4, 4)
    kept: tuple[int, ...] = (4, 2, 1)  # f G; of colours (3, 2, 1)

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")
        if not self.kept or not all(1 <= each <= self.groups for each in self.kept):
            raise ValueError(f"kept={self.kept} are groups: use 1 to groups={self.groups}.")
        if self.kept[0] != self.groups:
            raise ValueError(f"kept={self.kept} must begin with all: groups={self.groups}.")

    @property
    def fractions(self) -> list[float]:
        """``kept`` as fractions of all groups."""
        return [kept / self.groups for kept in self.kept]


class Mask(nn.Module):
    """Lets a part of the inputs through; the rest becomes 0."""

    def __init__(self, shown: Bool[Tensor, "..."]) -> None:
        super().__init__()
        self.register_buffer("shown", shown)

    def forward(self, inputs: Float[Tensor, "n C H W"]) -> Float[Tensor, "n C H W"]:
        return inputs * self.get_buffer("shown")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What new nets are trained on, and the groups it falls into."""

    splits: Splits
    masks: Bool[Tensor, "groups ..."]
    recipe: Recipe
    base: float  # test error of the net below; NaN where there is none


def inputs_of(cell: DropCell, images: ImageData, context: Context) -> Inputs:
    """The images themselves, or what a net trained on others makes of them."""
    drawn = stream(cell.seed, "images", "split")
    more = cell.num_pretrain if cell.part == "layer" else 0
    splits = split(
        images,
        cell.num_train + more,
        cell.num_validation,
        cell.num_test,
        drawn,
        context.device,
    )
    groups = stream(cell.seed, "channel_drop", "groups")
    if cell.part == "layer":
        return _layer(cell, splits, groups, context)
    channels, *size = splits.image_shape
    if cell.part == "colours":
        order = torch.randperm(channels, generator=groups)
        masks = torch.eye(channels, dtype=torch.bool)[order, :, None, None]
    else:
        masks = tile_masks((size[0], size[1]), cell.tiles, cell.groups, groups)
    if len(masks) != cell.groups:
        raise ValueError(f"groups={cell.groups}, but the images have {len(masks)} colours.")
    return Inputs(splits=splits, masks=masks, recipe=cell.recipe, base=math.nan)


def _layer(cell: DropCell, splits: Splits, generator: torch.Generator, context: Context) -> Inputs:
    """Channels of a net that was trained on the first ``num_pretrain`` images, for the others."""
    first, rest = slice(cell.num_pretrain), slice(cell.num_pretrain, None)
    below = replace(splits, train=splits.train[first], train_labels=splits.train_labels[first])
    start = stream(cell.seed, "channel_drop", "base")
    net = Fast(widths=cell.base_widths).build(below, start)
    base = train_group(
        "base",
        [net],
        cell.pretrain,
        below,
        lambda part: target_loss(below.train_labels),
        seed=cell.seed,
        context=context,
    )
    assert isinstance(net, FastNet)

    def lower(seen: Tensor) -> Tensor:
        return outputs_of(Channels(net), seen, compute=cell.pretrain.compute)

    labels = splits.train_labels[rest]
    # Mirror images are further samples: a layer's channels cannot be mirrored instead.
    seen = torch.cat([splits.train[rest], splits.train[rest].flip(3)])
    channels = replace(
        splits,
        train=lower(seen),
        train_labels=labels.repeat(2),
        validation=lower(splits.validation),
        test=lower(splits.test),
    )
    preferred = preferred_classes(channels.train, channels.train_labels, splits.num_classes)
    groups = channel_groups(preferred, cell.groups, generator)
    epochs = max(1, cell.recipe.optim.epochs // 2)  # of twice as many samples
    return Inputs(
        splits=channels,
        masks=channel_masks(groups, len(preferred)),
        recipe=replace(
            cell.recipe,
            flip=False,
            padding=1,
            optim=replace(cell.recipe.optim, epochs=epochs),
        ),
        base=errors_of(base.test, splits.test_labels.cpu())[0],
    )


class Channels(nn.Module):
    """The channels of the layer after the first ``BLOCKS`` blocks."""

    def __init__(self, net: FastNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n channels h w"]:
        return self.net.channels(images, BLOCKS)


def new_nets(
    cell: DropCell, inputs: Inputs, shown: Tensor, name: str, indices: Iterable[int]
) -> list[nn.Module]:
    """New nets that see ``shown`` alone; their weights are the same whatever that is.

    On images they stand behind filters that whiten what is shown.
    """
    splits, mask = inputs.splits, Mask(shown.to(inputs.splits.train.device))
    seen = replace(splits, train=mask(splits.train))
    nets = []
    for i in indices:
        generator = stream(cell.seed, "channel_drop", "init", name, i)
        if cell.part == "layer":
            net: nn.Module = FastTop(
                widths=cell.base_widths[BLOCKS:],
                num_classes=splits.num_classes,
                image_shape=splits.image_shape,
                generator=generator,
            ).to(splits.train.device)
        else:
            net = Fast(widths=cell.widths).build(seen, generator)
        nets.append(nn.Sequential(mask, net))
    return nets
