"""A small convolutional net for small images."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.models.images import check_image_shape, image_sizes
from multiview.models.initial import draw_weights


class ConvNet(nn.Module):
    """Two convolutions, each with GroupNorm, ReLU and 2x2 max pooling, and a linear layer.

    The first convolution (4x4) halves the image, so that a training run and a tangent kernel of
    thousands of images take seconds. GroupNorm with one group looks at one sample only: the
    function of a sample never depends on the batch, and its tangent kernel is well-defined.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        widths: tuple[int, int] = (16, 40),
        generator: torch.Generator | int,
    ) -> None:
        """Draw the weights, by ``draw_weights``.

        Args:
            image_shape: (channels, height, width); height and width at least 8.
            generator: Sole source of randomness, advanced in place; or a seed.

        Raises:
            ValueError: If an argument is out of range; in the forward pass, if images are not of
                ``image_shape``.
        """
        super().__init__()
        self.image_shape = image_sizes(image_shape, 8, "is pooled three times")
        channels, height, width = self.image_shape
        num_classes = checks.count("num_classes", num_classes)
        first, second = checks.counts("widths", widths, length=2)
        generator = checks.generator("generator", generator, "initial weights")
        flat = second * (height // 8) * (width // 8)
        self.layers = nn.Sequential(
            nn.utils.skip_init(nn.Conv2d, channels, first, 4, stride=2, padding=1),
            nn.GroupNorm(1, first),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.utils.skip_init(nn.Conv2d, first, second, 3, padding=1),
            nn.GroupNorm(1, second),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.utils.skip_init(nn.Linear, flat, num_classes),
        )
        draw_weights(self, generator)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        check_image_shape(images, self.image_shape, self.layers)
        return self.layers(images)
