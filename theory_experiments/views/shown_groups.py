"""Methods on images of which some groups are shown: channels of a layer, colours or tiles.

The inputs fall into G disjoint groups: channels of an intermediate layer of a trained net, colours,
or tiles of the image. Keeping the first f G of them, the same for all nets, is to keep a fraction f
of what may hold views; everything else is 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multiview import checks, stream
from multiview.bench import Bench, Classifier, Context, Method, Setting
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.modules import ModuleBench
from multiview.bench.nets import Fast
from multiview.bench.recipe import Recipe, fast_recipe
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.models import FastNet, FastTop
from multiview.probes.channels import (
    channel_groups,
    channel_masks,
    preferred_classes,
    tile_masks,
)
from multiview.train import outputs_of
from multiview.train.metrics import wrong

Inputs = Literal["layer", "colours", "tiles"]


@dataclass(frozen=True, kw_only=True)
class GroupSetting(ImageSetting):
    """Images, or what a pre-trained network makes of them, in disjoint groups of inputs.

    Attributes:
        groups: G; of colours there are as many as the images have.
        tiles: Down and across.
        num_pretrain: Of further training images, which the net below the layer alone has seen.
        base: That net.
        pretrain: How it is trained.
        blocks: Of that net below the layer, 1 to 2.
    """

    inputs: Inputs = "layer"
    groups: int = 4
    tiles: tuple[int, int] = (4, 4)
    num_pretrain: int = 8000
    base: Fast = field(default_factory=lambda: Fast(widths=(32, 64, 64)))
    pretrain: Recipe = field(default_factory=lambda: fast_recipe(epochs=8))
    blocks: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.count("blocks", self.blocks, 1, len(self.base.widths) - 1)

    def bench(self, seed: int, context: Context) -> ModuleBench:
        """The bench of one repetition, whose networks see all groups."""
        further = self.num_pretrain if self.inputs == "layer" else 0
        sizes = ((self.num_train or 0) + further, self.num_validation, self.num_test)
        drawn = stream(seed, "images", "split")
        splits = split(self.images(seed, context), *sizes, drawn, context.device)
        if self.inputs != "layer":
            return ModuleBench(self, splits, partial(self.build, splits, None), seed, context)
        net = self.below(splits, seed, context)
        lower = Channels(net, self.blocks)
        channels = channels_of(lower, splits, self.num_pretrain, self.pretrain)
        labels = splits.test_labels.cpu()
        error = wrong(outputs_of(net, splits.test).cpu(), labels).double().mean()
        build = partial(self.build, channels, None)
        return LayerBench(self, channels, build, seed, context, base_error=float(error))

    def images(self, seed: int, context: Context) -> ImageData:
        """The whole data set, or one made up that has images for the net below too."""
        if self.data != MADE_UP or not self.num_pretrain:
            return super().images(seed, context)
        more = (self.num_train or 0) + self.num_pretrain
        return replace(self, num_train=more, num_pretrain=0).images(seed, context)

    def below(self, splits: Splits, seed: int, context: Context) -> FastNet:
        """The net below the layer, trained on the first ``num_pretrain`` images."""
        own = slice(self.num_pretrain)
        seen = replace(splits, train=splits.train[own], train_labels=splits.train_labels[own])
        setting = replace(self, recipe=self.pretrain)
        bench = ModuleBench(setting, seen, partial(self.base.build, seen), seed, context)

        def report(message: str, fraction: float) -> None:
            context.progress(f"net below the layer: {message}", 0.0)

        net = bench.on(seen.train, seen.train_labels, report).fit_one(bench.one("base")).net
        assert isinstance(net, FastNet)
        return net

    def build(self, samples: Splits, shown: Tensor | None, generator: torch.Generator) -> nn.Module:
        """A new net that sees ``shown`` alone, or all; its weights are the same whatever that is.

        On images it stands behind filters that whiten what is shown.
        """
        mask = Mask(torch.ones(1, 1, 1, dtype=torch.bool) if shown is None else shown)
        mask.to(samples.train.device)
        if self.inputs != "layer":
            seen = replace(samples, train=mask(samples.train))
            return nn.Sequential(mask, self.net.build(seen, generator))
        top = FastTop(
            widths=self.base.widths[self.blocks :],
            num_classes=samples.num_classes,
            image_shape=samples.image_shape,
            generator=generator,
        )
        return nn.Sequential(mask, top.to(samples.train.device))

    def masks(self, bench: ModuleBench) -> Bool[Tensor, "groups ..."]:
        """Which inputs each group holds."""
        samples, drawn = bench.samples, bench.stream("channel_drop", "groups")
        _, channels, *size = samples.train.shape
        if self.inputs == "layer":
            preferred = preferred_classes(samples.train, samples.train_labels, samples.num_classes)
            return channel_masks(channel_groups(preferred, self.groups, drawn), len(preferred))
        if self.inputs == "tiles":
            return tile_masks((size[0], size[1]), self.tiles, self.groups, drawn)
        if channels != self.groups:
            raise ValueError(f"groups={self.groups}, but the images have {channels} colours.")
        order = torch.randperm(channels, generator=drawn)
        return torch.eye(channels, dtype=torch.bool)[order, :, None, None]


class LayerBench(ModuleBench):
    """A bench of channels.

    Attributes:
        base_error: Test error of the net below them.
    """

    def __init__(self, *given: object, base_error: float) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.base_error = base_error


class Mask(nn.Module):
    """Lets a part of the inputs through; the rest becomes 0."""

    def __init__(self, shown: Bool[Tensor, "..."]) -> None:
        super().__init__()
        self.register_buffer("shown", shown)

    def forward(self, inputs: Float[Tensor, "n C H W"]) -> Float[Tensor, "n C H W"]:
        return inputs * self.get_buffer("shown")


class Channels(nn.Module):
    """The channels of the layer after the first blocks."""

    def __init__(self, net: FastNet, blocks: int) -> None:
        super().__init__()
        self.net, self.blocks = net, blocks

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n channels h w"]:
        return self.net.channels(images, self.blocks)


def channels_of(channels: Channels, splits: Splits, first: int, recipe: Recipe) -> Splits:
    """What a net makes of the images, the ``first`` training images, which it has seen, left out.

    Mirror images are further samples: a layer's channels cannot be mirrored instead.
    """

    def lower(seen: Tensor) -> Tensor:
        return outputs_of(channels, seen, compute=recipe.compute)

    rest, labels = splits.train[first:], splits.train_labels[first:]
    return replace(
        splits,
        train=lower(torch.cat([rest, rest.flip(3)])),
        train_labels=labels.repeat(2),
        validation=lower(splits.validation),
        test=lower(splits.test),
    )


def showing(bench: Bench, groups: tuple[int, ...], **given: object) -> ModuleBench:
    """A bench whose networks see some groups of the inputs alone."""
    assert isinstance(bench, ModuleBench)
    setting, samples = bench.setting, bench.samples
    assert isinstance(setting, GroupSetting)
    assert isinstance(samples, Splits)
    shown = setting.masks(bench)[list(groups)].any(0)
    other = bench.on(bench.inputs, bench.labels, **given)
    other.build = partial(setting.build, samples, shown)
    return other


@dataclass(frozen=True, kw_only=True)
class ShownGroups(Method):
    """A method whose networks see some groups of the inputs alone, as does what it builds on."""

    groups: tuple[int, ...]
    of: Method

    def check(self, setting: Setting) -> None:
        """Refuse groups that there are not."""
        number = setting.groups if isinstance(setting, GroupSetting) else 0
        if not self.groups or not set(self.groups) <= set(range(number)):
            raise ValueError(f"groups={self.groups} are none of 0 to {number - 1}: use these.")
        self.of.check(setting)

    def needs(self) -> Iterator[Method]:
        """What the method builds on, with the same groups."""
        for part in self.of.needs():
            yield replace(self, of=part)

    def train(self, bench: Bench) -> Classifier:
        """The classifier; initial weights are those of all groups."""
        known = {part: bench.trained(replace(self, of=part)) for part in self.of.needs()}
        return self.of.train(showing(bench, self.groups, known=known))


@dataclass(frozen=True, kw_only=True)
class SingleGroups(Method):
    """As many networks as groups, each of which sees one group alone: logits (n, G, k).

    Attributes:
        start: Name of their initial weights, which all differ.
        same: Whether all see the first group; else each has its own.
    """

    start: str
    same: bool = False

    def train(self, bench: Bench) -> Classifier:
        """Train one network for each group."""
        assert isinstance(bench, ModuleBench)
        setting = bench.setting
        assert isinstance(setting, GroupSetting)
        groups = [0 if self.same else i for i in range(setting.groups)]
        nets = [showing(bench, (group,)).one(self.start, i) for i, group in enumerate(groups)]
        fitted = bench.fit(nets, [None] * len(nets), order="members")
        each = [bench.frozen(one.net) for one in fitted]
        return Classifier(logits=lambda x: torch.stack([logits(x) for logits in each], 1))
