"""Few samples for tables of bad inputs, and what makes them bad."""

from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from multiview import stream
from multiview.train import OptimSpec

N, D, K = 60, 5, 3
X = torch.randn(N, D, generator=stream(0, "x"))
Y = X[:, :K].argmax(1)
TRAIN, TEST = (X, Y), (X[:20], Y[:20])
SPEC = OptimSpec(epochs=2, batch_size=20, learning_rate=0.1)


def linear() -> nn.Module:
    """A network for these samples."""
    return nn.Linear(D, K)


def normed() -> nn.Module:
    """A network with a BatchNorm."""
    return nn.Sequential(nn.Linear(D, 4), nn.BatchNorm1d(4), nn.Linear(4, K))


def with_value(x: torch.Tensor, value: Any) -> torch.Tensor:
    """A copy whose first entry is this."""
    other = x.clone()
    other.view(-1)[0] = value
    return other


class Items(Dataset):
    """A data set of these items."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]
