"""Images of three classes that differ in which corner is brighter."""

import torch

from multiview import stream
from multiview.data.images import ImageData


def images(per_class: int = 40) -> ImageData:
    """Three classes of noise, each a little brighter in its own corner."""
    n = 3 * per_class
    labels = torch.arange(n) % 3
    pixels = torch.randint(0, 180, (2, n, 1, 8, 8), generator=stream(0, "noise"))
    for label in range(3):
        row, column = divmod(label, 2)
        own = (slice(None), labels == label, 0)
        pixels[(*own, slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))] += 70
    return ImageData(
        name="mnist",
        class_names=("a", "b", "c"),
        train_images=pixels[0].to(torch.uint8),
        train_labels=labels,
        test_images=pixels[1].to(torch.uint8),
        test_labels=labels,
    )
