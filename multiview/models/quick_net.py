"""QuickNet: three convolutions and two fully connected layers, with dropout."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.models.images import check_image_shape, image_sizes
from multiview.models.initial import draw_weights


class QuickNet(nn.Module):
    """Three 5x5 convolutions, each with ReLU and 2x2 pooling, a hidden layer and a linear one.

    After Caffe's "cifar10_quick", the network of Dropout Distillation's compression experiment
    (Rota Bulo, Porzi & Kontschieder, ICML 2016); there the hidden layer has no ReLU, and where
    dropout stands is not in the sources at hand: here it is on the inputs of both last layers.

    Args:
        image_shape: (channels, height, width); height and width at least 8.
        widths: Channels of the convolutions.
        hidden: Units of the hidden layer.
        dropout: Probability that an input of one of the last two layers is set to 0 while training.
        generator: Sole source of randomness, advanced in place; or a seed. See ``draw_weights``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        widths: tuple[int, int, int] = (32, 32, 64),
        hidden: int = 64,
        dropout: float = 0.5,
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        self.image_shape = image_sizes(image_shape, 8, "is pooled three times")
        channels, height, width = self.image_shape
        num_classes = checks.count("num_classes", num_classes)
        hidden = checks.count("hidden", hidden)
        widths = checks.counts("widths", widths, length=3)  # type: ignore[assignment]
        dropout = checks.drop_probability("dropout", dropout)
        generator = checks.generator("generator", generator, "initial weights")
        blocks: list[nn.Module] = []
        for narrow, wide in pairwise((channels, *widths)):
            convolution = nn.utils.skip_init(nn.Conv2d, narrow, wide, 5, padding=2)
            blocks += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
        flat = widths[-1] * (height // 8) * (width // 8)
        self.layers = nn.Sequential(
            *blocks,
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.utils.skip_init(nn.Linear, flat, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.utils.skip_init(nn.Linear, hidden, num_classes),
        )
        draw_weights(self, generator)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        check_image_shape(images, self.image_shape, self.layers)
        return self.layers(images)
