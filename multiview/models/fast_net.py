"""A convolutional net that is quick to train, in the spirit of the CIFAR-10 speed records."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from multiview import checks, shapes
from multiview.models.images import check_images, image_sizes
from multiview.models.initial import draw_weights

# Few steps leave little time for a slow mean (airbench, arXiv 2404.00498, takes 0.4 as well).
BATCH_NORM_MOMENTUM = 0.4


class FastTop(nn.Module):
    """The blocks of a FastNet and its linear layer, on the channels of some layer below.

    Args:
        widths: Channels of the blocks; each halves the image.
        image_shape: (channels, height, width) of the inputs.
        generator: Sole source of randomness, advanced in place; or a seed. See ``draw_weights``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        num_classes: int,
        image_shape: tuple[int, int, int],
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        num_classes = checks.count("num_classes", num_classes)
        widths = checks.counts("widths", widths)
        generator = checks.generator("generator", generator, "initial weights")
        if not widths:
            raise ValueError("widths=() has no block: give the channels of one or more.")
        self.image_shape = image_sizes(image_shape)
        channels, height, width = self.image_shape
        self.least = least = 2 ** len(widths)
        if min(height, width) < least:
            raise ValueError(
                f"inputs of image_shape={image_shape}, {height}x{width} cannot be halved "
                f"{len(widths)} times: use at least {least}x{least}, or fewer widths than "
                f"{tuple(widths)}."
            )
        self.blocks = nn.Sequential(*(_block(*shape) for shape in pairwise((channels, *widths))))
        self.head = nn.Sequential(
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.utils.skip_init(nn.Linear, widths[-1], num_classes, bias=False),
        )
        draw_weights(self, generator)
        with torch.no_grad():
            # Maxima are large and positive: as drawn, the first logits would be of order 1.
            self.head.get_parameter("2.weight").mul_(1 / 9)

    def forward(self, inputs: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        check_images(inputs, self.blocks, self.least)
        return self.head(self.blocks(inputs))


class FastNet(nn.Module):
    """A 2x2 layer, three blocks of two 3x3 convolutions that halve the image, and a linear layer.

    The plan of hlb-CIFAR10 and airbench (arXiv 2404.00498): fixed whitening filters first, pooling
    inside the blocks, BatchNorm, the maximum over the last image, small logits at the start. But
    with SiLU in place of GELU, with which training takes a fifth more time on a CPU (one network of
    each erred on 15.6 and 15.4% of held-out images), and without a bias of the filters. With
    whitening, 10 classes and widths (64, 256, 256) it has 1,972,480 trained parameters.

    Args:
        widths: Channels of the three blocks.
        image_shape: (channels, height, width); height and width at least 9.
        whitening: Filters (w, channels, s, s) of the first layer, as ``whitening_filters`` makes
            them, which stay as they are and have no bias; None draws 8 x channels filters of 2x2
            with a bias and trains them.
        generator: Sole source of randomness, advanced in place; or a seed. See ``draw_weights``.

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
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        self.image_shape = image_sizes(image_shape)
        channels, height, width = self.image_shape
        checks.counts("widths", widths, length=3)
        generator = checks.generator("generator", generator, "initial weights")
        if whitening is not None:
            shapes.fit(whitening=(whitening, "float w C s s"))
            shapes.finite(whitening=whitening)
        if whitening is not None and whitening.shape[1] != channels:
            raise ValueError(
                f"whitening is for {whitening.shape[1]} channels, but image_shape={image_shape} "
                f"has {channels}: make it from such images."
            )
        first, size = (8 * channels, 2) if whitening is None else whitening.shape[::2]
        # Fixed filters have no bias: to train it takes a gradient through the second layer, an
        # eighth of all operations. With it and without, 15.4% of 5,000 held-out images were wrong
        # (45,000 of CIFAR-10, 5 epochs, seed 1000, one network each).
        self.first = nn.utils.skip_init(nn.Conv2d, channels, first, size, bias=whitening is None)
        draw_weights(self, generator)
        if whitening is not None:
            with torch.no_grad():
                self.first.get_parameter("weight").copy_(whitening).requires_grad_(False)
        self.least = 2**3 + size - 1  # side of an image that the three blocks can halve
        self.top = FastTop(
            widths=widths,
            num_classes=num_classes,
            image_shape=(first, height - size + 1, width - size + 1),
            generator=generator,
        )

    def channels(
        self, images: Float[Tensor, "n C H W"], blocks: int
    ) -> Float[Tensor, "n channels h w"]:
        """What the layer after so many blocks holds: the inputs of a FastTop.

        Raises:
            ValueError: If images are not such as the network takes, or ``blocks`` is not from 0 to
                the number of blocks.
        """
        check_images(images, self, self.least)
        blocks = checks.count("blocks", blocks, 0, len(self.top.blocks))
        return self.top.blocks[:blocks](functional.silu(self.first(images)))

    def forward(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n k"]:
        check_images(images, self, self.least)
        return self.top(functional.silu(self.first(images)))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, pooling, norm, SiLU; convolution, norm, SiLU."""
    convs = [
        nn.utils.skip_init(nn.Conv2d, i, outputs, 3, padding=1, bias=False)
        for i in (inputs, outputs)
    ]
    norms = [nn.BatchNorm2d(outputs, momentum=BATCH_NORM_MOMENTUM) for _ in range(2)]
    return nn.Sequential(
        convs[0], nn.MaxPool2d(2), norms[0], nn.SiLU(), convs[1], norms[1], nn.SiLU()
    )
