"""The residual network for CIFAR of He et al., arXiv 1512.03385, Section 4.2."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from multiview import checks
from multiview.models.images import check_images
from multiview.models.initial import draw_weights
from multiview.models.residual import (
    STAGE_WIDTHS,
    STEM_WIDTH,
    Norm,
    blocks_per_stage,
    check_sizes,
    conv,
    head,
    norm_layer,
    stages,
)

Shortcut = Literal["pad", "conv"]


class ResNet(nn.Module):
    """A 3x3 stem and three stages of n blocks, widths 16, 32 and 64; depth 6n + 2.

    With 10 classes: ResNet-20 has 269,722 parameters, ResNet-56 853,018.

    Args:
        depth: Layers with weights, shortcuts apart: 8, 14, 20, 32, 44, 56, 110, ...
        image_shape: (channels, height, width); height and width at least 4.
        generator: Sole source of randomness, advanced in place; or a seed. See ``draw_weights``.
        norm: "batch", which mixes samples in train mode, or "group", which never does.
        shortcut: Where the shape changes: "pad" takes every second pixel and adds channels of
            zeros (option A, no parameter); "conv" is a 1x1 convolution and a norm (option B).

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        depth: int = 20,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        generator: torch.Generator | int,
        norm: Norm = "batch",
        shortcut: Shortcut = "pad",
    ) -> None:
        super().__init__()
        n = blocks_per_stage(depth, outside=2)
        check_sizes(num_classes, image_shape)
        generator = checks.generator("generator", generator, "initial weights")
        checks.choice("shortcut", shortcut, get_args(Shortcut))
        self.layers = nn.Sequential(
            conv(image_shape[0], STEM_WIDTH),
            norm_layer(norm, STEM_WIDTH),
            nn.ReLU(),
            *stages(lambda *shape: Block(*shape, norm=norm, shortcut=shortcut), [n] * 3),
            *head(STAGE_WIDTHS[-1], num_classes),
        )
        draw_weights(self, generator)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        check_images(images, self.layers)
        return self.layers(images)


class Block(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))), the shortcut x fitted to the new shape."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, norm: Norm, shortcut: Shortcut
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv(inputs, outputs, stride=stride),
            norm_layer(norm, outputs),
            nn.ReLU(),
            conv(outputs, outputs),
            norm_layer(norm, outputs),
        )
        if inputs == outputs and stride == 1:
            self.shortcut = nn.Identity()
        elif shortcut == "pad":
            self.shortcut = SubsampleAndPad(stride, outputs - inputs)
        else:
            self.shortcut = nn.Sequential(
                conv(inputs, outputs, 1, stride), norm_layer(norm, outputs)
            )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n C H W"]:
        return F.relu(self.shortcut(x) + self.branch(x))


class SubsampleAndPad(nn.Module):
    """Every ``stride``-th pixel, and ``more`` channels of zeros after the given ones."""

    def __init__(self, stride: int, more: int) -> None:
        super().__init__()
        self.stride, self.more = stride, more

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n C H W"]:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
