"""A training that takes a second: three classes of images, a small network and its settings."""

import torch

from multiview import stream
from multiview.models import ConvNet
from multiview.train import OptimSpec


def problem(n: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes of noisy 8x8 images, each with its own bright corner."""
    labels = torch.arange(n) % 3
    images = 0.5 * torch.randn(n, 1, 8, 8, generator=stream(0, "noise"))
    for i, label in enumerate(labels):
        row, column = divmod(int(label), 2)
        images[i, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1
    return images, labels


def net(i: int = 0) -> ConvNet:
    generator = stream(i, "init")
    return ConvNet(image_shape=(1, 8, 8), num_classes=3, widths=(4, 6), generator=generator)


SPEC = OptimSpec(epochs=20, batch_size=16, learning_rate=0.1)
