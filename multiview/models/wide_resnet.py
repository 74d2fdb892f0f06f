"""The wide residual network of Zagoruyko & Komodakis, arXiv 1605.07146."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

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


class WideResNet(nn.Module):
    """WRN-depth-widen: a 3x3 stem and three stages of n pre-activation blocks; depth 6n + 4.

    Widths are 16, 32 and 64 times ``widen``. With 10 classes: WRN-28-10 has 36,479,194 parameters,
    WRN-16-8 10,961,370, WRN-40-4 8,949,210.

    Args:
        depth: 10, 16, 22, 28, 40, ... The paper counts the 1x1 shortcuts of the stages.
        widen: Factor w of the widths.
        image_shape: (channels, height, width); height and width at least 4.
        generator: Sole source of the weights; advanced in place. Drawn by ``draw_weights``.
        norm: "batch", which mixes samples in train mode, or "group", which never does.
        dropout: Probability that an activation between a block's two convolutions is dropped in
            train mode (the paper: 0.3, or none). Masks come from torch's global generator.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        depth: int = 28,
        widen: int = 10,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        generator: torch.Generator | int,
        norm: Norm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        n = blocks_per_stage(depth, outside=4)
        check_sizes(num_classes, image_shape)
        generator = checks.generator("generator", generator, "initial weights")
        widen = checks.count("widen", widen, meaning="multiplies the widths")
        dropout = checks.drop_probability("dropout", dropout)
        widths = [widen * width for width in STAGE_WIDTHS]
        self.layers = nn.Sequential(
            conv(image_shape[0], STEM_WIDTH),
            *stages(lambda *shape: Block(*shape, norm=norm, dropout=dropout), [n] * 3, widths),
            norm_layer(norm, widths[-1]),
            nn.ReLU(),
            *head(widths[-1], num_classes),
        )
        draw_weights(self, generator)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        check_images(images, self.layers)
        return self.layers(images)


class Block(nn.Module):
    """x + conv(relu(norm(conv(a)))) with a = relu(norm(x)).

    Where the shape changes, a 1x1 convolution of a stands for x.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, norm: Norm, dropout: float
    ) -> None:
        super().__init__()
        self.activate = nn.Sequential(norm_layer(norm, inputs), nn.ReLU())
        self.branch = nn.Sequential(
            conv(inputs, outputs, stride=stride),
            norm_layer(norm, outputs),
            nn.ReLU(),
            *([nn.Dropout(dropout)] if dropout else []),
            conv(outputs, outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else conv(inputs, outputs, 1, stride)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n C H W"]:
        active = self.activate(x)
        kept = x if self.shortcut is None else self.shortcut(active)
        return kept + self.branch(active)
