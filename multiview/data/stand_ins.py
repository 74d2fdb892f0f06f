"""Made-up images in the place of real ones: Gaussian classes, and classes of two views each."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from multiview import checks, shapes
from multiview.data.images import ImageData

GREY = 127.5  # the mean of every pixel
NUM_VIEWS = 2
BLOCK = 2  # side of a texture's blocks of one colour, in pixels
STRENGTH = (0.8, 1.2)  # of a view in an image, relative to the contrast


def gaussian_images(
    n_train: int,
    n_test: int,
    generator: torch.Generator | int,
    *,
    num_classes: int = 10,
    image_shape: tuple[int, int, int] = (3, 32, 32),
    separation: float = 4.0,
    noise: float = 40.0,
) -> ImageData:
    """Classes without views: a mean image each, and independent Gaussian noise in every pixel.

    Args:
        n_train: A multiple of the number of classes, as is ``n_test``.
        generator: Sole source of randomness, advanced in place; or a seed.
        image_shape: (channels, height, width).
        separation: Expected (root mean square) distance of two class means, in deviations of the
            noise: the best classifier of two such classes errs on Phi(-separation / 2).
        noise: Deviation of a pixel, in grey levels.

    Returns:
        Images quantised to 0..255, in random order with balanced labels; name "gaussian".

    Raises:
        ValueError: If a number is out of range or the labels cannot be balanced.
    """
    separation = checks.positive("separation", separation)
    noise = checks.positive("noise", noise)
    num_classes = checks.count("num_classes", num_classes)
    image_shape = checks.counts("image_shape", image_shape, length=3)
    generator = checks.generator("generator", generator, "Gaussian images")
    _check_sizes(num_classes, n_train=n_train, n_test=n_test)
    means = torch.randn(num_classes, *image_shape, generator=generator)
    # The squared distance of two such means is 2 C H W.
    means *= separation / (2 * means[0].numel()) ** 0.5

    def draw(labels: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        drawn = torch.randn(len(labels), *image_shape, generator=generator)
        return _quantised(GREY + noise * (means[labels] + drawn))

    return _image_data("gaussian", num_classes, (n_train, n_test), draw, generator)


def view_textures(
    num_classes: int, generator: torch.Generator | int, *, channels: int = 3, side: int = 8
) -> Float[Tensor, "k 2 C side side"]:
    """Two small coloured textures a class, its views: random signs of each channel in blocks."""
    num_classes = checks.count("num_classes", num_classes)
    channels = checks.count("channels", channels)
    generator = checks.generator("generator", generator, "textures")
    if checks.count("side", side) % BLOCK:
        raise ValueError(f"side={side} is in blocks of {BLOCK} pixels: use a multiple of {BLOCK}.")
    coarse = (num_classes, NUM_VIEWS, channels, side // BLOCK, side // BLOCK)
    signs = torch.randint(2, coarse, generator=generator).float() * 2 - 1
    return signs.repeat_interleave(BLOCK, -1).repeat_interleave(BLOCK, -2)


def multi_view_images(
    textures: Float[Tensor, "k 2 C side side"],
    n_train: int,
    n_test: int,
    generator: torch.Generator | int,
    *,
    image_size: tuple[int, int] = (32, 32),
    mu: float = 0.2,
    contrast: float = 50.0,
    noise: float = 40.0,
) -> ImageData:
    """Images that show both views of their class, but a fraction ``mu`` of them one alone.

    What the paper's patch distribution is to its network, these are to a convolutional net
    (arXiv 2012.09816, Section 3; without faint features of other classes).

    Args:
        textures: As from ``view_textures``; the channels are those of the images.
        n_train: A multiple of the number of classes, as is ``n_test``.
        generator: Sole source of randomness, advanced in place; or a seed.
        image_size: (height, width).
        mu: Of each split, rounded to whole images. Which view is left is random.
        contrast: Grey levels by which a texture departs from grey, up to the view's strength.
        noise: Deviation of the Gaussian noise in every pixel, in grey levels.

    Returns:
        Images quantised to 0..255, in random order with balanced labels; name "multi_view".

    Raises:
        ValueError: If a number is out of range, the views do not fit into the image or the labels
            cannot be balanced.
    """
    mu = checks.number("mu", mu, "[0, 1]", meaning="is a fraction of the images")
    contrast = checks.positive("contrast", contrast)
    noise = checks.positive("noise", noise)
    shapes.fit(textures=(textures, f"float k {NUM_VIEWS} C side side"))
    shapes.finite(textures=textures)
    generator = checks.generator("generator", generator, "multi-view images")
    _check_sizes(len(textures), n_train=n_train, n_test=n_test)

    def draw(labels: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        n = len(labels)
        shown = torch.ones(n, NUM_VIEWS, dtype=torch.bool)
        single = torch.randperm(n, generator=generator)[: round(mu * n)]
        hidden = torch.randint(NUM_VIEWS, (len(single),), generator=generator)
        shown[single, hidden] = False
        painted = show_views(textures, labels, shown, image_size, generator)
        pixels = torch.randn(painted.shape, generator=generator)
        return _quantised(GREY + contrast * painted + noise * pixels)

    return _image_data("multi_view", len(textures), (n_train, n_test), draw, generator)


def show_views(
    textures: Float[Tensor, "k 2 C side side"],
    labels: Int[Tensor, " n"],
    shown: Bool[Tensor, "n 2"],
    image_size: tuple[int, int],
    generator: torch.Generator | int,
) -> Float[Tensor, "n C H W"]:
    """The views of each label where ``shown``, in different random cells of a grid; 0 elsewhere.

    Raises:
        ValueError: If the grid has fewer cells than a class has views.
    """
    sizes = shapes.fit(
        textures=(textures, f"float k {NUM_VIEWS} C side side"),
        labels=(labels, "int n?"),
        shown=(shown, f"bool n? {NUM_VIEWS}"),
    )
    shapes.indices("labels", labels, 0, len(textures))
    generator = checks.generator("generator", generator, "shown views")
    image_size = checks.counts("image_size", image_size, length=2)  # type: ignore[assignment]
    n, channels, side = len(labels), sizes["C"], sizes["side"]
    rows, columns = (length // side for length in image_size)
    if rows * columns < NUM_VIEWS:
        raise ValueError(
            f"image_size={image_size} has {rows * columns} cells of {side} x {side} pixels for "
            f"{NUM_VIEWS} views: use larger images or smaller textures."
        )
    images = torch.zeros(n, channels, *image_size)
    # Cells as axes of their own: (n, C, rows, side, columns, side).
    grid = images[..., : rows * side, : columns * side].unflatten(-1, (columns, side))
    grid = grid.unflatten(2, (rows, side))
    cells = torch.rand(n, rows * columns, generator=generator).argsort(1)[:, :NUM_VIEWS]
    least, most = STRENGTH
    strength = least + (most - least) * torch.rand(n, NUM_VIEWS, generator=generator)
    strength = (strength * shown)[..., None, None, None]
    for v in range(NUM_VIEWS):
        row, column = cells[:, v] // columns, cells[:, v] % columns
        grid[torch.arange(n), :, row, :, column] = strength[:, v] * textures[labels, v]
    return images


def _image_data(
    name: str, num_classes: int, sizes: tuple[int, int], draw: Any, generator: torch.Generator
) -> ImageData:
    """Balanced labels in random order, and ``draw(labels)``, of each split."""
    splits = {}
    for split, n in zip(("train", "test"), sizes, strict=True):
        labels = (torch.arange(n) % num_classes)[torch.randperm(n, generator=generator)]
        splits |= {f"{split}_labels": labels, f"{split}_images": draw(labels)}
    names = tuple(f"class {i}" for i in range(num_classes))
    return ImageData(name=name, class_names=names, **splits)


def _check_sizes(num_classes: int, **sizes: int) -> None:
    for name, n in sizes.items():
        if checks.count(name, n, meaning="counts images") % num_classes:
            raise ValueError(
                f"{name}={n} images cannot be shared equally by {num_classes} classes: use a "
                f"positive multiple of {num_classes}."
            )


def _quantised(pixels: Float[Tensor, "n C H W"]) -> UInt8[Tensor, "n C H W"]:
    return pixels.round().clamp(0, 255).to(torch.uint8)
