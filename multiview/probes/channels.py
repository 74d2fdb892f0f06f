"""Disjoint groups of inputs or channels, in the place of views: some kept, all others set to 0."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview import checks, shapes


def preferred_classes(
    channels: Float[Tensor, "n C h w"], labels: Int[Tensor, " n"], num_classes: int
) -> Int[Tensor, " C"]:
    """The class for whose samples each channel is largest on average, the first of equals."""
    shapes.fit(channels=(channels, "float n C h w"), labels=(labels, "int n"))
    num_classes = checks.count("num_classes", num_classes)
    shapes.labels("labels", labels, num_classes, "num_classes")
    shapes.finite(channels=channels)
    means = channels.mean((2, 3)).double()
    per_class = [means[labels == label].mean(0) for label in range(num_classes)]
    return torch.stack(per_class).nan_to_num(-float("inf")).argmax(0)


def channel_groups(
    preferred: Int[Tensor, " C"], groups: int, generator: torch.Generator | int
) -> Int[Tensor, "groups members"]:
    """Split channels into groups of one size, at random but evenly over what they prefer.

    Channels are sorted by their class, and of every ``groups`` successive ones each group gets
    one. To keep the first f x groups is to drop channels "semi-randomly": a fraction 1 - f,
    uniformly within each class's channels. (arXiv 2012.09816 drops so without saying how.)

    Args:
        preferred: Of ``preferred_classes``; its order within a class is random.
        groups: A divisor of the number of channels.
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: If the groups cannot have one size.
    """
    number = shapes.fit(preferred=(preferred, "int C"))["C"]
    generator = checks.generator("generator", generator, "channel groups")
    if number % checks.count("groups", groups):
        raise ValueError(f"groups={groups} cannot share {number} channels equally: use a divisor.")
    shuffled = torch.randperm(number, generator=generator)
    by_class = shuffled[preferred.cpu()[shuffled].argsort(stable=True)].view(-1, groups)
    places = torch.rand(by_class.shape, generator=generator).argsort(1)
    return by_class.gather(1, places).T.contiguous()


def channel_masks(
    groups: Int[Tensor, "groups members"], num_channels: int
) -> Bool[Tensor, "groups C 1 1"]:
    """Masks that are True at the channels of each group."""
    shapes.fit(groups=(groups, "int groups members"))
    num_channels = checks.count("num_channels", num_channels)
    shapes.indices("groups", groups, 0, num_channels)
    masks = torch.zeros(len(groups), num_channels, dtype=torch.bool)
    return masks.scatter(1, groups.cpu(), True)[:, :, None, None]


def tile_masks(
    image_size: tuple[int, int],
    tiles: tuple[int, int],
    groups: int,
    generator: torch.Generator | int,
) -> Bool[Tensor, "groups 1 H W"]:
    """Masks that are True on each group's share of the image's tiles, dealt out at random.

    Args:
        tiles: How many down and across; they divide the image, and the groups their number.
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: If they do not.
    """
    height, width = checks.counts("image_size", image_size, length=2)
    down, across = checks.counts("tiles", tiles, length=2)
    generator = checks.generator("generator", generator, "tile masks")
    if height % down or width % across:
        raise ValueError(f"tiles={tiles} do not divide image_size={image_size}: use divisors.")
    if checks.count("groups", groups) and down * across % groups:
        raise ValueError(f"groups={groups} cannot share {down * across} tiles equally.")
    owner = torch.randperm(down * across, generator=generator) % groups
    spread = owner.view(down, across).repeat_interleave(height // down, 0)
    spread = spread.repeat_interleave(width // across, 1)
    return (spread == torch.arange(groups)[:, None, None])[:, None]
