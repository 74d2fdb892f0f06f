"""LeNet-5 as in Caffe: the convolutional net that pruning of MNIST classifiers is measured on."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.models.images import check_image_shape, image_sizes
from multiview.models.initial import draw_weights


class LeNet5(nn.Module):
    """Two 5x5 convolutions, each with ReLU and 2x2 max pooling, and two linear layers.

    20-50-800-500 in the count of pruning papers: filters, filters, inputs of the linear layers
    (50 x 4 x 4 and 500). Not the LeNet-5 of 1998, whose layers are smaller.

    Args:
        image_shape: (channels, height, width); height and width at least 16.
        widths: Filters of both convolutions and hidden units.
        generator: Sole source of randomness, advanced in place; or a seed. See ``draw_weights``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 10,
        widths: Sequence[int] = (20, 50, 500),
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        self.image_shape = image_sizes(image_shape, 16, "is too small for two 5x5 layers")
        channels, height, width = self.image_shape
        num_classes = checks.count("num_classes", num_classes)
        first, second, hidden = checks.counts("widths", widths, length=3)
        generator = checks.generator("generator", generator, "initial weights")
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
        check_image_shape(images, self.image_shape, self.layers)
        return self.layers(images)
