"""A convolutional net that is quick to train, in the spirit of the CIFAR-10 speed records."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.models.initial import draw_weights

# Few steps leave little time for a slow mean (airbench, arXiv 2404.00498, takes 0.4 as well).
BATCH_NORM_MOMENTUM = 0.4


class FastNet(nn.Module):
    """A 2x2 layer, three blocks of two 3x3 convolutions that halve the image, and a linear layer.

    The plan of hlb-CIFAR10 and airbench (arXiv 2404.00498): fixed whitening filters first, pooling
    inside the blocks, BatchNorm, GELU, the maximum over the last image, small logits at the start.
    With whitening, 10 classes and widths (64, 256, 256): 1,972,504 trained parameters.

    Args:
        widths: Channels of the three blocks.
        image_shape: (channels, height, width); height and width at least 9.
        whitening: Filters (w, channels, s, s) of the first layer, as ``whitening_filters`` makes
            them, which stay as they are; None draws 8 x channels filters of 2x2 and trains them.
        generator: Sole source of randomness; advanced in place. ``draw_weights`` says the law.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, int, int] = (64, 256, 256),
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        whitening: Float[Tensor, "w C s s"] | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) < 9:
            raise ValueError(f"image_shape={image_shape} is halved three times: use at least 9x9.")
        if min(num_classes, channels, *widths) < 1:
            raise ValueError(f"num_classes={num_classes} and widths={widths} count at least 1.")
        if whitening is not None and whitening.shape[1] != channels:
            raise ValueError(
                f"whitening is for {whitening.shape[1]} channels, but image_shape={image_shape} "
                f"has {channels}: make it from such images."
            )
        first, size = (8 * channels, 2) if whitening is None else whitening.shape[::2]
        self.first = nn.utils.skip_init(nn.Conv2d, channels, first, size)
        ins = (first, *widths)
        self.blocks = nn.Sequential(
            nn.GELU(), *(_block(*shape) for shape in zip(ins, widths, strict=False))
        )
        self.head = nn.Sequential(
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.utils.skip_init(nn.Linear, widths[-1], num_classes, bias=False),
        )
        draw_weights(self, generator)
        with torch.no_grad():
            # Maxima are large and positive: as drawn, the first logits would be of order 1.
            self.head.get_parameter("2.weight").mul_(1 / 9)
            if whitening is not None:
                self.first.get_parameter("weight").copy_(whitening).requires_grad_(False)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        return self.head(self.blocks(self.first(images)))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, pooling, norm, GELU; convolution, norm, GELU."""
    convs = [
        nn.utils.skip_init(nn.Conv2d, i, outputs, 3, padding=1, bias=False)
        for i in (inputs, outputs)
    ]
    norms = [nn.BatchNorm2d(outputs, momentum=BATCH_NORM_MOMENTUM) for _ in range(2)]
    return nn.Sequential(
        convs[0], nn.MaxPool2d(2), norms[0], nn.GELU(), convs[1], norms[1], nn.GELU()
    )
