"""LeNet-5 as in Caffe: the convolutional net that pruning of MNIST classifiers is measured on."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.models.initial import draw_weights


class LeNet5(nn.Module):
    """Two 5x5 convolutions, each with ReLU and 2x2 max pooling, and two linear layers.

    20-50-800-500 in the count of pruning papers: filters, filters, inputs of the linear layers
    (50 x 4 x 4 and 500). Not the LeNet-5 of 1998, whose layers are smaller.

    Args:
        image_shape: (channels, height, width); height and width at least 16.
        widths: Filters of both convolutions and hidden units.
        generator: Sole source of randomness; advanced in place. ``draw_weights`` says the law.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 10,
        widths: Sequence[int] = (20, 50, 500),
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) < 16:
            raise ValueError(f"image_shape={image_shape}: use at least 16x16.")
        if len(widths) != 3 or min(num_classes, channels, *widths) < 1:
            raise ValueError(
                f"widths={tuple(widths)} are three, and num_classes={num_classes} counts: use at "
                "least 1 of each."
            )
        first, second, hidden = widths
        rows, columns = (((side - 4) // 2 - 4) // 2 for side in (height, width))
        self.layers = nn.Sequential(
            nn.utils.skip_init(nn.Conv2d, channels, first, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.utils.skip_init(nn.Conv2d, first, second, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.utils.skip_init(nn.Linear, second * rows * columns, hidden),
            nn.ReLU(),
            nn.utils.skip_init(nn.Linear, hidden, num_classes),
        )
        draw_weights(self, generator)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        return self.layers(images)
