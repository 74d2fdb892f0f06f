"""Light and booster wide residual networks that share convolutions (arXiv 1708.04106, Figure 2)."""

from typing import Any, Literal, get_args

import torch
from torch import nn

from multiview import checks
from multiview.models.initial import draw_weights
from multiview.models.residual import STAGE_WIDTHS, blocks_per_stage, head, norm_layer
from multiview.models.wide_resnet import Block, WideResNet

Variant = Literal["interval", "bottom"]


def rocket_wide_resnets(
    *,
    booster_depth: int = 40,
    light_depth: int = 16,
    widen: int = 1,
    variant: Variant = "interval",
    shared: int | Literal["all"] = "all",
    num_classes: int = 10,
    image_shape: tuple[int, int, int] = (3, 32, 32),
    booster_dropout: float = 0.0,
    generator: torch.Generator | int,
) -> tuple[nn.Module, WideResNet]:
    """A light net and its booster, a WRN-``booster_depth``-``widen``.

    - "interval", (b) of the paper: the light net is a WRN-``light_depth``-``widen`` whose blocks
      are the first of the booster's in each group.
    - "bottom", (a): it is the stem and the first two groups of the booster, all their blocks, with
      a mean over the whole map and a linear layer; ``light_depth`` is not looked at.

    Shared are the weights of convolutions: the stem's, both of a block, and its 1x1 shortcut.
    Norms, with their statistics, and the linear layers belong to each net. With 0 shared nothing
    is: in the published code the stem stays shared even so. All start weights are the same
    whatever is shared, but for those that the light net then takes from the booster.

    Args:
        shared: Of how many 3x3 convolutions from the light net's input on the weights are the
            booster's (a shortcut goes with the first of its block), or "all".
        generator: Sole source of the weights, the booster's first; advanced in place.
        booster_dropout: As in ``WideResNet``; the light net has none.

    Raises:
        ValueError: If an argument is out of range, or the light net deeper than the booster.
    """
    checks.choice("variant", variant, get_args(Variant))
    n = blocks_per_stage(booster_depth, 4, "booster_depth")
    booster_dropout = checks.drop_probability("booster_dropout", booster_dropout)
    generator = checks.generator("generator", generator, "initial weights")
    settings = {"num_classes": num_classes, "image_shape": image_shape, "generator": generator}
    booster = WideResNet(depth=booster_depth, widen=widen, dropout=booster_dropout, **settings)
    if variant == "interval":
        n_light = blocks_per_stage(light_depth, 4, "light_depth")
        if n_light > n:
            raise ValueError(f"light_depth={light_depth} exceeds booster_depth={booster_depth}.")
        light = WideResNet(depth=light_depth, widen=widen, **settings)
        pairs = [(1 + g * n_light + i, 1 + g * n + i) for g in range(3) for i in range(n_light)]
        body = light.layers
    else:
        light = body = _bottom(n, widen, num_classes, image_shape, generator)
        pairs = [(1 + i, 1 + i) for i in range(2 * n)]
    most = 1 + 2 * len(pairs)
    number = (
        most if shared == "all" else checks.count("shared", shared, 0, most, meaning=f"of {most}")
    )
    _share(body, booster.layers, pairs, number)
    return light, booster


def light_convolutions(booster_depth: int, light_depth: int, variant: Variant = "interval") -> int:
    """How many 3x3 convolutions the light net has: the most that it can share.

    Args:
        booster_depth, light_depth, variant: As of ``rocket_wide_resnets``.

    Raises:
        ValueError: If an argument is out of range.
    """
    checks.choice("variant", variant, get_args(Variant))
    if variant == "interval":
        return 1 + 6 * blocks_per_stage(light_depth, 4, "light_depth")
    return 1 + 4 * blocks_per_stage(booster_depth, 4, "booster_depth")


def _bottom(
    n: int,
    widen: int,
    num_classes: int,
    image_shape: tuple[int, int, int],
    generator: torch.Generator,
) -> nn.Sequential:
    """A stem, two groups of n blocks, and a head, with weights of its own."""
    whole = WideResNet(
        depth=6 * n + 4,
        widen=widen,
        num_classes=num_classes,
        image_shape=image_shape,
        generator=generator,
    )
    width = widen * STAGE_WIDTHS[1]
    top = head(width, num_classes)
    for layer in top:
        draw_weights(layer, generator)
    lower = list(whole.layers)[: 1 + 2 * n]
    return nn.Sequential(*lower, norm_layer("batch", width), nn.ReLU(), *top)


def _share(
    light: nn.Sequential, booster: nn.Sequential, pairs: list[tuple[int, int]], number: int
) -> None:
    """Give the light net the booster's weights of its first ``number`` 3x3 convolutions."""
    groups: list[list[tuple[Any, Any]]] = [[(light[0], booster[0])]]
    for i, j in pairs:
        mine, theirs = light[i], booster[j]
        assert isinstance(mine, Block)
        assert isinstance(theirs, Block)
        first: list[tuple[Any, Any]] = [(mine.branch[0], theirs.branch[0])]
        if mine.shortcut is not None:
            first.append((mine.shortcut, theirs.shortcut))
        groups += [first, [(mine.branch[-1], theirs.branch[-1])]]
    for group in groups[:number]:
        for own, other in group:
            own.weight = other.weight
