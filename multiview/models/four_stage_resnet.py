"""ResNet-18 and ResNet-34 of He et al., arXiv 1512.03385, for images of 32x32."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.models.images import check_images
from multiview.models.initial import draw_weights
from multiview.models.residual import Norm, check_sizes, conv, head, norm_layer, stages
from multiview.models.resnet import Block

WIDTHS = (64, 128, 256, 512)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # of two convolutions, by depth


class FourStageResNet(nn.Module):
    """The wide ResNets of ImageNet with a 3x3 stem that keeps the image, as is usual on CIFAR.

    Stages of 64, 128, 256 and 512 channels, 1x1 convolutions as shortcuts where the shape changes.
    With 10 classes: ResNet-18 has 11,173,962 parameters, ResNet-34 21,282,122.

    Args:
        depth: 18 or 34.
        image_shape: (channels, height, width); height and width at least 8.
        generator: Sole source of randomness, advanced in place; or a seed. See ``draw_weights``.
        norm: "batch", which mixes samples in train mode, or "group", which never does.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        depth: int = 34,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        generator: torch.Generator | int,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if checks.count("depth", depth) not in BLOCKS:
            raise ValueError(f"depth={depth} must be one of {', '.join(map(str, BLOCKS))}.")
        check_sizes(num_classes, image_shape, halvings=3)
        generator = checks.generator("generator", generator, "initial weights")
        self.layers = nn.Sequential(
            conv(image_shape[0], WIDTHS[0]),
            norm_layer(norm, WIDTHS[0]),
            nn.ReLU(),
            *stages(
                lambda *shape: Block(*shape, norm=norm, shortcut="conv"),
                BLOCKS[depth],
                WIDTHS,
                inputs=WIDTHS[0],
            ),
            *head(WIDTHS[-1], num_classes),
        )
        draw_weights(self, generator)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        check_images(images, self.layers)
        return self.layers(images)
